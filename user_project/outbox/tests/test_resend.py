"""`manage.py resend`: what a broker or a copy lost is said again."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, models
from django.utils import timezone

from conftest import emitted
from users.models import User

pytestmark = pytest.mark.django_db


def resend(since: str, **options: bool) -> str:
    out = StringIO()
    call_command("resend", "--since", since, stdout=out, **options)
    return out.getvalue()


@pytest.fixture(autouse=True)
def _changes(ann: User, bo: User, cleo: User) -> None:
    """Ann changed an hour ago, Bo was erased yesterday, Cleo changed last year."""
    bo.delete()
    for user, hours in ((ann, 1), (bo, 24), (cleo, 24 * 365)):
        at = timezone.now() - timedelta(hours=hours)
        models.QuerySet(User).filter(pk=user.pk).update(changed_at=at)
    emitted()


@pytest.fixture
def away() -> Any:
    """A database that goes away when the first page is written."""

    def execute(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("INSERT"):
            raise OperationalError("the server closed the connection")
        return execute(sql, *rest)

    return execute


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

    def test_tells_a_program_what_it_did(self):
        answer = json.loads(resend("2001-01-01T02:00:00+02:00", json=True))

        assert answer == {"since": "2001-01-01T02:00:00+02:00", "users": 3}

    def test_shows_a_person_how_far_it_is_and_keeps_that_out_of_the_answer(self, capfd):
        said = resend("P2D")

        assert said.count("\n") == 1
        assert "2/2" in capfd.readouterr().err

    def test_once_more_says_it_once_more(self):
        since = "2001-01-01"
        assert resend(since) == resend(since)

        assert len(emitted()) == 6

    def test_that_the_database_ends_says_to_run_it_again(self, away: Any):
        with connection.execute_wrapper(away), pytest.raises(CommandError, match="again") as end:
            resend("P2D")

        assert end.value.returncode == 1

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
        with pytest.raises(CommandError, match=r"neither a time such as .* nor a duration") as end:
            resend(since)

        assert end.value.returncode == 2
