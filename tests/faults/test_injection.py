"""Each crash point kills where it says, each safeguard can be removed, and neither fails silently.

Every operation runs in its own project's environment, in a process that is told to die.
"""

import signal
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from shutil import copyfile
from textwrap import dedent

import pytest
from tests.estate.settings import ROOT, SERVICES
from tests.faults.inject import CRASH_POINTS, SAFEGUARDS, crashes, environment
from tests.faults.inject.injected.imports import REFUSED

SETUP = """
import os, uuid
os.environ["DJANGO_SETTINGS_MODULE"] = "{service}_project.settings"
import django
django.setup()
from django.utils import timezone
"""

REGISTER = """
from users.operations import register_user
register_user(email="ann@example.com", name="Ann", password="")
"""

RELAY = """
from outbox.publisher import Publisher
from outbox.relay import relay_batch
from users.operations import register_user
register_user(email="ann@example.com", name="Ann", password="")
Publisher._publish = lambda self, payload: None
relay_batch(Publisher())
"""

APPLY = """
from customers.operations import apply_user_events
user = dict(id=str(uuid.uuid4()), version=1, email="", name="Ann", deleted=False)
event = dict(id="1", source="", type="user_created", subject=user["id"],
             time="2026-03-01T12:00:00+01:00", data=user)
apply_user_events(payloads=[event], now=timezone.now())
"""

ACKNOWLEDGE = """
from kombu import Connection, Exchange, Queue
with Connection("memory://") as broker:
    channel = broker.default_channel
    queue = Queue("q", Exchange("e", "topic"), "#")(channel)
    queue.declare()
    producer = broker.Producer(channel)
    for key in ("order.tasks", "user.events"):
        producer.publish("hello", exchange="e", routing_key=key)
        queue.get().ack()
        print("acknowledged", key, flush=True)
"""

ORDER = """
from clients import inventory
from clients.http import Remote
from contracts.inventory import Reservation, ReservationLine
from customers.operations import apply_users
from contracts.users import User
from orders import operations
from orders.models import Order
asked = []
def ask(self, method, *args, **kwargs):
    print(method, flush=True)
    return Reservation(order_id="", state="reserved", lines=())
Remote.ask = ask
order = Order.objects.create(customer_id=uuid.uuid4(), lines=[], total_amount=0,
    total_currency="EUR", placed_at=timezone.now(), priced_at=timezone.now())
operations.settle_order(order=order, now=timezone.now())
operations.cancel_order(order=order, now=timezone.now())
"""

RESERVE = """
from contracts.inventory import ReservationLine
from stock.operations import receive_stock, release_stock, reserve_stock
receive_stock(sku="TENT", quantity=2, reason="", by="")
order_id = uuid.uuid4()
reserve_stock(order_id=order_id, lines=(ReservationLine(sku="TENT", quantity=1),), by="")
release_stock(order_id=order_id, by="")
"""

LEDGER = """
from stock.ledger import Entry, Kind
from stock.operations import copy_ledger
from stock.stores.redis import RedisStore
from contracts.inventory import ReservationLine
entry = Entry(kind=Kind.RECEIVED, lines=(ReservationLine(sku="TENT", quantity=1),), by="")
class Store(RedisStore):
    def movements(self, *, limit):
        return {"1-1": entry}
copy_ledger(store=Store(url="redis://127.0.0.1:1/0", prefix=""))
"""

REPAIR = """
from customers import operations
from customers.drift import Drift
from customers.operations import apply_users, repair_customers
from contracts.users import User
mine = User(id=str(uuid.uuid4()), version=9, email="", name="Ann", deleted=False)
apply_users(users=[mine], now=timezone.now())
theirs = User(id=mine.id, version=1, email="", name="Ann", deleted=False)
repair_customers(drifts=[Drift(mine.id, mine, theirs)])
"""

REBUILD = """
from customers import operations
from contracts.users import User, UserPage
user = User(id=str(uuid.uuid4()), version=1, email="", name="Ann", deleted=False)
operations.fetch_user_page = lambda *args, **kwargs: UserPage(users=(user,), next=user.id)
operations.rebuild_page(after=None, now=timezone.now())
"""

USERS, PENDING = "SELECT count(*) FROM users_user", "SELECT count(*) FROM outbox_pendingevent"
COPIED = "SELECT count(*) FROM customers_customer"
STATUS = "SELECT status FROM orders_order"
RELEASED = "SELECT stock_released_at IS NOT NULL FROM orders_order"
RESERVED = "SELECT reserved FROM stock_level"
RECORDED = "SELECT count(*) FROM stock_movement"

# What runs into each crash point, what it says before, and what the database then holds.
COURSES: dict[str, tuple[str, str, dict[str, object]]] = {
    "user-write-before-commit": (REGISTER, "", {USERS: 0, PENDING: 0}),
    "user-commit-before-answer": (REGISTER, "", {USERS: 1, PENDING: 1}),
    "relay-claim-before-publish": (RELAY, "", {PENDING: 1}),
    "relay-publish-before-delete": (RELAY, "", {PENDING: 1}),
    "relay-delete-before-commit": (RELAY, "", {PENDING: 1}),
    "worker-apply-before-commit": (APPLY, "", {COPIED: 0}),
    "worker-commit-before-return": (APPLY, "", {COPIED: 1}),
    "worker-commit-before-ack": (ACKNOWLEDGE, "acknowledged order.tasks\n", {}),
    "order-stored-before-reserve": (ORDER, "", {STATUS: "pending"}),
    "order-reserved-before-confirm": (ORDER, "PUT\n", {STATUS: "pending"}),
    "order-cancelled-before-release": (ORDER, "PUT\n", {STATUS: "cancelled", RELEASED: 0}),
    "order-released-before-noted": (ORDER, "PUT\nDELETE\n", {STATUS: "cancelled", RELEASED: 0}),
    "inventory-reserve-before-commit": (RESERVE, "", {RESERVED: 0, RECORDED: 1}),
    "inventory-reserve-before-answer": (RESERVE, "", {RESERVED: 1, RECORDED: 2}),
    "inventory-release-before-answer": (RESERVE, "", {RESERVED: 0, RECORDED: 3}),
    "ledger-commit-before-forget": (LEDGER, "", {RECORDED: 1}),
    "repair-remove-before-apply": (REPAIR, "", {COPIED: 1}),
    "rebuild-between-pages": (REBUILD, "", {COPIED: 1}),
}

