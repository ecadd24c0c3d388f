"""What the scenario `versions` reads with: it has to be as strict as a service was, and no more."""

import json
from typing import Any

import msgspec
import pytest
from tests.contracts.compatibility import RELEASED
from tests.faults.versions import Release, ReleasedReader, as_written_by

SCHEMAS = json.loads(RELEASED.read_text())
EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1",
    "source": "/user_project/users",
    "type": "user_created",
    "subject": "2",
    "time": "2026-01-31T12:00:00+00:00",
    "requestid": "3",
    "data": {"id": "2", "version": 1, "email": "", "name": "Ann", "deleted": False},
}


class TestAReleasedReader:
    @pytest.mark.parametrize("release", Release)
    def test_takes_what_another_release_wrote(self, release: Release) -> None:
        written = as_written_by(release, "UserEvent", EVENT, SCHEMAS)

        ReleasedReader(SCHEMAS).read("UserEvent", written)

        assert written != EVENT

    @pytest.mark.parametrize(
        "spoilt",
        [
            EVENT | {"type": "user_promoted"},
            EVENT | {"time": 5},
            EVENT | {"data": EVENT["data"] | {"version": "1"}},
            {name: value for name, value in EVENT.items() if name != "subject"},
        ],
        ids=["another literal", "another type", "another type within", "a missing field"],
    )
    def test_refuses_what_it_could_not_have_read(self, spoilt: dict[str, Any]) -> None:
        with pytest.raises(msgspec.ValidationError):
            ReleasedReader(SCHEMAS).read("UserEvent", spoilt)


class TestAnotherRelease:
    def test_leaves_out_what_it_did_not_know_and_adds_what_nobody_else_does(self) -> None:
        older = as_written_by(Release.OLDER, "UserEvent", EVENT, SCHEMAS)
        newer = as_written_by(Release.NEWER, "UserEvent", EVENT, SCHEMAS)

        assert EVENT.keys() - older.keys() == {"specversion", "requestid"}
        assert (
            newer.keys() - EVENT.keys()
            == {"added_later"}
            == newer["data"].keys() - EVENT["data"].keys()
        )
