"""What we ask user_project: users not copied yet, and its snapshot to compare the copy with."""

from collections.abc import Sequence
from datetime import datetime

from clients.http import Remote, Unavailable
from contracts.users import User, UserDigests, UserPage

IDS_PER_CALL = 100  # as many UUIDs as fit into a request line of 4,094 bytes
DIGEST_SECONDS = 30  # the owner looks at all its users: seconds for a million
PAGE_SECONDS = 10  # it may be busy, and nobody waits in front of a screen


class UsersUnavailable(Unavailable):
    """user_project gave no answer that makes sense."""

    service = "user_project"


remote = Remote("user", UsersUnavailable)


def fetch_users(ids: Sequence[str]) -> tuple[User, ...]:
    """Those of the users that the owner knows, tombstones included; raises UsersUnavailable."""
    users: list[User] = []
    for start in range(0, len(ids), IDS_PER_CALL):
        query = {"ids": ",".join(ids[start : start + IDS_PER_CALL])}
        users += remote.ask(
            "GET", "/api/v1/internal/users/", query=query, answers={200: UserPage}
        ).users
    return tuple(users)


def fetch_user_page(
    after: str | None, limit: int, *, changed_since: datetime | None = None
) -> UserPage:
    """Up to `limit` users whose id follows `after`, with tombstones; raises UsersUnavailable."""
    query = {"limit": str(limit)}
    if after is not None:
        query["after"] = after
    if changed_since is not None:
        query["changed_since"] = changed_since.isoformat()
    return remote.ask(
        "GET",
        "/api/v1/internal/users/",
        query=query,
        answers={200: UserPage},
        read_seconds=PAGE_SECONDS,
    )


def fetch_digests(prefix: str) -> UserDigests:
    """The buckets below a prefix of an even number of hex digits; raises UsersUnavailable."""
    return remote.ask(
        "GET",
        "/api/v1/internal/users/digest/",
        query={"prefix": prefix},
        answers={200: UserDigests},
        read_seconds=DIGEST_SECONDS,
    )
