"""What other services may know of a user; user_project owns all of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One user as others see them: the whole of what events and snapshots carry.

    `version` starts at 1 and grows with each change of another field here: of two states of one
    `id`, the higher version is the later. An erased user is a tombstone: `deleted`, with `email`
    and `name` empty.
    """

    id: str
    version: int
    email: str
    name: str
    deleted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UserPage:
    """A page of the owner's snapshot by ascending `id`; ask for `after=next` until it is null."""

    users: tuple[User, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserDigest:
    """The content of all users whose id, as 32 hex digits, starts with `prefix`.

    `digest` is 15 hex digits: the sum modulo 2**60, over those users, of the first 60 bits of
    MD5(id, version, deleted as 0 or 1, email, name), the id as 32 hex digits, encoded as UTF-8 and
    separated by U+001F. A sum needs no order, so that a database can compute it. MD5 serves as a
    checksum here, not as protection.
    """

    prefix: str
    count: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserDigests:
    """The buckets just below a prefix (two hex digits more) that are not empty, ascending."""

    digests: tuple[UserDigest, ...]
