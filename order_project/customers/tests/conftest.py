"""user_project as the tests of the copy need it: users that change, and their snapshot by HTTP."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
import responses
from django.conf import settings
from django.utils import timezone

from contracts.users import User, UserDigest, UserDigests, UserPage
from customers.digests import MODULUS, checksum, hex_id

SNAPSHOT = "/api/v1/internal/users/"


class Owner:
    """The users of user_project, answering as its internal API does."""

    def __init__(self) -> None:
        self.users: dict[str, User] = {}
        self.changed_at: dict[str, datetime] = {}
        self.before_answer: Callable[[], object] = lambda: None
        self.answers = 0

    def add(self, *users: User, at: datetime | None = None) -> None:
        self.users |= {user.id: user for user in users}
        self.changed_at |= dict.fromkeys((user.id for user in users), at or timezone.now())

    def change(self, user: User, **fields: Any) -> User:
        """The user's next version."""
        changed = replace(user, version=self.users[user.id].version + 1, **fields)
        self.add(changed)
        return changed

    def erase(self, user: User) -> User:
        return self.change(user, email="", name="", deleted=True)

    def snapshot(self, request: Any) -> tuple[int, dict[str, str], bytes]:
        self.before_answer()
        self.answers += 1
        query = parse_qs(urlsplit(request.url).query)
        if "ids" in query:
            ids = query["ids"][0].split(",")
            page = UserPage(users=tuple(self.users[i] for i in ids if i in self.users), next=None)
        else:
            after, limit = query.get("after", [""])[0], int(query["limit"][0])
            ids = [user_id for user_id in sorted(self.users) if user_id > after]
            if "changed_since" in query:
                since = datetime.fromisoformat(query["changed_since"][0])
                ids = [user_id for user_id in ids if self.changed_at[user_id] >= since]
            shown = tuple(self.users[user_id] for user_id in ids[:limit])
            page = UserPage(users=shown, next=shown[-1].id if len(ids) > limit else None)
        return 200, {}, msgspec.json.encode(page)

    def digest(self, request: Any) -> tuple[int, dict[str, str], bytes]:
        self.before_answer()
        self.answers += 1
        prefix = parse_qs(urlsplit(request.url).query).get("prefix", [""])[0]
        buckets: dict[str, list[int]] = {}
        for user in self.users.values():
            if hex_id(user).startswith(prefix):
                buckets.setdefault(hex_id(user)[: len(prefix) + 2], []).append(checksum(user))
        digests = tuple(
            UserDigest(prefix=key, count=len(sums), digest=f"{sum(sums) % MODULUS:015x}")
            for key, sums in sorted(buckets.items())
        )
        return 200, {}, msgspec.json.encode(UserDigests(digests=digests))


@pytest.fixture
def owner() -> Iterator[Owner]:
    owner = Owner()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as http:
        url = settings.USER_URL + SNAPSHOT
        http.add_callback(responses.GET, url, owner.snapshot)
        http.add_callback(responses.GET, f"{url}digest/", owner.digest)
        yield owner


@pytest.fixture
def many(db: None) -> list[User]:
    """Users with ids that spread over all buckets."""
    return [
        User(
            id=str(uuid.uuid5(uuid.NAMESPACE_OID, str(number))),
            version=1 + number % 3,
            email=f"person{number}@example.com",
            name=f"Person {number} Ä",
            deleted=False,
        )
        for number in range(1200)
    ]
