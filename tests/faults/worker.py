"""The worker dies with events in its hands, at each point between taking and acknowledging them."""

from dataclasses import asdict

from tests.estate.estate import stop_all
from tests.faults.inject import crashes, environment
from tests.faults.messages import Mail, Mailbox, judge_delivery, life, mailbox, message_of
from tests.faults.part import Part, lend
from tests.faults.run import Run, wait_until

USERS = 60  # between two deaths; nothing that comes later may hide that one of them is lost
# Where it dies, and whether all of it does or the pool's child alone. Redis as a broker delivers
# only after a minute what a whole worker had: there the death of one child is enough here.
ONE_DEATH = [("worker-apply-before-commit", False)]
ALL_DEATHS = [
    *ONE_DEATH,
    ("worker-commit-before-return", False),
    ("worker-apply-before-commit", True),
    ("worker-commit-before-return", True),
    ("worker-commit-before-ack", True),
]


def worker_embedded(run: Run) -> None:
    """On SQLite and Valkey."""
    with lend() as engines, Part(run.folder / "estate", engines, only=["order-worker"]) as estate:
        die_with_events(run, estate, ONE_DEATH)


def worker_rabbitmq(run: Run) -> None:
    """On PostgreSQL and RabbitMQ."""
    with (
        lend(order="postgresql", broker="rabbitmq") as engines,
        Part(run.folder / "estate", engines, only=["order-worker"]) as estate,
    ):
        die_with_events(run, estate, ALL_DEATHS)


def die_with_events(run: Run, estate: Part, deaths: list[tuple[str, bool]]) -> None:
    mail = Mail()
    for number, (point, whole) in enumerate(deaths):
        notes, occasion = run.folder / f"notes-{number}", run.random.randint(1, 5)
        estate.told["order"] = environment(
            crash_at=point, occasion=occasion, whole=whole, notes=notes
        )
        if number:
            restart(estate)
        else:
            estate.start()
        with mailbox(estate) as box:
            post(run, mail, box)
        wait_until(lambda: crashes(notes) == 1, f"the worker dies: {point}", 30)  # noqa: B023
        if whole:
            estate.processes["order-worker"].wait(10)
        run.count("kills")
        run.say(f"{'all of it' if whole else 'a child'} died: {point}, at message {occasion}")
    if whole:
        restart(estate)
    with mailbox(estate) as box:
        judge_delivery(run, estate, mail, box)


def restart(estate: Part) -> None:
    stop_all([estate.processes.pop("order-worker")])
    estate.start_process("order-worker")


def post(run: Run, mail: Mail, box: Mailbox) -> None:
    """The first state of some users, each in a message of its own."""
    events = [next(life(run.random, number)) for number in range(USERS)]
    mail.copy |= {event.subject: event.data for event in events}
    mail.changes += len(events)
    mail.deliveries += len(events)
    box.post([message_of(run.random, [asdict(event)]) for event in events])
    run.count("events", len(events))
