"""An estate on engines that are all ours, so that any part of it may be killed."""

import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import psutil
import psycopg
import pymongo
from tests.estate.estate import Estate
from tests.estate.leaks import secrets_in
from tests.estate.settings import ROOT, SERVICES, Engines
from tests.faults.inject import inherited
from tests.faults.run import Run
from tests.faults.servers import SERVERS, Server, kill_family

EMBEDDED = Engines(databases=dict.fromkeys(SERVICES), stock=None, broker=None, cache=None)
RESTART_SECONDS = 1  # until what ended at once is started again
# On one machine an outage is over sooner than elsewhere; and no repair may hide what was lost.
VARIABLES = {
    "order": {
        "RETRY_LIMIT_SECONDS": "4",
        "VERIFY_RECENT_SECONDS": "1000000",
        "VISIBILITY_SECONDS": "10",
        "PRODUCT_CACHE_SECONDS": "5",
    },
}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a deployment consists of: its servers, and which of them has each service's data."""

    servers: tuple[str, ...] = ()
    databases: dict[str, str]
    is_stock_in_redis: bool = False


KINDS = {
    "embedded": Kind(databases={}),
    "postgresql": Kind(
        servers=("postgresql", "rabbitmq", "stock"),
        databases=dict.fromkeys(SERVICES, "postgresql"),
        is_stock_in_redis=True,
    ),
    "mongodb": Kind(
        servers=("postgresql", "mongodb", "rabbitmq", "stock"),
        databases=dict.fromkeys(SERVICES, "postgresql") | {"order": "mongodb"},
        is_stock_in_redis=True,
    ),
}


class DeployedEstate(Estate):
    """An estate that tells its services a little more, and keeps its ports while they are down."""

    def __init__(
        self, folder: Path, engines: Engines, variables: dict[str, dict[str, str]]
    ) -> None:
        super().__init__(folder, engines)
        self.variables = variables
        self.held, self._reserved = list(self._reserved.values()), {}
        self.groups: set[int] = set()  # of all that was ever started: an orphan stays in its own

    def environment(self, service: str) -> dict[str, str]:
        return super().environment(service) | inherited(service) | self.variables.get(service, {})

    def start_process(self, name: str, **variables: str) -> None:
        """Start one process, told a little more than the others where a fault is to be in it."""
        if name == "valkey":
            self._start_valkey()
            return
        environment = self.environment(name.partition("-")[0]) | variables
        self._spawn(name, ["/bin/sh", "-c", self.commands[name]], ROOT, environment)

    def _spawn(self, name: str, *arguments: Any) -> None:
        super()._spawn(name, *arguments)
        self.groups.add(self.processes[name].pid)

    def stop(self) -> None:
        super().stop()
        for group in self.groups:
            end_group(group)
        for held in self.held:
            held.close()


