"""Digests of the copy by id prefix, as contracts.users defines them, to compare with the owner."""

import hashlib
from collections.abc import Iterator
from itertools import groupby

from django.db import connection

from contracts.users import User, UserDigest
from customers.models import Customer, bounds
from order_project.fields import KEY

STEP = 2  # hex digits: 256 buckets below each prefix
MODULUS = 2**60

DIGESTS = f"""
    SELECT left(hex, %s), count(*), mod(sum(
        ('x' || left(md5(convert_to(
            concat_ws(chr(31), hex, version, is_deleted::int, email, name), 'UTF8'
        )), 15))::bit(60)::bigint
    ), {MODULUS})
    FROM (
        SELECT replace({KEY}::text, '-', '') AS hex, version, is_deleted, email, name
        FROM {Customer._meta.db_table} WHERE {KEY} BETWEEN %s AND %s
    ) AS customers
    GROUP BY 1 ORDER BY 1
"""  # noqa: S608 - made of the model's own name


def digest_customers(prefix: str) -> list[UserDigest]:
    """The buckets one step below a prefix that are not empty, in ascending prefix."""
    digest = digest_in_database if connection.vendor == "postgresql" else digest_in_python
    return [
        UserDigest(prefix=bucket, count=count, digest=f"{total:015x}")
        for bucket, count, total in digest(prefix)
    ]


def digest_in_database(prefix: str) -> Iterator[tuple[str, int, int]]:
    """PostgreSQL computes it where the rows are: a million take about a second."""
    first, last = bounds(prefix)
    with connection.cursor() as cursor:
        cursor.execute(DIGESTS, [len(prefix) + STEP, first, last])
        for bucket, count, total in cursor.fetchall():
            yield bucket, count, int(total)


def digest_in_python(prefix: str) -> Iterator[tuple[str, int, int]]:
    """SQLite and MongoDB have no MD5: the rows are read in order and summed up here."""
    users = Customer.objects.under(prefix).order_by("id").as_users()
    for bucket, members in groupby(users, lambda user: hex_id(user)[: len(prefix) + STEP]):
        checksums = [checksum(user) for user in members]
        yield bucket, len(checksums), sum(checksums) % MODULUS


def hex_id(user: User) -> str:
    """The id as 32 hex digits."""
    return user.id.replace("-", "")


def checksum(user: User) -> int:
    """The first 60 bits of the MD5 of what others may know of a user."""
    content = (hex_id(user), str(user.version), str(int(user.deleted)), user.email, user.name)
    digest = hashlib.md5("\x1f".join(content).encode(), usedforsecurity=False).hexdigest()
    return int(digest[:15], 16)
