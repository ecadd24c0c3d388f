"""The filesystem of the outbox, of the broker or of all servers is full: nothing is lost by it."""

import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import requests
from tests.faults.books import read_customers, read_users
from tests.faults.deployment import DeployedEstate, Deployment, deploy
from tests.faults.kills import conclude, wait
from tests.faults.load import Load
from tests.faults.run import CannotRunHere, NotInTime, Run
from tests.faults.servers import rabbitmqctl

EVENTS_A_SECOND = 100
FULL_SECONDS = 4
ROOM_SECONDS = 60  # until all is as before, once there is room
PASSWORD = "Pour me my own, quietly."  # unlike any name here
BLOCK = b"\0" * 65_536
SMALL, LARGE = 96, 1_536  # MiB; PostgreSQL and RabbitMQ set much aside before they start


class Filesystem:
    """A small one of its own, which can be filled to the last byte and emptied again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ballast = folder / "ballast"

    @contextmanager
    def full(self) -> Iterator[None]:
        try:
            self.fill()
            yield
        finally:
            self.ballast.unlink(missing_ok=True)

    def fill(self) -> None:
        """Take what is left, and what is given back meanwhile if called again."""
        with self.ballast.open("ab", buffering=0) as ballast:
            for block in (BLOCK, b"\0"):
                try:
                    while ballast.write(block) == len(block):
                        pass
                except OSError:  # no space left on device
                    continue


@contextmanager
def filesystem(folder: Path, mebibytes: int) -> Iterator[Filesystem]:
    """One in memory, mounted for as long as the context lasts; CannotRunHere where we may not."""
    folder.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=755", "tmpfs", folder],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CannotRunHere(f"no small filesystem can be mounted here: {done.stderr.strip()}")
    try:
        yield Filesystem(folder)
    finally:
        # Lazily: something of ours may be about to end in it.
        subprocess.run(["umount", "--lazy", folder], check=True)  # noqa: S607


def disk_embedded(run: Run) -> None:
    """Users and their outbox in SQLite, and Valkey, each on a small filesystem of its own."""
    with (
        filesystem(run.folder / "outbox", SMALL) as outbox,
        filesystem(run.folder / "broker", SMALL) as broker,
    ):

        def lay(estate: DeployedEstate) -> None:
            (broker.folder / "valkey").mkdir()
            (estate.folder / "valkey").symlink_to(broker.folder / "valkey")
            url = f"sqlite:///{outbox.folder / 'user.sqlite3'}"
            estate.variables["user"] = estate.variables["user"] | {"DATABASE_URL": url}

        with deploy(run, "embedded", wire=lay) as deployment:
            fill_up(run, deployment, {"the outbox": outbox, "the broker": broker})


def disk_postgresql(run: Run) -> None:
    """PostgreSQL, RabbitMQ and the Redis of stock share one filesystem."""
    with (
        filesystem(run.folder / "servers", LARGE) as servers,
        temporary_files_in(servers.folder),
        deploy(run, "postgresql") as deployment,
    ):
        fill_up(run, deployment, {"the servers": servers})


@contextmanager
def temporary_files_in(folder: Path) -> Iterator[None]:
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


def fill_up(run: Run, deployment: Deployment, filesystems: Mapping[str, Filesystem]) -> None:
    """Each is full for a while under load, then all of them; what was answered 201 is kept."""
    registered: dict[str, str] = {}
    plans = [[name] for name in filesystems]
    plans += [list(filesystems)] if len(filesystems) > 1 else []
    plans *= 5 if run.is_long else 1
    run.random.shuffle(plans)
    seconds = (FULL_SECONDS + 4) * len(plans)
    with Load(run, deployment, EVENTS_A_SECOND * seconds, seconds, writers=1, buyers=2) as load:
        load.begin()
        for names in plans:
            run.say(f"full: {' and '.join(names)}")
            with ExitStack() as stack:
                for name in names:
                    stack.enter_context(filesystems[name].full())
                refused = amid(run, deployment, registered, [filesystems[name] for name in names])
            run.count("full disks")
            run.count("registrations refused", refused)
            begun = time.monotonic()
            while register(deployment, registered) != 201:
                wait(0.5, deployment)
                if time.monotonic() - begun > ROOM_SECONDS:
                    raise NotInTime(f"with room, nobody could register for {ROOM_SECONDS} s")
            wait(2, deployment)
            run.count("brokers restarted", restart_where_queues_are_down(deployment))
        load.end()
        conclude(run, deployment, load)
    users, customers = read_users(deployment), read_customers(deployment)
    run.count("registrations", len(registered))
    lost = [key for key, name in registered.items() if key not in users or users[key].name != name]
    run.expect(not lost, f"who was registered is known: {len(lost)} are not, as {lost[:3]}")
    missed = [key for key in registered if key not in customers]
    run.expect(not missed, f"and known to orders: {len(missed)} are not, as {missed[:3]}")


def restart_where_queues_are_down(deployment: Deployment) -> int:
    """Restart RabbitMQ as its operator must, if its quorum queues gave up when they found no room.

    The node lets everybody in and answers a ping, but its queues stay down as long as it runs.
    """
    if "rabbitmq" not in deployment.servers:
        return 0
    if "down" not in rabbitmqctl(deployment.servers["rabbitmq"], "list_queues", "state"):
        return 0
    deployment.kill("rabbitmq")
    deployment.restart("rabbitmq")
    return 1


def amid(
    run: Run, deployment: Deployment, registered: dict[str, str], full: list[Filesystem]
) -> int:
    """Register people while there is no room; how many were refused, each in so many words."""
    refused = 0
    deadline = time.monotonic() + FULL_SECONDS
    while time.monotonic() < deadline:
        for each in full:
            each.fill()
        status = register(deployment, registered)
        refused += status != 201
        run.expect(
            status == 201 or status >= 500 or status == 0,
            f"registering succeeds or fails loudly, and does not answer {status}",
        )
        # A server that ended for want of room would do so again: it is started once there is some.
        time.sleep(0.2)
    return refused


def register(deployment: Deployment, registered: dict[str, str]) -> int:
    """Register somebody, noted where that was answered 201; the answer, 0 where there was none."""
    name = f"Amid {uuid.uuid4()}"
    body = {"email": f"{uuid.uuid4().hex}@example.com", "name": name, "password": PASSWORD}
    url = f"{deployment.estate.url('user')}/api/v1/users/"
    try:
        answer = requests.post(url, json=body, timeout=10)
    except requests.RequestException:
        return 0
    if answer.status_code == 201:
        registered[answer.json()["id"]] = name
    return answer.status_code
