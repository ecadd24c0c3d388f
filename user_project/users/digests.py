"""Digests of users by id prefix, so that a copy can find in a few calls where it differs."""

import hashlib
from uuid import UUID

from contracts.users import UserDigest
from users.models import User

STEP = 2  # hex digits: 256 buckets below each prefix


def digest_users(prefix: str) -> list[UserDigest]:
    """The buckets one step below a prefix of hex digits, as contracts.users.UserDigest says."""
    sums: dict[str, int] = {}
    counts: dict[str, int] = {}
    lowest, highest = UUID(prefix.ljust(32, "0")), UUID(prefix.ljust(32, "f"))
    for user in User.objects.filter(pk__range=(lowest, highest)).public():
        key = user.id.replace("-", "")
        content = "\x1f".join(
            (key, str(user.version), str(int(user.deleted)), user.email, user.name)
        )
        checksum = hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()
        bucket = key[: len(prefix) + STEP]
        sums[bucket] = (sums.get(bucket, 0) + int(checksum[:15], 16)) % 2**60
        counts[bucket] = counts.get(bucket, 0) + 1
    return [
        UserDigest(prefix=bucket, count=counts[bucket], digest=f"{sums[bucket]:015x}")
        for bucket in sorted(sums)
    ]
