"""The envelope of the events that user_project publishes."""

from dataclasses import dataclass
from typing import Literal

from contracts.users import User

EventType = Literal["user_created", "user_updated", "user_deleted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UserEvent:
    """A CloudEvents 1.0 envelope (https://cloudevents.io) around the state of one user.

    `subject` is the user's id and `time` when the change was committed. `requestid`, an extension
    attribute, names the request that caused the change, for logs alone.
    """

    id: str
    source: str
    type: EventType
    subject: str
    time: str
    data: User
    specversion: Literal["1.0"] = "1.0"
    requestid: str = ""
