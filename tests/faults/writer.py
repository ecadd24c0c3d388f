"""One writer of people: a script under user_project's own interpreter, by every path of its ORM.

It writes a line of JSON to its journal for each commit that it was told of: `[[id, version, email,
name, is_deleted], ...]`. An operation whose answer was lost is not repeated: the writer looks at
what became of it. The same seed makes the same people and the same changes, but for those losses.
"""

import argparse
import json
import random
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import django

django.setup()  # before the models can be imported

from django.db import Error, close_old_connections, connection, transaction  # noqa: E402

from users.models import User  # noqa: E402

State = tuple[int, str, str, bool]  # version, email, name, is_deleted
READ_AT_ONCE = 500


class Writer:
    """Owns its people: nobody else changes them, so it knows their states."""

    def __init__(self, *, number: int, seed: int, journal: Path) -> None:
        self.number = number
        self.random = random.Random(f"{seed} writer {number}")  # noqa: S311  # it draws changes
        self.journal = journal.open("a")
        self.present: list[uuid.UUID] = []
        self.states: dict[uuid.UUID, State] = {}
        self.events = 0
        self.paths: list[Callable[[], None]] = [
            *[self.bulk_create] * 3,
            *[self.update] * 3,
            *[self.bulk_update] * 2,
            *[self.create] * 4,
            *[self.save] * 5,
            *[self.delete] * 2,
            *[self.delete_many] * 1,
            *[self.several_at_once] * 2,
        ]

    def step(self) -> None:
        """One commit by one path, or what it takes to learn whether it was one."""
        path = self.random.choice(self.paths) if self.present else self.bulk_create
        path()

    # Each path of the ORM that can change what others know of a user.

    def bulk_create(self) -> None:
        users = [self.fresh() for _ in range(self.random.randint(50, 450))]
        states = {user.pk: (1, user.email, user.name, False) for user in users}
        self.commit(states, lambda: User.objects.bulk_create(users))

    def create(self) -> None:
        user = self.fresh()
        fields = {"pk": user.pk, "email": user.email, "name": user.name}
        self.commit(
            {user.pk: (1, user.email, user.name, False)}, lambda: User.objects.create(**fields)
        )

    def update(self) -> None:
        ids, name = self.some(300), self.word()
        self.commit(
            {pk: self.changed(pk, name=name) for pk in ids},
            lambda: User.objects.filter(pk__in=ids).update(name=name),
        )

    def bulk_update(self) -> None:
        names = {pk: self.word() for pk in self.some(100)}

        def act() -> None:
            users = list(User.objects.filter(pk__in=names))
            for user in users:
                user.name = names[user.pk]
            User.objects.bulk_update(users, ["name"])

        self.commit({pk: self.changed(pk, name=name) for pk, name in names.items()}, act)

    def save(self) -> None:
        (pk,) = self.some(1)
        name, email = self.word(), f"{self.word()}.{pk.hex}@example.com".lower()

        def act() -> None:
            user = User.objects.get(pk=pk)
            user.name, user.email, user.phone = name, email, "+49 30 1234567"
            user.save()

        self.commit({pk: self.changed(pk, name=name, email=email)}, act)

    def delete(self) -> None:
        (pk,) = self.some(1)
        self.commit({pk: self.erased(pk)}, lambda: User.objects.get(pk=pk).delete())

    def delete_many(self) -> None:
        ids = self.some(20)
        self.commit(
            {pk: self.erased(pk) for pk in ids}, lambda: User.objects.filter(pk__in=ids).delete()
        )

    def several_at_once(self) -> None:
        """Many changes of a few people in one transaction, which then are one change or none."""
        ids, names = self.some(5), [self.word() for _ in range(3)]

        def act() -> None:
            with transaction.atomic():
                for name in names:
                    User.objects.filter(pk__in=ids).update(name=name)

        states = {}
        for pk in ids:
            version, email, _, _ = self.states[pk]
            states[pk] = (version + len(names), email, names[-1], False)
        self.commit(states, act)

    # Whom, and to what.

    def fresh(self) -> "User":
        pk = uuid.UUID(int=self.random.getrandbits(128))
        return User(pk=pk, email=f"{pk.hex}@example.com", name=self.word(), password="!")

    def some(self, most: int) -> list[uuid.UUID]:
        most = min(most, len(self.present))
        return self.random.sample(self.present, self.random.randint(1, most))

    def word(self) -> str:
        return f"{self.number}-{self.random.getrandbits(40):x} Ærø 東"

    def changed(self, pk: uuid.UUID, *, name: str, email: str | None = None) -> State:
        version, known, _, _ = self.states[pk]
        return version + 1, email or known, name, False

    def erased(self, pk: uuid.UUID) -> State:
        return self.states[pk][0] + 1, "", "", True

    # What became of it.

    def commit(self, states: dict[uuid.UUID, State], act: Callable[[], object]) -> None:
        """Act once; note the states as committed, or those that are found where it failed."""
        try:
            act()
        except Error:
            states = self.look(list(states))
        self.note(states)

    def look(self, ids: list[uuid.UUID]) -> dict[uuid.UUID, State]:
        """The states of these as the database has them, as soon as it answers."""
        while True:
            connection.close()
            close_old_connections()
            try:
                found = {}
                for start in range(0, len(ids), READ_AT_ONCE):
                    for user in User.objects.filter(pk__in=ids[start : start + READ_AT_ONCE]):
                        is_erased = user.erased_at is not None
                        found[user.pk] = (user.version, user.email or "", user.name, is_erased)
            except Error:
                time.sleep(0.2)
            else:
                return found

    def note(self, states: dict[uuid.UUID, State]) -> None:
        rows = [[str(pk), *state] for pk, state in states.items()]
        self.journal.write(json.dumps(rows) + "\n")
        self.journal.flush()  # to the kernel, which outlives this process
        for pk, state in states.items():
            before = self.states.get(pk)
            self.events += state[0] - (before[0] if before else 0)
            self.states[pk] = state
            if before is None and not state[3]:
                self.present.append(pk)
        if any(state[3] for state in states.values()):
            self.present = [pk for pk in self.present if not self.states[pk][3]]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--number", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True, help="events a second")
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--hurry", type=Path, required=True, help="once it is there: no rate")
    asked = parser.parse_args()
    writer = Writer(number=asked.number, seed=asked.seed, journal=asked.journal)
    begun = time.monotonic()
    while writer.events < asked.events:
        writer.step()
        while time.monotonic() < begun + writer.events / asked.rate and not asked.hurry.exists():
            time.sleep(0.05)


if __name__ == "__main__":
    main()
