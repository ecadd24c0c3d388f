"""A copy altered by hand, or an owner that forgot: all is found, nothing else, and mended."""

import json
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from tests.estate.settings import ROOT
from tests.faults.books import read_books, read_customers, read_users, rest
from tests.faults.deployment import Deployment, deploy
from tests.faults.judge import Person, judge
from tests.faults.load import Load
from tests.faults.run import Run, wait_until
from tests.faults.tables import Table

EQUAL, DRIFT, UNKNOWN = 0, 1, 2  # exit statuses of verify_customers
LAG_SECONDS = "4"  # what a busy machine may need from commit to copy
EXAMPLES = 1000  # that verify_customers names

# People whom nobody changes meanwhile, in their second state; the last of them are erased.
QUIET = """
import random, uuid
from users.models import User
draw = random.Random({seed})
ids = sorted(uuid.UUID(int=draw.getrandbits(128), version=4) for _ in range({many}))
users = [User(pk=pk, email=f"{{pk.hex}}@example.com", name="Quiet", password="!") for pk in ids]
User.objects.bulk_create(users)
User.objects.filter(pk__in=ids).update(name="Quiet in the second state")
User.objects.filter(pk__in=ids[-{erased}:]).delete()
"""
LATER = """
import uuid
from users.models import User
ids = "{ids}".split()
for user in User.objects.filter(pk__in=ids):
    user.name = "{name}"
    user.save()
User.objects.filter(pk__in=ids[:{erased}]).delete()
for word in "{fresh}".split():
    User.objects.create(pk=uuid.UUID(hex=word), email=f"{{word}}@example.com", name="New")
"""


@dataclass(frozen=True)
class Report:
    """What `verify_customers --json` ended with and told."""

    status: int
    said: str

    @property
    def answer(self) -> dict[str, Any]:
        return dict(json.loads(self.said.splitlines()[0])) if self.said.startswith("{") else {}

    @property
    def found(self) -> dict[str, str]:
        """The kind of drift of each user named."""
        return {each["id"]: each["kind"] for each in self.answer.get("examples", ())}

    @property
    def kinds(self) -> dict[str, int]:
        return dict(self.answer.get("drift", {}))


def verify(deployment: Deployment, *options: str) -> Report:
    project = ROOT / "order_project"
    done = subprocess.run(
        [
            *(project / ".venv/bin/python", "manage.py", "verify_customers", "--json"),
            *("--lag", LAG_SECONDS, *options),
        ],
        cwd=project,
        env=deployment.estate.environment("order") | {"LOG_LEVEL": "WARNING"},
        capture_output=True,
        text=True,
        check=False,
    )
    return Report(done.returncode, done.stdout or done.stderr)


def drift_embedded(run: Run) -> None:
    with deploy(run, "embedded") as deployment:
        hunt(run, deployment)
        forget(run, deployment)


def drift_postgresql(run: Run) -> None:
    with deploy(run, "postgresql") as deployment:
        hunt(run, deployment)


def drift_mongodb(run: Run) -> None:
    with deploy(run, "mongodb") as deployment:
        hunt(run, deployment)


@contextmanager
def traffic(run: Run, deployment: Deployment) -> Iterator[None]:
    """Others change while we look: a writer, and buyers whose accounts are new."""
    seconds = 120 if run.is_long else 30
    with Load(run, deployment, 100 * seconds, seconds, writers=1, buyers=1) as load:
        load.begin()
        yield
        load.end()


def hunt(run: Run, deployment: Deployment) -> None:
    """Rows deleted, added, aged, altered and dated ahead under traffic are found, each as such."""
    many = 5_000 if run.is_long else 300
    seed, erased = run.random.getrandbits(32), many // 10
    draw = Random(seed)  # noqa: S311  # it draws the same as QUIET
    people = sorted(str(UUID(int=draw.getrandbits(128), version=4)) for _ in range(many))
    code = QUIET.format(seed=seed, many=many, erased=erased)  # so many ids would be too long for it
    deployment.estate.manage("user", "shell", "--verbosity", "0", "--command", code)

    def copied() -> bool:
        copy = read_customers(deployment)
        return all(each in copy and copy[each].version > 1 for each in people) and all(
            copy[each].is_deleted for each in people[-erased:]
        )

    wait_until(copied, "the quiet people are in the copy", 60)
    with traffic(run, deployment):
        wrong = alter(run, deployment, people[:-erased], people[-erased:])
        run.count("rows altered", len(wrong))
        expect_found(run, verify(deployment), wrong, status=DRIFT, repaired=0)
        run.say(f"{len(wrong)} rows altered by hand were found under traffic")
        if run.is_long:
            report = verify(deployment, "--repair")
            expect_found(run, report, wrong, status=EQUAL, repaired=len(wrong))
            alter(run, deployment, people[:-erased], people[-erased:])
        with ThreadPoolExecutor(2) as both:
            for report in both.map(lambda _: verify(deployment, "--repair"), range(2)):
                run.expect(report.status == EQUAL, f"two repairs at once agree: {report}")
        run.say("two repairs at once were through with it")
        expect_found(run, verify(deployment), {}, status=EQUAL, repaired=0)
    conclude(run, deployment)
    with deployment.estate.without("user-web"):
        report = verify(deployment)
    run.expect(report.status == UNKNOWN, f"without the owner nobody can tell: {report}")


