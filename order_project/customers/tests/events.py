"""Events as user_project puts them on the wire."""

import uuid
from typing import Any

import msgspec

from contracts.events import EventType, UserEvent
from contracts.users import User

TIME = "2026-03-01T12:00:00+01:00"


def event_of(user: User, **fields: Any) -> dict[str, Any]:
    """The event that tells of this state; `fields` replace its own."""
    kind: EventType = "user_deleted" if user.deleted else "user_updated"
    event = UserEvent(
        id=str(uuid.uuid5(uuid.UUID(user.id), str(user.version))),
        source="/user_project/users",
        type=kind,
        subject=user.id,
        time=TIME,
        data=user,
    )
    wire: dict[str, Any] = msgspec.to_builtins(event)
    return wire | fields
