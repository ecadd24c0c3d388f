"""From pointers to the events that are sent: each user's state as it is now."""

import uuid
from collections.abc import Iterable

from contracts.events import EventType, UserEvent
from outbox.models import PendingEvent
from users.models import User

SOURCE = "/user_project/users"


def events_for(pending: Iterable[PendingEvent]) -> list[UserEvent]:
    """One event for each user pointed to.

    What is sent twice has the same id, as CloudEvents asks of duplicates.
    """
    pointers = {row.user_id: row for row in pending}  # the last one of each user
    created = {row.user_id for row in pending if row.type == PendingEvent.Type.CREATED}
    events = []
    for user in User.objects.filter(pk__in=pointers).public():
        user_id = uuid.UUID(user.id)
        pointer = pointers[user_id]
        if user.deleted:
            event_type: EventType = "user_deleted"
        else:
            event_type = "user_created" if user_id in created else "user_updated"
        events.append(
            UserEvent(
                id=str(uuid.uuid5(user_id, f"{event_type}/{user.version}")),
                source=SOURCE,
                type=event_type,
                subject=user.id,
                time=pointer.created_at.isoformat(),
                data=user,
                requestid=pointer.request_id,
            )
        )
    return events
