"""What each use of a user costs in SQL: these fail when a statement is added."""

from collections.abc import Callable

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from users.models import User
from users.operations import change_profile, register_user

PAGE = "/api/v1/internal/users/"


def statements(act: Callable[[], object]) -> list[str]:
    """The first words of what is sent to the database meanwhile."""
    with CaptureQueriesContext(connection) as sent:
        act()
    return [query["sql"].split()[0] for query in sent]


def written(statement: str) -> list[str]:
    """How a user's row and its event reach the database, outside of any transaction."""
    if connection.vendor == "postgresql":
        return ["WITH"]
    return ["BEGIN", statement, "INSERT", "COMMIT"]


@pytest.mark.django_db(transaction=True)
class TestAWriteWithItsEvent:
    """The change and the pointer to it: one statement, or two and the transaction around them."""

    def test_is_written_at_once_for_a_new_user(self):
        sent = statements(User(email="dee@example.com", name="Dee").save)

        assert sent == written("INSERT")

    def test_is_written_at_once_for_a_changed_one(self, ann: User):
        ann.name = "Ann Archer"

        assert statements(ann.save) == written("UPDATE")

    def test_is_one_statement_where_nothing_public_changed(self, ann: User):
        ann.phone = "+49 30 9999"

        assert statements(ann.save) == ["UPDATE"]

    def test_adds_no_savepoint_to_a_transaction(self, ann: User):
        ann.name = "Ann Archer"

        with transaction.atomic():
            sent = statements(ann.save)

        assert sent == [word for word in written("UPDATE") if word not in ("BEGIN", "COMMIT")]

    def test_costs_an_operation_no_more_than_its_transaction(self, ann: User):
        def register() -> None:
            register_user(email="dee@example.com", name="Dee", password="")

        def rename() -> None:
            change_profile(user=ann, name="Ann Archer")

        for act, statement in ((register, "INSERT"), (rename, "UPDATE")):
            inside = [word for word in written(statement) if word not in ("BEGIN", "COMMIT")]
            assert statements(act) == ["BEGIN", *inside, "COMMIT"]

    @pytest.mark.parametrize("size", [2, 60])  # one batch on every engine
    def test_of_many_users_is_as_many_as_of_few(self, size: int):
        people = [User(email=f"p{n}@example.com", name="Person") for n in range(size)]

        made = statements(lambda: User.objects.bulk_create(people))
        changed = statements(lambda: User.objects.update(name="Someone"))
        erased = statements(User.objects.all().delete)

        assert made == ["BEGIN", "INSERT", "INSERT", "COMMIT"]
        assert changed == ["BEGIN", "SELECT", "INSERT", "UPDATE", "COMMIT"]
        memberships, history = ["DELETE", "DELETE"], ["UPDATE"]
        emptied_log = ["PRAGMA"] if connection.vendor == "sqlite" else []
        assert erased == [
            *("BEGIN", "SELECT", *memberships, *history),
            *("INSERT", "UPDATE", "COMMIT", *emptied_log),
        ]


@pytest.mark.django_db
class TestAQuestionOfAService:
    @pytest.mark.parametrize("size", [1, 300])
    @pytest.mark.parametrize("path", [PAGE, f"{PAGE}?limit=5000", f"{PAGE}digest/"])
    def test_is_one_statement(self, order_service: APIClient, path: str, size: int):
        User.objects.bulk_create(
            [User(email=f"p{n}@example.com", name="Person") for n in range(size)]
        )

        assert statements(lambda: order_service.get(path)) == ["SELECT"]
