"""From changes to the events that are sent: each user's state as it is now."""

import uuid
from collections.abc import Sequence

from contracts.events import EventType, UserEvent
from outbox.claims import Change
from outbox.models import PendingEvent

SOURCE = "/user_project/users"


def events_for(changes: Sequence[Change]) -> list[UserEvent]:
    """One event for each user who changed, from the last of their changes.

    What is sent twice has the same id, as CloudEvents asks of duplicates.
    """
    created = {change.user_id for change in changes if change.type == PendingEvent.Type.CREATED}
    events = []
    for change in {change.user_id: change for change in changes}.values():
        if (user := change.user) is None:
            continue
        if user.deleted:
            event_type: EventType = "user_deleted"
        else:
            event_type = "user_created" if change.user_id in created else "user_updated"
        events.append(
            UserEvent(
                id=str(uuid.uuid5(change.user_id, f"{event_type}/{user.version}")),
                source=SOURCE,
                type=event_type,
                subject=user.id,
                time=change.created_at.isoformat(),
                data=user,
                requestid=change.request_id,
            )
        )
    return events
