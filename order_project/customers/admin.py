"""The copy, and the rejected events, which staff look at, try again or dismiss."""

import json
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html

from customers.events import BadEvent
from customers.models import Customer, RejectedEvent
from customers.operations import dismiss_rejected, retry_rejected


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


class DismissalForm(forms.Form):
    reason = forms.CharField(
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 60}),
        help_text="Why it need not be applied, for the history. Do not name the person.",
    )


@admin.register(RejectedEvent)
class RejectedEventAdmin(ReadOnlyAdmin):
    list_display = ["received_at", "error", "user_id", "resolved_at", "resolved_by", "dismissed"]
    list_filter = [("resolved_at", admin.EmptyFieldListFilter), "received_at"]
    search_fields = ["error", "payload"]
    ordering = ["-received_at"]
    fields = [
        *("error", "user_id", "readable_payload", "received_at"),
        *("resolved_at", "resolved_by", "dismissal_reason"),
    ]
    readonly_fields = ["readable_payload"]
    actions = ["retry", "dismiss"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may change rejected events may retry or dismiss them, but nobody edits one."""
        return obj is None and admin.ModelAdmin.has_change_permission(self, request)

    @admin.display(description="payload")
    def readable_payload(self, rejected: RejectedEvent) -> str:
        try:
            text = json.dumps(json.loads(rejected.payload), indent=2)
        except (ValueError, RecursionError):  # no JSON, or too deep
            text = rejected.payload
        return format_html("<pre>{}</pre>", text)

    @admin.display(description="dismissed", boolean=True)
    def dismissed(self, rejected: RejectedEvent) -> bool | None:
        return bool(rejected.dismissal_reason) if rejected.resolved_at else None

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

    @admin.action(description="Dismiss the selected rejected events", permissions=["change"])
    def dismiss(
        self, request: HttpRequest, queryset: QuerySet[RejectedEvent]
    ) -> HttpResponse | None:
        """Asks for the reason, then lets each selected one be that nobody has resolved."""
        unresolved = queryset.filter(resolved_at=None)
        is_sent = "dismiss" in request.POST
        form = DismissalForm(request.POST if is_sent else None)
        if is_sent and form.is_valid():
            for rejected in unresolved:
                self.dismiss_one(request, rejected, form.cleaned_data["reason"])
            return None
        context = self.admin_site.each_context(request) | {
            "title": "Dismiss rejected events",
            "opts": self.opts,
            "form": form,
            "rejected_events": unresolved.order_by("-received_at"),
            "checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/customers/rejectedevent/dismiss.html", context)

    def dismiss_one(self, request: HttpRequest, rejected: RejectedEvent, reason: str) -> None:
        by = request.user.get_username()
        if dismiss_rejected(rejected=rejected, reason=reason, by=by, now=timezone.now()):
            self.log_change(request, rejected, f"Dismissed: {reason}")
            self.message_user(request, f"{rejected}: dismissed.", messages.SUCCESS)