def alter(
    run: Run, deployment: Deployment, present: list[str], erased: list[str]
) -> dict[str, str]:
    """Alter rows of the copy by hand; the kind of drift that each now is."""
    copy = Table(deployment.url("order"), "customers_customer")
    each = 40 if run.is_long else 5
    victims = run.random.sample(present, 4 * each)
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    wrong: dict[str, str] = {}
    for user_id in victims[:each]:
        copy.delete(user_id)
        wrong[user_id] = "missing"
    for user_id in victims[each : 2 * each]:
        copy.change(user_id, version=1, name="Quiet", synced_at=long_ago)
        wrong[user_id] = "stale"
    for number, user_id in enumerate(victims[2 * each : 3 * each]):
        field = ("name", "email")[number % 2]
        copy.change(user_id, **{field: f"altered-{number}@example.com"})
        wrong[user_id] = "different"
    for user_id in victims[3 * each :]:
        copy.change(user_id, version=7, name="from the future")
        wrong[user_id] = "ahead"
    for user_id in run.random.sample(erased, 2):
        copy.change(user_id, name="risen from the dead", is_deleted=False)
        wrong[user_id] = "different"
    for number in range(each):
        user_id = str(UUID(int=run.random.getrandbits(128), version=4))
        copy.insert(
            _id=user_id,
            version=1,
            email=f"nobody-{number}@example.com",
            name="Nobody",
            is_deleted=False,
            changed_at=None,
            synced_at=long_ago,
        )
        wrong[user_id] = "extra"
    return wrong


def expect_found(
    run: Run, report: Report, wrong: Mapping[str, str], *, status: int, repaired: int
) -> None:
    """All that is wrong is found, by its kind, and nothing else is."""
    run.expect(report.status == status, f"verify_customers exits {status}: {report}")
    overlooked = {key: kind for key, kind in wrong.items() if report.found.get(key) != kind}
    if len(wrong) <= EXAMPLES:
        run.expect(not overlooked, f"all drift is found by kind, but for {first(overlooked)}")
    falsely = {key: kind for key, kind in report.found.items() if key not in wrong}
    run.expect(not falsely, f"nothing is found falsely, but {first(falsely)}")
    kinds = dict(Counter(wrong.values()))
    run.expect(report.kinds == kinds, f"the kinds are counted: {report.kinds}, not {kinds}")
    done = report.answer.get("repaired")
    run.expect(done == repaired, f"{repaired} are repaired, not {done}")


def first(some: Mapping[str, str]) -> str:
    return f"{len(some)}: {dict(list(some.items())[:3])}"


def forget(run: Run, deployment: Deployment) -> None:
    """The owner is restored from an older backup, on SQLite: the copy is then ahead, or extra."""
    database = Path(deployment.url("user").removeprefix("sqlite:///"))
    backup = run.folder / "backup.sqlite3"
    with closing(sqlite3.connect(database)) as owner, closing(sqlite3.connect(backup)) as kept:
        owner.backup(kept)
    people = sorted(key for key, user in read_users(deployment).items() if not user.is_deleted)
    changed = run.random.sample(people, 30)
    fresh = [UUID(int=run.random.getrandbits(128), version=4).hex for _ in range(10)]
    change(deployment, changed, "what the backup does not know", erased=5, fresh=fresh)
    rest(deployment)
    with (
        deployment.estate.without("user-web", "user-relay"),
        closing(sqlite3.connect(backup)) as kept,
        closing(sqlite3.connect(database)) as owner,
    ):
        kept.backup(owner)
    wrong = differences(read_users(deployment), read_customers(deployment))
    run.count("users forgotten", len(wrong))
    kinds = Counter(wrong.values())
    run.expect(kinds == {"ahead": 30, "extra": 10}, f"the copy is ahead of its owner: {kinds}")
    expect_found(run, verify(deployment), wrong, status=DRIFT, repaired=0)
    # Of the copy's version or below it: refused as stale, and not sent again.
    change(deployment, changed[10:13], "what the copy cannot know")
    report = verify(deployment, "--repair")
    run.expect(report.status == EQUAL, f"what is ahead is mended: {report.kinds}")
    conclude(run, deployment)


def change(
    deployment: Deployment,
    people: Sequence[str],
    name: str,
    *,
    erased: int = 0,
    fresh: Sequence[str] = (),
) -> None:
    """Rename people at the owner, erase the first of them, and register fresh ones."""
    code = LATER.format(ids=" ".join(people), name=name, erased=erased, fresh=" ".join(fresh))
    deployment.estate.manage("user", "shell", "--verbosity", "0", "--command", code)


def differences(users: Mapping[str, Person], customers: Mapping[str, Person]) -> dict[str, str]:
    """The kind of drift of each user, by the databases themselves."""
    kinds = {}
    for key in users.keys() | customers.keys():
        owner, copy = users.get(key), customers.get(key)
        if owner == copy:
            continue
        if owner is None or copy is None:
            kinds[key] = "extra" if owner is None else "missing"
        elif owner.version == copy.version:
            kinds[key] = "different"
        else:
            kinds[key] = "ahead" if copy.version > owner.version else "stale"
    return kinds


def conclude(run: Run, deployment: Deployment) -> None:
    """Nothing is wrong any more, in any of the databases."""
    rest(deployment)
    for broken in judge(read_books(deployment)).broken():
        run.expect(False, broken)
