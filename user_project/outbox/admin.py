"""What is on its way to the broker, for staff to see and not to touch."""

from datetime import timedelta

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from outbox.models import PendingEvent


@admin.register(PendingEvent)
class PendingEventAdmin(admin.ModelAdmin):
    list_display = ["id", "type", "user_id", "created_at", "age", "request_id"]
    list_filter = ["type"]
    search_fields = ["=user_id", "=request_id"]
    ordering = ["pk"]

    @admin.display(description="waiting for")
    def age(self, pending: PendingEvent) -> timedelta:
        return timedelta(seconds=int((timezone.now() - pending.created_at).total_seconds()))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: PendingEvent | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: PendingEvent | None = None) -> bool:
        return False
