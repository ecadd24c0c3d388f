"""Where figures are measured: estates of our own, of which each runs only what a figure needs."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from rich.console import Console
from tests.bench.figures import RUNS
from tests.engines import (
    lend_database,
    lend_vhost,
    mongodb_of_our_own,
    why_unusable,
)
from tests.estate.estate import (
    START_SECONDS,
    Estate,
    EstateFailed,
    listens,
    reserve_port,
    stop_all,
)
from tests.estate.settings import ROOT, SERVICES, Engines

INSIDE = Path(__file__).parent / "inside"
# Runs one of our scripts as a part of a project: its interpreter, its settings, its models.
RUN = "import runpy, sys, django; django.setup(); runpy.run_path(sys.argv[1], run_name='__main__')"

# What figures are measured on: each service's database, and the broker.
DEPLOYMENTS = {
    "postgresql": (dict.fromkeys(SERVICES, "postgresql"), "rabbitmq"),
    "mongodb": (dict.fromkeys(SERVICES, "postgresql") | {"order": "mongodb"}, "rabbitmq"),
    "embedded": (dict[str, str](), None),
}
TITLES = {
    "postgresql": "PostgreSQL, RabbitMQ",
    "mongodb": "MongoDB-wire, RabbitMQ",
    "embedded": "SQLite, Valkey",
}


class Stage(Estate):
    """An estate that is prepared, and runs nothing until it is asked to."""

    def __init__(self, name: str, folder: Path, engines: Engines) -> None:
        super().__init__(folder, engines)
        self.name = name
        self.title = TITLES[name]

    def prepare(self) -> None:
        if self.engines.needs_valkey:
            self._start_valkey()
        with ThreadPoolExecutor(len(SERVICES)) as pool:
            list(pool.map(self._prepare, SERVICES))

    @contextmanager
    def running(self, *names: str, **variables: str) -> Iterator[None]:
        """With these processes of the Procfile, ready to work; `variables` go to all of them.

        `user-relay+2` is a second process like `user-relay`.
        """
        before, self._extra = self._extra, {**self._extra, **variables}
        self.commands |= {name: self.commands[name.partition("+")[0]] for name in names}
        try:
            for name in names:
                self.start_process(name)
            for name in names:
                self._wait(lambda name=name: self.is_ready(name), name)  # type: ignore[misc]
            yield
        finally:
            self._extra = before
            stop_all([self.processes.pop(name) for name in names if name in self.processes])

    @contextmanager
    def command(self, name: str, *arguments: str) -> Iterator[psutil.Popen]:
        """A manage.py command of a service, named like a process, while it runs."""
        service = name.partition("-")[0]
        folder = ROOT / f"{service}_project"
        python = str(folder / ".venv/bin/python")
        self._spawn(name, [python, "manage.py", *arguments], folder, self.environment(service))
        try:
            yield self.processes[name]
        finally:
            stop_all([self.processes.pop(name)])

    _extra: Mapping[str, str] = {}

    def environment(self, service: str) -> dict[str, str]:
        return super().environment(service) | {"LOG_LEVEL": "INFO"} | dict(self._extra)

    def start_process(self, name: str) -> None:
        self.log(name).write_text("")  # what it says from now on tells when it is ready
        super().start_process(name)

    def is_ready(self, name: str) -> bool:
        """Whether a process does its work: a web process answers, any other says so."""
        if name.endswith("-web"):
            try:
                self.wait_for_web(name)
            except EstateFailed:
                return False
            return True
        said = {"relay": "relaying until", "worker": " ready.", "beat": "maxinterval"}
        return said[name.partition("-")[2].partition("+")[0]] in self.log(name).read_text()

    @contextmanager
    def bare_view(self, body: bytes) -> Iterator[str]:
        """The URL of a Django view that answers these bytes and does nothing else, by gunicorn."""
        (self.folder / "body").write_bytes(body)
        with self._bare("bare_view", "order", BODY=str(self.folder / "body")) as url:
            yield url

    @contextmanager
    def bare_rows(self, service: str, table: str) -> Iterator[str]:
        """The URL of a Django view that reads 50 rows of a service's table, by gunicorn."""
        project = f"{service}_project"
        variables = self.environment(service) | {"PROJECT": project, "TABLE": table}
        variables["PYTHONPATH"] = str(ROOT / project)
        with self._bare("bare_rows", service, **variables) as url:
            yield url

    @contextmanager
    def _bare(self, name: str, service: str, **variables: str) -> Iterator[str]:
        with reserve_port(0) as held:
            port = held.getsockname()[1]
            options = ["--bind", f"127.0.0.1:{port}", "--workers", "2", "--chdir", str(INSIDE)]
            variables = {"PATH": os.environ["PATH"], **variables}
            gunicorn = str(ROOT / f"{service}_project/.venv/bin/gunicorn")
            self._spawn(name, [gunicorn, *options, f"{name}:application"], ROOT, variables)
        try:
            self._wait(lambda: listens(port), name)
            yield f"http://127.0.0.1:{port}/"
        finally:
            stop_all([self.processes.pop(name)])

    def family(self, name: str) -> list[psutil.Process]:
        """A process with all that it started."""
        process = self.processes[name]
        return [process, *process.children(recursive=True)]

    @contextmanager
    def frozen(self, *names: str) -> Iterator[None]:
        """While these processes get no processor: what they are to do can be laid out for them."""
        family = [process for name in names for process in self.family(name)]
        for process in family:
            process.suspend()
        try:
            yield
        finally:
            for process in family:
                process.resume()

    def run_inside(
        self, service: str, script: str, *, environment: Mapping[str, str] = {}, **values: Any
    ) -> Any:
        """Run a script of `inside/` in a project; it reads `values`, and answers in JSON."""
        project = ROOT / f"{service}_project"
        settings = {"DJANGO_SETTINGS_MODULE": f"{service}_project.settings", "LOG_LEVEL": "ERROR"}
        settings["PYTHONPATH"] = str(project)
        done = subprocess.run(
            [project / ".venv/bin/python", "-c", RUN, INSIDE / f"{script}.py", json.dumps(values)],
            cwd=project,
            env=self.environment(service) | settings | dict(environment),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
            raise EstateFailed(f"{script} failed in {project.name}\n{said}")
        return json.loads(done.stdout.splitlines()[-1])


class Bench:
    """What the functions that measure are given: stages, sizes, and a way to say how far it is."""

    def __init__(self, *, quick: bool, stack: ExitStack, console: Console) -> None:
        self.quick = quick
        self.runs = RUNS
        self._stack = stack
        self._console = console
        self._folder = Path(stack.enter_context(TemporaryDirectory(prefix="bench-")))
        self._stages: dict[str, Stage] = {}
        stack.enter_context(mongodb_of_our_own())
        self.absent = {
            engine: reason
            for engine in ("postgresql", "mongodb", "redis", "rabbitmq")
            if (reason := why_unusable(engine))
        }

    def size(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def say(self, text: str) -> None:
        self._console.print(f"[dim]{time.strftime('%H:%M:%S')}  {text}[/]", soft_wrap=True)

    def stages(self, *names: str) -> Iterator[Stage]:
        """Those of the deployments whose engines can be used; each is prepared once.

        The quick bench stays on the first that can be.
        """
        for name in names:
            if name not in self._stages:
                databases, broker = DEPLOYMENTS[name]
                needed = {*databases.values(), *filter(None, [broker])}
                if missing := sorted(needed & self.absent.keys()):
                    self.say(f"not on {TITLES[name]}: {self.absent[missing[0]]}")
                    continue
                self._stages[name] = self._prepare(name, databases, broker)
            yield self._stages[name]
            if self.quick:
                return

    def _prepare(self, name: str, databases: dict[str, str], broker: str | None) -> Stage:
        begun = time.monotonic()
        engines = Engines(
            databases={
                service: self._stack.enter_context(lend_database(databases[service]))
                if service in databases
                else None
                for service in SERVICES
            },
            stock=None,
            broker=self._stack.enter_context(lend_vhost()) if broker else None,
            cache=None,
        )
        stage = self._stack.enter_context(Stage(name, self._folder / name, engines))
        stage.prepare()
        self.say(f"{stage.title} prepared in {time.monotonic() - begun:.1f} s")
        return stage


def wait_until(condition: Callable[[], bool], what: str, *, every: float = 0.005) -> float:
    """Return when the condition holds, with the moment (perf_counter) at which it was seen to."""
    deadline = time.monotonic() + 10 * START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise EstateFailed(f"waited in vain: {what}")
        time.sleep(every)
    return time.perf_counter()
