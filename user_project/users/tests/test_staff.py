"""GET users/ and GET PATCH DELETE users/{id}/: staff's door to everybody."""

import uuid

import pytest
from django.test import Client
from rest_framework.test import APIClient

from conftest import PASSWORD, client_of, emitted
from users.models import User

URL = "/api/v1/users/"


def url_of(user: User) -> str:
    return f"{URL}{user.pk}/"


@pytest.fixture
def crowd(db: None) -> list[User]:
    """120 people, in the order of their addresses."""
    people = [User(email=f"p{n:03}@example.com", name=f"Person {n:03}") for n in range(120)]
    User.objects.bulk_create(people)
    return people


def names(answer) -> list[str]:
    return [user["name"] for user in answer.json()["results"]]


class TestTheList:
    def test_is_for_staff_alone(self, anyone: APIClient, as_ann: APIClient):
        assert anyone.get(URL).status_code == 401
        assert as_ann.get(URL).status_code == 403

    def test_pages_through_everybody_in_a_fixed_number_of_statements(
        self, as_cleo: APIClient, crowd: list[User], django_assert_num_queries
    ):
        seen, url = [], URL
        while url:
            with django_assert_num_queries(3):  # who asks, how many there are, the page
                answer = as_cleo.get(url)
            seen += names(answer)
            url = answer.json()["next"]

        assert answer.json()["count"] == 121
        assert seen == ["Cleo"] + [person.name for person in crowd]

    @pytest.mark.parametrize(
        ("search", "found"),
        [("ANN", ["Ann"]), ("bo@EXAMPLE", ["Bo"]), ("bo example", ["Bo"]), ("zoe", []), ("%", [])],
    )
    def test_searches_names_and_addresses(
        self, as_cleo: APIClient, ann: User, bo: User, search: str, found: list[str]
    ):
        assert names(as_cleo.get(URL, {"search": search})) == found

    def test_leaves_the_erased_out(self, as_cleo: APIClient, ann: User):
        ann.delete()

        assert names(as_cleo.get(URL)) == ["Cleo"]
        assert as_cleo.get(url_of(ann)).status_code == 404
        assert as_cleo.patch(url_of(ann), {"name": "Ann"}).status_code == 404

    @pytest.mark.parametrize("query", [{"page": "0"}, {"page": "x"}, {"page": "99"}])
    def test_says_when_there_is_no_such_page(self, as_cleo: APIClient, query: dict[str, str]):
        answer = as_cleo.get(URL, query)

        assert (answer.status_code, answer.json()) == (404, {"detail": "Invalid page."})

    def test_refuses_a_search_for_what_no_text_holds(self, as_cleo: APIClient):
        assert as_cleo.get(URL, {"search": "a\x00b"}).status_code == 400


class TestOneUser:
    def test_is_for_staff_alone(self, ann: User, bo: User):
        for method in ("get", "patch", "delete"):
            assert getattr(client_of(), method)(url_of(ann)).status_code == 401
            assert getattr(client_of(bo), method)(url_of(ann)).status_code == 403

    def test_is_shown_and_corrected(self, as_cleo: APIClient, ann: User):
        emitted()

        answer = as_cleo.patch(url_of(ann), {"name": "Ann Archer"})

        assert answer.status_code == 200
        assert (answer.json()["name"], answer.json()["version"]) == ("Ann Archer", 2)
        assert as_cleo.get(url_of(ann)).json() == answer.json()
        assert emitted() == [("user_updated", str(ann.pk))]

    def test_is_erased(self, as_cleo: APIClient, ann: User):
        assert as_cleo.delete(url_of(ann)).status_code == 204
        assert as_cleo.delete(url_of(ann)).status_code == 404

        ann.refresh_from_db()
        assert ann.erased_at is not None

    def test_who_is_a_superuser_is_touched_by_superusers_alone(
        self, as_cleo: APIClient, cleo: User
    ):
        root = User.objects.create_superuser("root@example.com", PASSWORD, name="Root")
        User.objects.filter(pk=cleo.pk).update(is_superuser=False)

        assert as_cleo.get(url_of(root)).status_code == 200
        for method in ("patch", "delete"):
            answer = getattr(as_cleo, method)(url_of(root), {"name": "Groot"})
            assert answer.status_code == 403
            assert answer.json() == {"detail": "Only a superuser may change or erase a superuser."}
        assert User.objects.get(pk=root.pk).name == "Root"
        assert client_of(root).patch(url_of(root), {"name": "Groot"}).status_code == 200

    @pytest.mark.parametrize("path", [f"{uuid.UUID(int=1)}/", "nobody/", "1/"])
    def test_that_does_not_exist_is_not_found(self, as_cleo: APIClient, path: str):
        answer = as_cleo.get(URL + path)

        assert answer.status_code == 404
        assert set(answer.json()) == {"detail"}

    def test_who_is_no_longer_staff_is_refused(self, as_cleo: APIClient, cleo: User):
        User.objects.filter(pk=cleo.pk).update(is_staff=False)

        assert as_cleo.get(URL).status_code == 403


class TestTheBrowsablePages:
    @pytest.mark.parametrize("path", ["", "me/"])
    def test_show_who_is_logged_in_and_a_form(self, admin_of_cleo: Client, path: str):
        page = admin_of_cleo.get(URL + path, HTTP_ACCEPT="text/html")

        assert page.status_code == 200
        assert "cleo@example.com" in page.content.decode()
        assert "<form" in page.content.decode()

    def test_register_by_their_form(self, admin_of_cleo: Client):
        dee = {"email": "dee@example.com", "name": "Dee", "password": PASSWORD}

        made = admin_of_cleo.post(URL, dee, HTTP_ACCEPT="text/html")  # as multipart/form-data

        assert made.status_code == 201
        assert User.objects.filter(name="Dee").exists()
