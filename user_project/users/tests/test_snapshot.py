"""GET internal/users/: everybody, page by page, for another service's copy."""

import uuid
from datetime import timedelta
from itertools import pairwise

import msgspec
import pytest
from rest_framework.test import APIClient

from contracts.users import User as PublicUser
from contracts.users import UserPage
from users.models import User

URL = "/api/v1/internal/users/"


@pytest.fixture
def crowd(db: None) -> list[User]:
    """57 people, 7 of them erased."""
    people = User.objects.bulk_create(
        [User(email=f"p{n}@example.com", name=f"Person {n}", phone="+49 30 1") for n in range(57)]
    )
    User.objects.filter(pk__in=[person.pk for person in people[:7]]).delete()
    return list(User.objects.all())


def ask(service: APIClient, **query: str | int) -> UserPage:
    """The page as the contract has it."""
    answer = service.get(URL, query)
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "application/json"
    return msgspec.json.decode(answer.content, type=UserPage)


def read_all(service: APIClient, **query: str | int) -> list[PublicUser]:
    page = ask(service, **query)
    users = [*page.users]
    while page.next:
        page = ask(service, after=page.next, **query)
        users += page.users
    return users


class TestThePages:
    @pytest.mark.parametrize("limit", [1, 8, 19, 56, 57, 58, 500])
    def test_cover_everybody_once_in_ascending_order(self, order_service, crowd, limit: int):
        users = read_all(order_service, limit=limit)

        assert sorted(user.id for user in users) == sorted(str(user.pk) for user in crowd)
        assert all(former.id < latter.id for former, latter in pairwise(users))
        assert sum(user.deleted for user in users) == 7

    def test_hold_what_the_contract_says_and_no_more(self, order_service, ann: User, bo: User):
        bo.delete()

        answer = order_service.get(URL)

        seen = {user["id"]: user for user in answer.json()["users"]}
        assert seen == {
            str(ann.pk): {
                "id": str(ann.pk),
                "version": 1,
                "email": "ann@example.com",
                "name": "Ann",
                "deleted": False,
            },
            str(bo.pk): {"id": str(bo.pk), "version": 2, "email": "", "name": "", "deleted": True},
        }
        assert answer.json()["next"] is None

    def test_take_one_statement_each(self, order_service, crowd, django_assert_num_queries):
        with django_assert_num_queries(1):
            ask(order_service, limit=10)

    @pytest.mark.django_db
    def test_of_nobody_are_empty(self, order_service):
        assert ask(order_service) == UserPage(users=(), next=None)

    def test_since_a_moment_hold_whoever_changed_since(self, order_service, crowd, ann: User):
        User.objects.exclude(pk=ann.pk).present().update(name="Someone")
        moment = ann.changed_at + timedelta(microseconds=1)

        users = read_all(order_service, changed_since=moment.isoformat(), limit=7)

        assert len(users) == 50
        assert {user.name for user in users} == {"Someone"}


class TestTheIds:
    def test_get_those_users_and_leave_the_unknown_out(self, order_service, ann: User, bo: User):
        bo.delete()
        ids = f"{bo.pk},{uuid.uuid4()},{str(ann.pk).upper()}"

        page = ask(order_service, ids=ids)

        assert {user.id for user in page.users} == {str(ann.pk), str(bo.pk)}
        assert page.next is None

    def test_may_be_500(self, order_service, ann: User):
        ids = ",".join(str(uuid.uuid4()) for _ in range(499))

        assert len(ask(order_service, ids=f"{ids},{ann.pk}").users) == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    "query",
    [
        {"ids": ""},
        {"ids": "ann"},
        {"ids": "a\x00"},
        {"ids": ",".join([str(uuid.UUID(int=1))] * 501)},
        {"after": "ann"},
        {"limit": "0"},
        {"limit": "5001"},
        {"limit": "many"},
        {"changed_since": "yesterday"},
    ],
)
def test_a_wrong_question_is_refused_by_its_name(order_service, query: dict[str, str]):
    answer = order_service.get(URL, query)

    assert answer.status_code == 400
    assert list(answer.json()) == list(query)
