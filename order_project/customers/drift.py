"""Finding where the copy differs from its owner: by digests first, then only what differs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import TypeVar
from uuid import UUID

from clients.users import fetch_digests, fetch_user_page, fetch_users
from contracts.users import User
from customers.digests import digest_customers
from customers.models import Customer, bounds

PAGE = 500  # users; fewer are fetched and compared rather than digested any further
RECENT_PAGE = 2000  # users that changed lately, of which few differ: a call costs more than they
MANY = 20 * PAGE  # users; more are faster verified by digests than one by one

Item = TypeVar("Item")


class Kind(StrEnum):
    """In which way a copy is wrong."""

    MISSING = "missing"  # the owner has it
    STALE = "stale"  # an older version
    AHEAD = "ahead"  # a newer version: the owner was restored from a backup
    EXTRA = "extra"  # the owner does not know it
    DIFFERENT = "different"  # the same version with other content


@dataclass(frozen=True, slots=True)
class Drift:
    """A user of whom the copy and the owner tell different things, or one of them nothing."""

    id: str
    ours: User | None
    theirs: User | None

    @property
    def kind(self) -> Kind:
        if self.ours is None:
            return Kind.MISSING
        if self.theirs is None:
            return Kind.EXTRA
        if self.ours.version == self.theirs.version:
            return Kind.DIFFERENT
        return Kind.STALE if self.ours.version < self.theirs.version else Kind.AHEAD

    @property
    def is_behind(self) -> bool:
        """Whether an event that is on its way would mend it."""
        return self.kind in (Kind.MISSING, Kind.STALE)


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in lists of `size`, the last one shorter."""
    iterator = iter(items)
    return iter(lambda: list(islice(iterator, size)), [])


def find_suspects() -> Iterator[Drift]:
    """Whatever differs at this moment, wherever it is, in ascending id; raises UsersUnavailable."""
    return walk_down("")


def find_recent_suspects(since: datetime) -> Iterator[Drift]:
    """What differs among the users that changed at the owner, or in the copy, since then.

    Raises UsersUnavailable.
    """
    recent = Customer.objects.synced_since(since)
    if recent.count() > MANY:
        yield from find_suspects()
        return
    written = {str(user_id) for user_id in recent.values_list("id", flat=True)}
    for page in pages(changed_since=since):
        ids = [user.id for user in page]
        yield from differences(Customer.objects.filter(id__in=ids).as_users(), page)
        written.difference_update(ids)
    for batch in batches(sorted(written), PAGE):
        yield from compare_ids(batch)


def pages(*, changed_since: datetime) -> Iterator[tuple[User, ...]]:
    """The owner's users that changed since then, page by page; raises UsersUnavailable."""
    after = None
    while True:
        page = fetch_user_page(after, RECENT_PAGE, changed_since=changed_since)
        yield page.users
        if page.next is None:
            return
        after = page.next


def walk_down(prefix: str) -> Iterator[Drift]:
    """The suspects under a prefix: asks for digests until it is cheaper to ask for the users."""
    ours = {digest.prefix: digest for digest in digest_customers(prefix)}
    theirs = {digest.prefix: digest for digest in fetch_digests(prefix).digests}
    sizes = {
        bucket: max(digest.count for digest in (ours.get(bucket), theirs.get(bucket)) if digest)
        for bucket in ours.keys() | theirs.keys()
    }
    differing = [bucket for bucket in sorted(sizes) if ours.get(bucket) != theirs.get(bucket)]
    if len(differing) * PAGE > sum(sizes.values()):
        yield from compare_range(prefix)
    else:
        for bucket in differing:
            yield from compare_range(bucket) if sizes[bucket] <= PAGE else walk_down(bucket)


def compare_range(prefix: str) -> Iterator[Drift]:
    """The suspects under a prefix, by the owner's pages of it."""
    first, last = bounds(prefix)
    after = str(UUID(int=first.int - 1)) if first.int else None
    while True:
        page = fetch_user_page(after, PAGE)
        upto = min(last, UUID(page.next)) if page.next else last
        theirs = (user for user in page.users if UUID(user.id) <= upto)
        yield from differences(Customer.objects.between(first, upto).as_users(), theirs)
        if upto == last:
            return
        after, first = page.next, UUID(int=upto.int + 1)


def compare_ids(ids: Sequence[str]) -> Iterator[Drift]:
    """Where the copy and the owner differ in these users.

    The copy is read first: a copy that is then ahead, extra or different cannot be explained by an
    event that arrived in between.
    """
    ours = list(Customer.objects.filter(id__in=ids).as_users())
    return differences(ours, fetch_users(ids))


def differences(ours: Iterable[User], theirs: Iterable[User]) -> Iterator[Drift]:
    """Each user whom the two sides do not tell alike, in ascending id."""
    here = {user.id: user for user in ours}
    there = {user.id: user for user in theirs}
    for user_id in sorted(here.keys() | there.keys()):
        if here.get(user_id) != there.get(user_id):
            yield Drift(user_id, here.get(user_id), there.get(user_id))


def confirm(suspects: Sequence[Drift]) -> Iterator[Drift]:
    """Those of the suspects that, looked at once more, traffic does not explain.

    A copy that by now has what the owner had at the first look is merely as late as any copy.
    """
    first_look = {suspect.id: suspect.theirs for suspect in suspects}
    for batch in batches(first_look, PAGE):
        for drift in compare_ids(batch):
            if not drift.is_behind or version(drift.ours) < version(first_look[drift.id]):
                yield drift


def version(user: User | None) -> int:
    """The version of a user, and 0 of none."""
    return user.version if user else 0