Play = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def empty_databases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database of each service."""
    folder = tmp_path_factory.mktemp("databases")
    started = [
        subprocess.Popen(
            [".venv/bin/python", "manage.py", "migrate", "--verbosity", "0"],
            cwd=ROOT / f"{service}_project",
            env={"DEBUG": "1", "DATABASE_URL": f"sqlite:///{folder / service}"},
        )
        for service in SERVICES
    ]
    assert [process.wait() for process in started] == [0] * len(SERVICES)
    return folder


@pytest.fixture
def play(tmp_path: Path, empty_databases: Path) -> Play:
    """Runs a script in a service's environment, on a database of its own."""

    def play(
        service: str, script: str, variables: dict[str, str]
    ) -> "subprocess.CompletedProcess[str]":
        for left in tmp_path.glob("database*"):  # SQLite's log of the last one, too
            left.unlink()
        copyfile(empty_databases / service, tmp_path / "database")
        return subprocess.run(
            [".venv/bin/python", "-c", SETUP.format(service=service) + dedent(script)],
            cwd=ROOT / f"{service}_project",
            env={"DEBUG": "1", "DATABASE_URL": f"sqlite:///{tmp_path / 'database'}"} | variables,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )

    return play


class TestACrashPoint:
    @pytest.mark.parametrize("name", CRASH_POINTS)
    def test_kills_where_it_says(self, play: Play, tmp_path: Path, name: str) -> None:
        script, said, then = COURSES[name]
        notes = tmp_path / "notes"

        done = play(CRASH_POINTS[name].project, script, environment(crash_at=name, notes=notes))

        assert done.returncode == -signal.SIGKILL, done.stderr
        assert done.stdout == said
        assert crashes(notes) == 1
        with closing(sqlite3.connect(tmp_path / "database")) as database:
            assert {query: database.execute(query).fetchone()[0] for query in then} == then

    def test_kills_on_the_occasion_that_was_asked_for_and_on_no_other(
        self, play: Play, tmp_path: Path
    ) -> None:
        notes = tmp_path / "notes"
        twice = REGISTER + REGISTER.replace("ann@", "bo@")
        variables = environment(crash_at="user-commit-before-answer", occasion=2, notes=notes)

        first = play("user", twice, variables)
        second = play("user", twice, variables)

        assert (first.returncode, second.returncode) == (-signal.SIGKILL, 0)
        assert crashes(notes) == 1

    def test_takes_all_of_its_session_along_where_asked(self, play: Play) -> None:
        inner = "import time; print('alive', flush=True); time.sleep(60)"
        script = f"""
        import subprocess, sys
        other = subprocess.Popen([sys.executable, "-c", {inner!r}], stdout=subprocess.PIPE)
        other.stdout.readline()
        print(other.pid, flush=True)
        """

        done = play(
            "user",
            dedent(script) + REGISTER,
            environment(crash_at="user-commit-before-answer", whole=True),
        )

        assert done.returncode == -signal.SIGKILL
        status = Path(f"/proc/{int(done.stdout)}/status")
        assert not status.exists() or "zombie" in status.read_text()

    def test_refuses_a_process_in_which_it_cannot_be(self, play: Play) -> None:
        typo = environment() | {"FREEHOLD_CRASH_AT": "user-write-before-lunch"}
        unknown = play("user", REGISTER, typo)
        elsewhere = play("order", APPLY, environment(crash_at="user-write-before-commit"))

        assert unknown.returncode == elsewhere.returncode == REFUSED
        assert "there is no crash point 'user-write-before-lunch'" in unknown.stderr
        assert "armed in order_project, and belongs to user_project" in elsewhere.stderr

    def test_refuses_where_its_function_is_gone(self, play: Play) -> None:
        script = """
        import outbox.models
        from injected.imports import replace
        replace(outbox.models, "PendingEventQuerySet.say_goodbye", lambda original: original)
        print("alive")
        """

        done = play("user", script, environment())

        assert (done.returncode, done.stdout) == (REFUSED, "")
        assert "outbox.models has no PendingEventQuerySet.say_goodbye any more" in done.stderr


class TestASafeguard:
    @pytest.mark.parametrize("name", SAFEGUARDS)
    def test_can_be_removed(self, play: Play, name: str) -> None:
        script = f"""
        from importlib import import_module
        for name in {list(SAFEGUARDS[name].changes)}:
            import_module(name)
        """

        done = play(SAFEGUARDS[name].project, script, environment(without=[name]))

        assert done.returncode == 0, done.stderr

    def test_of_the_stock_is_removed_where_it_was_written_last(self) -> None:
        migrations = sorted((ROOT / "inventory_project/stock/migrations").glob("*.py"))

        writing = [each.stem for each in migrations if "stock_reserve" in each.read_text()]

        assert f"stock.migrations.{writing[-1]}" in SAFEGUARDS["stock-guard"].changes
