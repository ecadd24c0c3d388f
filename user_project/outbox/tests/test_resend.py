"""`manage.py resend`: what a broker or a copy lost is said again."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import models
from django.utils import timezone

from conftest import emitted
from users.models import User

pytestmark = pytest.mark.django_db


def resend(since: str) -> str:
    out = StringIO()
    call_command("resend", "--since", since, stdout=out)
    return out.getvalue()


@pytest.fixture(autouse=True)
def _changes(ann: User, bo: User, cleo: User) -> None:
    """Ann changed an hour ago, Bo was erased yesterday, Cleo changed last year."""
    bo.delete()
    for user, hours in ((ann, 1), (bo, 24), (cleo, 24 * 365)):
        at = timezone.now() - timedelta(hours=hours)
        models.QuerySet(User).filter(pk=user.pk).update(changed_at=at)
    emitted()


class TestResend:
    @pytest.mark.parametrize(
        ("since", "names"),
        [("PT2H", {"ann"}), ("P2D", {"ann", "bo"}), ("2001-01-01", {"ann", "bo", "cleo"})],
    )
    def test_makes_pending_whoever_changed_since(
        self, since: str, names: set[str], request: pytest.FixtureRequest
    ):
        said = resend(since)

        assert said.startswith(f"{len(names)} users changed since ")
        users = [request.getfixturevalue(name) for name in names]
        assert sorted(emitted()) == sorted(("user_updated", str(user.pk)) for user in users)

    def test_since_a_moment_with_its_offset(self, ann: User):
        changed_at = User.objects.get(pk=ann.pk).changed_at

        assert resend(changed_at.isoformat()).startswith("1 users")
        assert resend((changed_at + timedelta(seconds=1)).isoformat()).startswith("0 users")

    def test_of_thousands_takes_a_statement_a_thousand(self, django_assert_max_num_queries):
        User.objects.bulk_create(
            [User(email=f"p{n}@example.com", name="Person") for n in range(2500)]
        )
        emitted()

        with django_assert_max_num_queries(20):  # with their savepoints
            resend("P1000D")

        assert len(emitted()) == 2503

    @pytest.mark.parametrize("since", ["yesterday", "2026-13-01", "", "12:00", "P", "2"])
    def test_refuses_what_is_no_moment(self, since: str):
        with pytest.raises(CommandError, match=r"neither a time such as .* nor a duration"):
            resend(since)
