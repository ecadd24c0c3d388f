"""GET PATCH users/me/: what people see and change of themselves."""

import pytest
from rest_framework.exceptions import NotFound
from rest_framework.test import APIClient

from conftest import emitted
from users.models import User
from users.operations import change_profile

ME = "/api/v1/users/me/"


class TestMe:
    def test_shows_the_account_without_secrets(self, as_ann: APIClient, ann: User):
        answer = as_ann.get(ME)

        assert answer.status_code == 200
        assert set(answer.json()) == {
            "id",
            "email",
            "name",
            "phone",
            "is_staff",
            "version",
            "created_at",
        }
        assert answer.json()["id"] == str(ann.pk)

    @pytest.mark.django_db
    def test_is_for_the_logged_in_alone(self, anyone: APIClient):
        answer = anyone.get(ME)

        assert answer.status_code == 401
        assert answer["WWW-Authenticate"].startswith("Bearer")

    def test_changes_and_emits(self, as_ann: APIClient, ann: User):
        emitted()

        answer = as_ann.patch(ME, {"name": "Ann Archer", "email": "ANN@archer.example"})

        assert answer.status_code == 200
        assert (answer.json()["name"], answer.json()["email"]) == (
            "Ann Archer",
            "ann@archer.example",
        )
        assert answer.json()["version"] == 2
        assert emitted() == [("user_updated", str(ann.pk))]

    def test_changes_what_is_private_in_silence(self, as_ann: APIClient):
        emitted()

        answer = as_ann.patch(ME, {"phone": ""})

        assert (answer.json()["phone"], answer.json()["version"]) == ("", 1)
        assert emitted() == []

    def test_changes_nothing_when_nothing_is_asked(self, as_ann: APIClient):
        assert as_ann.patch(ME, {}).status_code == 200

    def test_refuses_an_address_that_has_an_account(self, as_ann: APIClient, ann: User, bo: User):
        answer = as_ann.patch(ME, {"email": "BO@example.com", "name": "Ann Archer"})

        assert answer.status_code == 400
        assert list(answer.json()) == ["email"]
        assert User.objects.get(pk=ann.pk).name == "Ann"

    @pytest.mark.parametrize("change", [{"email": None}, {"email": "ann"}, {"name": " "}])
    def test_refuses_what_is_no_profile(self, as_ann: APIClient, change: dict):
        answer = as_ann.patch(ME, change, format="json")

        assert answer.status_code == 400
        assert list(answer.json()) == list(change)

    def test_gives_nobody_rights(self, as_ann: APIClient, ann: User):
        as_ann.patch(ME, {"is_staff": True, "version": 9, "id": "x", "is_superuser": True})

        ann.refresh_from_db()
        assert (ann.is_staff, ann.is_superuser, ann.version) == (False, False, 1)

    def test_is_not_replaced_as_a_whole(self, as_ann: APIClient):
        assert as_ann.put(ME, {"name": "Ann"}).status_code == 405

    @pytest.mark.parametrize("change", [{"name": "Ann Archer"}, {"phone": "1"}])
    def test_of_somebody_erased_meanwhile_is_not_found(self, ann: User, change: dict[str, str]):
        User.objects.all().delete()

        with pytest.raises(NotFound):
            change_profile(user=ann, **change)
