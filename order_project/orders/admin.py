"""Staff look at orders, and cancel them."""

import uuid
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from rest_framework.exceptions import APIException

from customers.admin import ReadOnlyAdmin
from customers.models import Customer
from orders import operations
from orders.models import Order

MOST_FOUND = 1000  # customers that a search looks for the orders of


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    list_display = ["id", "customer_shown", "status", "total", "placed_at"]
    list_filter = ["status"]
    search_fields = ["id"]
    search_help_text = "The id of an order or of a customer, or a part of a customer's e-mail."
    ordering = ["-placed_at"]
    show_full_result_count = False  # counts the table once, not twice
    fields = [
        "id",
        "customer_shown",
        "status",
        "lines_shown",
        "total",
        "short_shown",
        ("placed_at", "priced_at"),
        ("resume_at", "attempts", "stock_released_at"),
        "idempotency_key",
    ]
    readonly_fields = ["customer_shown", "lines_shown", "total", "short_shown"]
    actions = ["cancel"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may change orders may cancel them, but nobody edits one."""
        return obj is None and admin.ModelAdmin.has_change_permission(self, request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Order], search_term: str
    ) -> tuple[QuerySet[Order], bool]:
        """Two queries instead of a join, which not every engine here has."""
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            found = uuid.UUID(term)
        except ValueError:
            customers = Customer.objects.filter(email__icontains=term)
            ids = customers.values_list("id", flat=True)[:MOST_FOUND]
            return queryset.filter(customer_id__in=list(ids)), False
        return queryset.filter(Q(id=found) | Q(customer_id=found)), False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Read the customers of the page at once."""
        changelist = super().get_changelist_instance(request)
        customers = Customer.objects.in_bulk(
            {order.customer_id for order in changelist.result_list}
        )
        for order in changelist.result_list:
            order.shown_customer = customers.get(order.customer_id)
        return changelist

    @admin.display(description="customer")
    def customer_shown(self, order: Order) -> str:
        customer = (
            order.shown_customer  # of the list, read by one query
            if hasattr(order, "shown_customer")
            else Customer.objects.filter(pk=order.customer_id).first()
        )
        if customer is None:
            return f"{order.customer_id} (not copied yet)"
        return f"{customer.name} <{customer.email}>" if customer.email else str(customer)

    @admin.display(ordering="total_amount")
    def total(self, order: Order) -> str:
        return f"{order.total_amount} {order.total_currency}"

    @admin.display(description="lines")
    def lines_shown(self, order: Order) -> str:
        rows = format_html_join(
            "",
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{} {}</td></tr>",
            (
                (
                    line.sku,
                    line.name,
                    line.quantity,
                    line.unit_price.amount,
                    line.unit_price.currency,
                )
                for line in order.order_lines
            ),
        )
        return format_html(
            "<table><tr><th>SKU</th><th>Name</th><th>Quantity</th><th>Unit price</th></tr>{}"
            "</table>",
            rows,
        )

    @admin.display(description="short", empty_value="-")
    def short_shown(self, order: Order) -> str:
        return "; ".join(
            f"{short['sku']}: {short['available']} of {short['requested']}" for short in order.short
        )

    @admin.action(description="Cancel selected orders", permissions=["change"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        cancelled = 0
        for order in queryset:
            try:
                operations.cancel_order(order=order, now=timezone.now())
            except APIException as refusal:
                self.message_user(request, f"Order {order.id}: {refusal.detail}", messages.ERROR)
            else:
                self.log_change(request, order, "Cancelled.")
                cancelled += 1
        if cancelled:
            self.message_user(request, f"Orders cancelled: {cancelled}.", messages.SUCCESS)
