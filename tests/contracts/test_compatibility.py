"""The contracts as they are now against the contracts as released."""

import json
from dataclasses import dataclass, field
from typing import Literal

import msgspec
import pytest
from tests.contracts.compatibility import RELEASED, breaks, contract_classes, schemas

from contracts.events import UserEvent
from contracts.users import User


class TestTheContracts:
    def test_break_nobody_who_knows_them_as_released(self):
        released = json.loads(RELEASED.read_text())

        assert breaks(released, schemas(contract_classes())) == []

    def test_are_all_released(self):
        released = json.loads(RELEASED.read_text())

        assert schemas(contract_classes()) == released, (
            "a compatible change: release it with `python -m tests.contracts.compatibility`"
        )


def order(**fields: object) -> dict:
    """The schema of a contract that has these fields, each a type or (type, default)."""
    names = {
        name: kind if isinstance(kind, tuple) else (kind, None) for name, kind in fields.items()
    }
    required: type = dataclass(kw_only=True)(
        type(
            "Order",
            (),
            {
                "__annotations__": {name: kind for name, (kind, _) in names.items()},
                **{
                    name: field(default=default)
                    for name, (_, default) in names.items()
                    if default is not None
                },
            },
        )
    )
    return schemas([required])


STATUS = Literal["pending", "confirmed"]


class TestACompatibilityCheck:
    @pytest.mark.parametrize(
        ("after", "why"),
        [
            (order(id=str), "Order.status was removed or renamed"),
            (order(id=str, state=(STATUS, "pending")), "Order.status was removed or renamed"),
            (order(id=int, status=(STATUS, "pending")), "Order.id was retyped"),
            (order(id=str | None, status=(STATUS, "pending")), "Order.id was retyped"),
            (order(id=str, status=STATUS), "Order.status is newly required"),
            (order(id=str, status=(STATUS, "pending"), sum=str), "Order.sum is newly required"),
            (
                order(id=str, status=(Literal["pending"], "pending")),
                "Order.status lost the literal 'confirmed'",
            ),
            (
                order(id=str, status=(Literal["pending", "confirmed", "lost"], "pending")),
                "Order.status gained the literal 'lost'",
            ),
            ({}, "Order was removed"),
        ],
    )
    def test_refuses(self, after: dict, why: str):
        before = order(id=str, status=(STATUS, "pending"))

        found = breaks(before, after)

        assert any(each.startswith(why) for each in found), found

    @pytest.mark.parametrize(
        "after",
        [
            order(id=str, status=(STATUS, "pending")),
            order(id=str, status=(STATUS, "confirmed")),
            order(id=str, status=(STATUS, "pending"), note=(str, "")),
            order(id=(str, "none"), status=(STATUS, "pending")),
        ],
        ids=["nothing", "another default", "a new field with a default", "a default"],
    )
    def test_allows(self, after: dict):
        before = order(id=str, status=(STATUS, "pending"))

        assert breaks(before, after) == []


class TestAReader:
    event = UserEvent(
        id="1",
        source="/user_project/users",
        type="user_created",
        subject="2",
        time="2026-01-31T12:00:00+00:00",
        data=User(id="2", version=1, email="ann@example.com", name="Ann", deleted=False),
    )

    def test_ignores_fields_that_a_newer_writer_added(self):
        newer = json.loads(msgspec.json.encode(self.event)) | {"partition": "7"}
        newer["data"]["nickname"] = "annie"

        assert msgspec.convert(newer, UserEvent) == self.event

    def test_fills_in_what_an_older_writer_did_not_know(self):
        older = json.loads(msgspec.json.encode(self.event))
        del older["requestid"]

        assert msgspec.convert(older, UserEvent) == self.event

    @pytest.mark.parametrize("spoil", [{"version": "1"}, {"version": None}, {"email": 5}])
    def test_refuses_a_mistyped_field(self, spoil: dict):
        wrong = json.loads(msgspec.json.encode(self.event))
        wrong["data"] |= spoil

        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, UserEvent)

    def test_refuses_a_missing_field(self):
        wrong = json.loads(msgspec.json.encode(self.event))
        del wrong["data"]["version"]

        with pytest.raises(msgspec.ValidationError, match="version"):
            msgspec.convert(wrong, UserEvent)
