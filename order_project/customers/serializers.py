"""How customers look from outside."""

from rest_framework import serializers

from customers.models import Customer


class CustomerSerializer(serializers.ModelSerializer[Customer]):
    """A user as the copy tells; the owner, user_project, may be a moment ahead."""

    class Meta:
        model = Customer
        fields = ["id", "version", "email", "name", "is_deleted", "changed_at", "synced_at"]
        read_only_fields = fields
