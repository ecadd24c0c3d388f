"""A save writes all that its object changed of the row, and nothing that others changed since."""

import pytest
from django.db import transaction
from django.utils import timezone

from conftest import emitted
from users.models import User, UserErased

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(ann: User) -> User:
    emitted()
    return ann


class TestSave:
    def test_of_a_stale_object_cannot_bring_an_erased_person_back(self, ann: User):
        stale = User.objects.get(pk=ann.pk)
        ann.delete()
        emitted()

        stale.last_login = timezone.now()
        for field in ("last_login", "password", "phone"):
            with pytest.raises(UserErased), transaction.atomic():
                stale.save(update_fields=[field])
        stale.name = "Ann Smith"
        with pytest.raises(UserErased), transaction.atomic():
            stale.save()

        assert emitted() == []
        tombstone = User.objects.get(pk=ann.pk)
        assert (tombstone.is_active, tombstone.last_login) == (False, None)
        assert not tombstone.has_usable_password()

    def test_of_an_object_loaded_earlier_does_not_take_back_what_others_changed(self, ann: User):
        earlier = User.objects.get(pk=ann.pk)
        User.objects.filter(pk=ann.pk).update(name="Ann Smith")
        emitted()

        earlier.phone = "+49 30 9999"
        earlier.save()

        now = User.objects.get(pk=ann.pk)
        assert (now.name, now.phone, now.version) == ("Ann Smith", "+49 30 9999", 2)
        assert emitted() == []

    def test_of_a_partly_loaded_object_emits(self, ann: User):
        part = User.objects.only("pk").get(pk=ann.pk)

        part.name = "Ann Smith"
        part.save()

        assert emitted() == [("user_updated", str(ann.pk))]
        assert User.objects.get(pk=ann.pk).version == 2

    @pytest.mark.parametrize("what", ["the version", "a private field", "nothing", "the e-mail"])
    def test_of_something_else_forgets_no_change_that_is_yet_to_be_saved(self, ann: User, what):
        ann.email = "ann@new.example"
        ann.save()
        ann.name = "Ann Smith"

        match what:
            case "the version":
                assert ann.version == 2  # read from the row
            case "a private field":
                ann.save(update_fields=["last_login"])
            case "nothing":
                ann.save(update_fields=[])
            case "the e-mail":
                ann.email = "ann@newer.example"
                ann.save(update_fields=["email"])
            case _:
                pytest.fail(what)
        emitted()
        ann.save()

        assert emitted() == [("user_updated", str(ann.pk))]
        assert User.objects.get().name == "Ann Smith"

    def test_of_a_refreshed_object_writes_what_was_changed_since(self, ann: User):
        ann.name = "Ann Smith"
        ann.refresh_from_db()
        ann.name = "Ann Jones"

        ann.save()

        assert User.objects.get().name == "Ann Jones"
        assert emitted() == [("user_updated", str(ann.pk))]
