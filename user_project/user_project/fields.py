"""Columns that mean the same on every engine."""

from typing import Any

from django.db import models
from django.db.models import lookups


class PortableUUIDField(models.UUIDField):
    """A UUID that is kept whatever its bits, and ordered as its text is.

    MariaDB's own type compares the parts of a UUID from the last to the first, while snapshot pages
    and digests go by ascending id; and it refuses versions that it does not know.
    """

    def db_type(self, connection: Any) -> str | None:
        if connection.vendor == "mysql" and connection.mysql_is_mariadb:
            return "char(36)"
        return super().db_type(connection)


class LowercaseEmailField(models.EmailField):
    """An e-mail address kept in lower case: `unique` and look-ups have no regard to case."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return text.lower() if isinstance(text, str) else text

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = super().pre_save(model_instance, add)
        if isinstance(value, str):
            value = value.lower()
            setattr(model_instance, self.attname, value)
        return value

    def db_parameters(self, connection: Any) -> Any:
        """MySQL would take u and ü for the same, and so two people for one."""
        mysql = {"collation": "utf8mb4_bin"} if connection.vendor == "mysql" else {}
        return super().db_parameters(connection) | mysql


@LowercaseEmailField.register_lookup
class LowercaseContains(lookups.Contains):
    """A search without regard to case, on every engine and collation."""

    lookup_name = "icontains"

    def get_prep_lookup(self) -> str:
        return str(self.rhs).lower()
