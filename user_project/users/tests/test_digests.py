"""GET internal/users/digest/: where two copies differ, in a few calls."""

import hashlib
import uuid
from itertools import count

import msgspec
import pytest
from django.db import connection
from rest_framework.test import APIClient

from contracts.users import UserDigest, UserDigests
from users import digests
from users.models import User

URL = "/api/v1/internal/users/digest/"

# Two of the ids share two bytes, so that buckets below a prefix differ from those at the top.
IDS = ["00000000", "000000ff", "7f00a0ff", "7f00a1ff", "7fff0000", "80000000", "ffffffff"]


@pytest.fixture
def people(db: None) -> list[User]:
    """Names of every script, ids from the first to the last, and one who was erased."""
    names = ["Ann", "Zoë Ørsted", "阿部", "O'Neill; --", "a\x1fb", "👩🏽‍🌾", "  %s \\ "]
    users = [
        User(id=uuid.UUID(digits + "0f" * 12), email=f"{digits}@example.com", name=name)
        for digits, name in zip(IDS, names, strict=True)
    ]
    User.objects.bulk_create(users)
    User.objects.filter(pk=users[2].pk).delete()
    return list(User.objects.all())


def ask(service: APIClient, prefix: str = "") -> dict[str, UserDigest]:
    answer = service.get(URL, {"prefix": prefix} if prefix else {})
    assert answer.status_code == 200, answer.content
    found = msgspec.json.decode(answer.content, type=UserDigests).digests
    assert [digest.prefix for digest in found] == sorted(digest.prefix for digest in found)
    return {digest.prefix: digest for digest in found}


def digest_by_the_contract(users: list[User], prefix: str) -> UserDigest:
    """What contracts.users.UserDigest says, from its words alone."""
    total, people = 0, 0
    for user in users:
        digits = str(user.pk).replace("-", "")
        if digits.startswith(prefix):
            parts = [digits, str(user.version), "1" if user.erased_at else "0"]
            parts += [user.email or "", user.name]
            md5 = hashlib.md5("\u001f".join(parts).encode("utf-8")).digest()  # noqa: S324
            total += int.from_bytes(md5[:8], "big") >> 4
            people += 1
    return UserDigest(prefix=prefix, count=people, digest=format(total % (1 << 60), "015x"))


class TestDigests:
    @pytest.mark.parametrize(
        ("prefix", "buckets"),
        [
            ("", ["00", "7f", "80", "ff"]),
            ("7f", ["7f00", "7fff"]),
            ("7f00", ["7f00a0", "7f00a1"]),
            ("ab", []),
            ("ffffffff" + "0f" * 11, ["ffffffff" + "0f" * 12]),
        ],
    )
    def test_are_what_the_contract_says(self, order_service, people, prefix, buckets):
        found = ask(order_service, prefix)

        assert found == {bucket: digest_by_the_contract(people, bucket) for bucket in buckets}

    def test_are_the_same_by_each_way_of_computing_them(self, people):
        ways = [digests._digests_by_reading]
        if connection.vendor != "sqlite":
            ways.append(digests._digests_by_database)

        for prefix in ("", "7f", "7f00"):
            for way in ways:
                assert list(way(prefix)) == digests.digest_users(prefix)

    def test_are_the_sum_of_those_below(self, order_service, people):
        above = ask(order_service)["7f"]
        below = ask(order_service, "7f").values()

        assert above.count == sum(digest.count for digest in below)
        assert int(above.digest, 16) == sum(int(digest.digest, 16) for digest in below) % 2**60

    @pytest.mark.parametrize("field", ["name", "email"])
    def test_of_one_bucket_change_with_any_change_of_a_user(self, order_service, people, field):
        for user in User.objects.present():
            before = ask(order_service)

            User.objects.filter(pk=user.pk).update(**{field: f"{user.pk}@example.com"})

            after = ask(order_service)
            changed = {bucket for bucket in before if before[bucket] != after[bucket]}
            assert changed == {user.pk.hex[:2]}

    def test_change_when_a_user_comes_or_goes(self, order_service, people):
        before = ask(order_service)
        dee = User(id=uuid.UUID("80" * 16), email="dee@example.com", name="Dee")
        dee.save()
        between = ask(order_service)
        dee.delete()
        after = ask(order_service)

        assert between["80"].count == after["80"].count == before["80"].count + 1
        assert len({digests["80"].digest for digests in (before, between, after)}) == 3
        assert before["00"] == between["00"] == after["00"]

    def test_do_not_change_with_what_is_private(self, order_service, people):
        before = ask(order_service)

        User.objects.update(phone="+49 30 1", is_staff=True)

        assert ask(order_service) == before

    @pytest.mark.django_db
    def test_have_15_digits_however_small_the_sum(self, order_service):
        candidates = (User(id=uuid.UUID(int=n), email="a@b.example", name="A") for n in count())
        user = next(
            user for user in candidates if digest_by_the_contract([user], "").digest < "001"
        )
        user.save()

        assert ask(order_service) == {"00": digest_by_the_contract([user], "00")}

    @pytest.mark.django_db
    def test_of_nobody_are_none(self, order_service):
        assert ask(order_service) == {}

    @pytest.mark.django_db
    @pytest.mark.parametrize("prefix", ["0", "000", "0G", "AB", "zz", "00" * 16, "-1"])
    def test_of_what_is_no_prefix_are_refused(self, order_service, prefix: str):
        answer = order_service.get(URL, {"prefix": prefix})

        assert answer.status_code == 400
        assert answer.json() == {
            "prefix": ["A prefix is an even number of lower-case hex digits, at most 30."]
        }
