"""The copy and the rejected events, for staff: to look at, and to try again."""

import json
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html

from customers.events import BadEvent
from customers.models import Customer, RejectedEvent
from customers.operations import retry_rejected


class ReadOnlyAdmin(admin.ModelAdmin):
    """Shows, and lets nobody add, change or delete."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Customer)
class CustomerAdmin(ReadOnlyAdmin):
    list_display = ["__str__", "name", "version", "is_deleted", "changed_at", "synced_at"]
    list_filter = ["is_deleted", "synced_at"]
    search_fields = ["email", "name"]
    search_help_text = "E-mail, name or id. To change someone, go to user_project, which owns them."
    ordering = ["is_deleted", "email", "id"]
    show_full_result_count = False  # counts the table once, not twice

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Customer], search_term: str
    ) -> tuple[QuerySet[Customer], bool]:
        try:
            return queryset.filter(pk=UUID(search_term)), False
        except ValueError:
            return super().get_search_results(request, queryset, search_term)


@admin.register(RejectedEvent)
class RejectedEventAdmin(ReadOnlyAdmin):
    list_display = ["received_at", "error", "resolved_at", "resolved_by"]
    list_filter = [("resolved_at", admin.EmptyFieldListFilter), "received_at"]
    search_fields = ["error", "payload"]
    ordering = ["-received_at"]
    fields = ["error", "readable_payload", "received_at", "resolved_at", "resolved_by"]
    readonly_fields = ["readable_payload"]
    actions = ["retry"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may change rejected events may retry them, but nobody edits one."""
        return obj is None and admin.ModelAdmin.has_change_permission(self, request)

    @admin.display(description="payload")
    def readable_payload(self, rejected: RejectedEvent) -> str:
        try:
            text = json.dumps(json.loads(rejected.payload), indent=2)
        except ValueError:
            text = rejected.payload
        return format_html("<pre>{}</pre>", text)

    @admin.action(description="Retry the selected rejected events", permissions=["change"])
    def retry(self, request: HttpRequest, queryset: QuerySet[RejectedEvent]) -> None:
        for rejected in queryset.filter(resolved_at=None):
            try:
                retry_rejected(
                    rejected=rejected, by=request.user.get_username(), now=timezone.now()
                )
            except BadEvent as error:
                outcome, level = f"Retried in vain: {error}", messages.ERROR
            else:
                outcome, level = "Retried and applied.", messages.SUCCESS
            self.log_change(request, rejected, outcome)
            self.message_user(request, f"{rejected}: {outcome}", level)
