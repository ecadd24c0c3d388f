"""Digests of users by id prefix, so that a copy can find in a few calls where it differs."""

import hashlib
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from django.db import connection
from django.db.models import Case, CharField, Count, F, Func, IntegerField, Sum, Value, When
from django.db.models.functions import Cast, Coalesce, Left, Replace

from contracts.users import User as PublicUser
from contracts.users import UserDigest
from users.models import User

STEP = 2  # hex digits: 256 buckets below each prefix
SEPARATOR = "\x1f"


def digest_users(prefix: str) -> list[UserDigest]:
    """The buckets one step below a prefix of hex digits, as contracts.users.UserDigest says."""
    if connection.vendor == "sqlite":  # it has no function that reads hex digits
        return list(_digests_by_reading(prefix))
    return list(_digests_by_database(prefix))


class Checksum(Func):
    """The first 60 bits of the MD5 of some texts and numbers, separated."""

    function = "CONCAT_WS"

    def __init__(self, *contents: Any) -> None:
        super().__init__(Value(SEPARATOR), *contents, output_field=IntegerField())

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "('x' || LEFT(MD5(%(function)s(%(expressions)s)), 15))::bit(60)::bigint"
        return self.as_sql(compiler, connection, template=template, **context)

    def as_mysql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "CAST(CONV(LEFT(MD5(%(function)s(%(expressions)s)), 15), 16, 10) AS UNSIGNED)"
        return self.as_sql(compiler, connection, template=template, **context)


def _digests_by_database(prefix: str) -> Iterator[UserDigest]:
    """By one statement of the database, which sends back no more than the sums."""
    digits = Replace(Cast("pk", CharField()), Value("-"), Value(""))
    deleted = Case(When(erased_at=None, then=Value(0)), default=Value(1))
    checksum = Checksum(digits, F("version"), deleted, Coalesce("email", Value("")), F("name"))
    buckets = (
        User.objects.under(prefix)
        .values(bucket=Left(digits, len(prefix) + STEP))
        .annotate(count=Count("pk"), total=Sum(checksum))
        .order_by("bucket")
        .values_list("bucket", "count", "total")
    )
    for bucket, count, total in buckets:
        yield UserDigest(prefix=bucket, count=count, digest=digest_of(int(total)))


def _digests_by_reading(prefix: str) -> Iterator[UserDigest]:
    """By reading all of these users, in the order of their buckets."""
    users = User.objects.under(prefix).order_by("pk").public(chunk_size=2000)
    for bucket, members in groupby(users, lambda user: digits_of(user)[: len(prefix) + STEP]):
        checksums = [checksum_of(user) for user in members]
        yield UserDigest(prefix=bucket, count=len(checksums), digest=digest_of(sum(checksums)))


def digits_of(user: PublicUser) -> str:
    """A user's id as 32 hex digits."""
    return user.id.replace("-", "")


def checksum_of(user: PublicUser) -> int:
    """What one user adds to their bucket's digest."""
    deleted = str(int(user.deleted))
    content = SEPARATOR.join((digits_of(user), str(user.version), deleted, user.email, user.name))
    return int(hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()[:15], 16)


def digest_of(total: int) -> str:
    """A bucket's digest, from the sum of its checksums."""
    return f"{total % 2**60:015x}"