class Deployment:
    """The estate and its servers by name: each to be killed, started again, frozen, and read."""

    def __init__(self, estate: DeployedEstate, servers: dict[str, Server]) -> None:
        self.estate = estate
        self.servers = servers
        self.started_at: dict[str, float] = {}
        self.told: dict[str, dict[str, str]] = {}  # to each, beside what its service is told

    # Who is there.

    @property
    def names(self) -> list[str]:
        """All that can be killed: processes of the estate and servers."""
        return [*self.estate.processes, *self.servers]

    def process(self, name: str) -> psutil.Popen:
        if name in self.servers:
            process = self.servers[name].process
            assert process is not None, f"{name} was never started"
            return process
        return self.estate.processes[name]

    def children(self, name: str) -> list[psutil.Process]:
        """What a process has started: pool children, gunicorn's workers, database backends."""
        with suppress(psutil.NoSuchProcess):
            return list(self.process(name).children(recursive=True))
        return []

    # What may happen to them.

    def kill(self, name: str) -> None:
        """SIGKILL to one with all its children."""
        kill_family(self.process(name))

    def kill_alone(self, name: str) -> None:
        """SIGKILL to one process; its children notice in their own time."""
        process = self.process(name)
        process.kill()
        process.wait()

    def restart(self, name: str, **variables: str) -> None:
        """Start one that has ended; what is left of it is killed first, as a supervisor would."""
        self.started_at[name] = time.monotonic()
        self.told[name] = variables
        if name in self.servers:
            self.servers[name].start()
            return
        if name in self.estate.processes:
            end_group(self.estate.processes.pop(name).pid)
        self.estate.start_process(name, **variables)

    def supervise(self, *, but: str = "") -> list[str]:
        """Start again whatever has ended, but for one, as it was started; returns what that was."""
        now = time.monotonic()
        ended = [
            name
            for name in self.names
            if name != but
            and self.process(name).poll() is not None
            and now > self.started_at.get(name, 0) + RESTART_SECONDS
        ]
        for name in sorted(ended, key=lambda name: name not in self.servers):  # these first
            self.restart(name, **self.told.get(name, {}))
        return ended

    def freeze(self, name: str) -> None:
        """SIGSTOP to one with all its children."""
        for process in [*self.children(name), self.process(name)]:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        for process in [self.process(name), *self.children(name)]:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)

    # What is in their databases.

    def url(self, service: str) -> str:
        return self.estate.environment(service)["DATABASE_URL"]

    def rows(self, service: str, statement: str) -> list[tuple[Any, ...]]:
        """What a SELECT finds in a service's SQL database."""
        url = self.url(service)
        if url.startswith("sqlite"):
            path = url.removeprefix("sqlite:///")
            with closing(sqlite3.connect(path, timeout=30)) as connection:
                return connection.execute(statement).fetchall()
        with psycopg.connect(url, connect_timeout=5) as session:
            return session.execute(statement.encode()).fetchall()

    def documents(self, service: str, collection: str) -> list[dict[str, Any]]:
        """All of a collection of a service's MongoDB."""
        client: pymongo.MongoClient[dict[str, Any]]
        with pymongo.MongoClient(self.url(service), uuidRepresentation="standard") as client:
            return list(client.get_default_database()[collection].find())

    def is_mongodb(self, service: str) -> bool:
        return self.url(service).startswith("mongodb")


@contextmanager
def deploy(
    run: Run,
    kind: str,
    *,
    variables: dict[str, dict[str, str]] | None = None,
    wire: Callable[[DeployedEstate], None] = lambda _: None,
) -> Iterator[Deployment]:
    """An estate of a kind, up and answering, on servers of its own; all is gone in the end.

    `variables` are told to a service's processes, beside VARIABLES; `wire` may change them once
    all ports are known. Raises CannotRunHere.
    """
    plan = KINDS[kind]
    told = {
        service: VARIABLES.get(service, {}) | (variables or {}).get(service, {})
        for service in SERVICES
    }
    with ExitStack() as stack:
        # Not below run.folder, into which who must not be root may not look.
        data = Path(mkdtemp(prefix="freehold-faults-"))
        data.chmod(0o755)
        stack.callback(shutil.rmtree, data, ignore_errors=True)
        servers = {}
        for name in plan.servers:
            (data / name).mkdir()
            servers[name] = SERVERS[name](data / name)
            stack.callback(keep_log, servers[name], run.folder)
            stack.callback(servers[name].stop)
        for server in servers.values():
            server.start()
        estate = DeployedEstate(run.folder / "estate", engines_of(plan, servers), told)
        deployment = Deployment(estate, servers)
        stack.callback(estate.stop)
        wire(estate)
        estate.start()
        yield deployment
        logs = [*estate.logs.iterdir(), *(server.log for server in servers.values())]
        told_to_all = secrets_in(sorted(logs), estate)
        run.expect(not told_to_all, f"no log has a password, token or key: {told_to_all[:5]}")


def engines_of(plan: Kind, servers: dict[str, Server]) -> Engines:
    """What each service is told of the servers; an empty database for each is made there."""
    if not plan.servers:
        return EMBEDDED
    databases: dict[str, str | None] = {}
    for service, name in plan.databases.items():
        url = servers[name].url
        databases[service] = f"{url}/freehold_{service}"
        if name == "postgresql":
            with psycopg.connect(f"{url}/postgres", autocommit=True) as session:
                session.execute(f"CREATE DATABASE freehold_{service}".encode())
    return Engines(
        databases=databases,
        stock=servers["stock"].url if plan.is_stock_in_redis else None,
        broker=servers["rabbitmq"].url,
        cache=None,
    )


def keep_log(server: Server, folder: Path) -> None:
    """Beside the estate's logs, for as long as those are kept."""
    if server.log.exists():
        shutil.copy(server.log, folder / server.log.name)


def end_group(pid: int) -> None:
    """SIGKILL to the session that a process of ours had begun."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
