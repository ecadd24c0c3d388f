"""Whatever happens to events, rebuilds and repairs on their way, the copy ends like its owner."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import settings as effort
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from contracts.users import User
from customers import drift, operations, projection
from customers.models import Customer, RejectedEvent
from customers.operations import apply_user_events, rebuild_page
from customers.tests.conftest import Owner
from customers.tests.events import event_of
from customers.tests.test_verify_customers import corrupt, verify

MOST_USERS = 6

Message = list[User]  # the states that its events carry
names = st.sampled_from(["Ann", "Bo", "Ä\u0301", ""])
turns = st.integers(0, 2**16)  # each picks from what there is by then


def copied() -> dict[str, User]:
    return {user.id: user for user in Customer.objects.as_users()}


@dataclass
class Rebuild:
    """A rebuild that goes through what the owner knew at one moment, page by page."""

    users: dict[str, User]
    after: str | None = None


@dataclass
class Way:
    """What is between the owner and the copy: pending rows, messages, and pages being rebuilt."""

    outbox: list[str] = field(default_factory=list)
    broker: list[Message] = field(default_factory=list)
    rebuilds: list[Rebuild] = field(default_factory=list)


class Copying(RuleBasedStateMachine):
    """People come, change and go; all that brings this to the copy repeats, loses and mixes it."""

    def __init__(self, owner: Owner) -> None:
        super().__init__()
        projection.remove(copied())
        RejectedEvent.objects.all().delete()
        self.owner = owner
        self.owner.users.clear()
        self.owner.before_answer = lambda: None
        self.way = Way()
        self.states: set[User] = set()  # all that ever were
        self.seen: dict[str, int] = {}  # the newest version that the copy had of each
        self.is_tampered_with = False

    # What happens at the owner, each with its pending row.

    @initialize(names=st.lists(names, min_size=2, max_size=4))
    def open(self, names: list[str]) -> None:
        for name in names:
            self.register(name)

    @precondition(lambda self: len(self.owner.users) < MOST_USERS)
    @rule(name=names)
    def register(self, name: str) -> None:
        number = len(self.owner.users)  # two of them in each bucket of the digests
        user_id = str(uuid.UUID(int=number // 2 << 120 | number))
        self.write(User(id=user_id, version=1, email="", name=name, deleted=False))

    @rule(turn=turns, new_names=st.lists(names, min_size=1, max_size=3), is_relayed=st.booleans())
    def change(self, turn: int, new_names: list[str], is_relayed: bool) -> None:
        """Again and again; at once on its way each time, or only the last state of it."""
        for name in new_names:
            user = self.pick(turn, list(self.owner.users.values()))
            if not user.deleted:
                self.write(replace(user, version=user.version + 1, name=name))
                if is_relayed:
                    self.relay(-1, -1, "taken")

    @rule(turn=turns)
    def erase(self, turn: int) -> None:
        user = self.pick(turn, list(self.owner.users.values()))
        if not user.deleted:
            self.write(replace(user, version=user.version + 1, name="", deleted=True))

    def write(self, user: User) -> None:
        self.owner.add(user)
        self.states.add(user)
        self.way.outbox.append(user.id)

    # What happens on the way.

    @precondition(lambda self: self.way.outbox)
    @rule(first=turns, last=turns, fate=st.sampled_from(["taken", "taken, rows stay", "lost"]))
    def relay(self, first: int, last: int, fate: str) -> None:
        """Any of the pending rows, as several relays side by side may claim them."""
        pending = self.way.outbox
        first, last = sorted((first % len(pending), last % len(pending)))
        claimed = pending[first : last + 1]
        if fate != "lost":
            self.way.broker.append(
                [self.owner.users[user_id] for user_id in dict.fromkeys(claimed)]
            )
        if fate == "taken":
            del pending[first : last + 1]

    @precondition(lambda self: self.way.broker)
    @rule(
        turns=st.lists(turns, min_size=1, max_size=6),
        order=st.randoms(use_true_random=False),
        poison=st.integers(0, 2),
        is_acknowledged=st.booleans(),
    )
    def deliver(self, turns: list[int], order: Any, poison: int, is_acknowledged: bool) -> None:
        """One batch of some messages, the same one twice perhaps, in any order."""
        messages = [self.pick(turn, self.way.broker) for turn in turns]
        batch = [user for message in messages for user in message]
        payloads: list[object] = [event_of(user) for user in batch]
        payloads += [{"poison": number} for number in range(poison)]
        order.shuffle(payloads)

        applied = apply_user_events(payloads=payloads, now=timezone.now())

        assert applied.applied <= len({user.id for user in batch})  # each user once a batch
        assert applied.applied + applied.stale == len(batch)
        assert applied.rejected == poison
        if is_acknowledged:
            self.way.broker = [each for each in self.way.broker if each not in messages]

    @rule()
    def lose_the_broker_and_resend(self) -> None:
        self.way.broker.clear()
        self.way.outbox += self.owner.users

    # What mends the copy.

    @rule()
    def begin_a_rebuild(self) -> None:
        self.way.rebuilds.append(Rebuild(dict(self.owner.users)))

    @precondition(lambda self: self.way.rebuilds)
    @rule(turn=turns)
    def rebuild_a_page(self, turn: int) -> None:
        """However late it is applied: the owner answers as it was when the rebuild began."""
        rebuild = self.pick(turn, self.way.rebuilds)
        today, self.owner.users = self.owner.users, rebuild.users
        try:
            rebuild.after = rebuild_page(after=rebuild.after, now=timezone.now()).after
        finally:
            self.owner.users = today
        if rebuild.after is None:
            self.way.rebuilds.remove(rebuild)

    @rule(
        meanwhile=st.lists(st.sampled_from(["change", "erase", "relay", "deliver"]), max_size=5),
        turn=turns,
    )
    def repair(self, meanwhile: list[str], turn: int) -> None:
        """While it compares and mends, the owner changes and events arrive."""
        waiting = iter(meanwhile)
        acts: dict[str, Callable[[], None]] = {
            "change": lambda: self.change(turn, ["Meanwhile"], True),
            "erase": lambda: self.erase(turn),
            "relay": lambda: self.relay(0, -1, "taken") if self.way.outbox else None,
            "deliver": lambda: self.deliver_all(acknowledge=False),
        }
        self.owner.before_answer = lambda: acts.get(next(waiting, ""), lambda: None)()
        status, _ = verify(repair=True)
        self.owner.before_answer = lambda: None

        assert status == 0
        if not meanwhile:
            assert copied() == self.owner.users
            self.is_tampered_with = False
            self.seen = {}

    @rule(turn=turns, how=st.sampled_from(["remove", "age", "advance", "alter", "add"]))
    def tamper(self, turn: int, how: str) -> None:
        """A hand in the database."""
        self.is_tampered_with = True
        user = self.pick(turn, list(self.owner.users.values()))
        if how == "remove":
            projection.remove([user.id])
        elif how == "age":
            corrupt(user, version=0, name="Old")
        elif how == "advance":
            corrupt(user, version=99)
        elif how == "alter":
            corrupt(user, name="Forged")
        else:
            stranger = replace(user, id=str(uuid.UUID(int=turn << 64 | 1)), name="Nobody")
            projection.upsert_newer([projection.Row.of(stranger, now=timezone.now())])

    # What holds all the time, and in the end.

    @invariant()
    def tells_of_each_a_state_that_was_and_never_an_older_one_again(self) -> None:
        if self.is_tampered_with:
            return
        copy = copied()
        assert set(copy.values()) <= self.states
        assert (
            self.seen.items()
            <= {
                user_id: min(version, copy[user_id].version)
                for user_id, version in self.seen.items()
            }.items()
        )
        self.seen = {user.id: user.version for user in copy.values()}

    def teardown(self) -> None:
        """Once all has arrived, and been mended if someone tampered, nothing differs."""
        while self.way.outbox:
            self.relay(0, -1, "taken")
        self.deliver_all(acknowledge=True)
        while self.way.rebuilds:
            self.rebuild_a_page(0)
        if self.is_tampered_with:
            verify(repair=True)
        assert copied() == self.owner.users
        assert not any(user.name for user in copied().values() if user.deleted)
        assert verify()[0] == 0

    def deliver_all(self, *, acknowledge: bool) -> None:
        for message in reversed(self.way.broker):
            apply_user_events(payloads=[event_of(user) for user in message], now=timezone.now())
        if acknowledge:
            self.way.broker.clear()

    def pick(self, turn: int, among: list[Any]) -> Any:
        return among[turn % len(among)]


@pytest.mark.django_db
class TestAnyCourse:
    def test_leaves_the_copy_equal_to_its_owner(
        self, owner: Owner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in (drift, operations):
            monkeypatch.setattr(module, "PAGE", 2)

        run_state_machine_as_test(
            lambda: Copying(owner),  # type: ignore[arg-type] # it takes any factory
            settings=effort(
                max_examples=40,
                stateful_step_count=20,
                deadline=None,  # machines differ
                report_multiple_bugs=False,  # one is enough, and sooner told
            ),
        )
