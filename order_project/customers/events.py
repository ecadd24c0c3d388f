"""Reading what user_project published, strictly: unknown fields pass, anything else is refused."""

from datetime import UTC, datetime
from typing import NamedTuple, Self

import msgspec

from contracts.events import UserEvent
from customers.projection import Row, UnfitUser


class BadEvent(ValueError):
    """An event that cannot be applied as it is; says why without quoting it, for logs to keep."""


class ReadEvent(NamedTuple):
    """What an event asks of the copy, and the request that caused it."""

    row: Row
    request_id: str

    @classmethod
    def of(cls, payload: object, *, now: datetime) -> Self:
        """Reads one event as it came off the wire; raises BadEvent."""
        try:
            event = msgspec.convert(payload, UserEvent)
            if event.subject != event.data.id:
                raise BadEvent("the subject is not the id of the data")
            row = Row.of(event.data, now=now, changed_at=moment(event.time))
        except (msgspec.ValidationError, UnfitUser) as error:
            raise BadEvent(str(error)) from error
        return cls(row, event.requestid)


def moment(text: str) -> datetime:
    """The time that `text` gives in ISO 8601 with an offset; raises BadEvent."""
    try:
        parsed = datetime.fromisoformat(text)
        if parsed.tzinfo is not None:
            return parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise BadEvent("the time is not ISO 8601 with an offset")
