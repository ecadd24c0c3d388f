"""What staff see of stock, and the one thing that they do with it here: receive it."""

from typing import Any
from uuid import UUID, uuid4, uuid5

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from rest_framework.exceptions import APIException

from contracts.inventory import StockLevel
from stock.models import Item, Movement, Reservation
from stock.operations import receive_stock
from stock.serializers import MAX_QUANTITY
from stock.stores import stock_store
from stock.stores.protocol import StockUnavailable

MOST_AT_ONCE = 500  # items in one form; Django reads 1,000 fields


class ReceiptForm(forms.Form):
    quantity = forms.IntegerField(
        min_value=-MAX_QUANTITY,
        max_value=MAX_QUANTITY,
        help_text="Units of each item that arrived; negative corrects.",
    )
    reason = forms.CharField(max_length=200, help_text="Why, for the ledger.")
    receipt_id = forms.UUIDField(widget=forms.HiddenInput)  # a form sent twice counts once

    def clean_quantity(self) -> int:
        quantity: int = self.cleaned_data["quantity"]
        if quantity == 0:
            raise forms.ValidationError("0 moves nothing: give the units that arrived.")
        return quantity


def live_levels(request: HttpRequest, skus: list[str]) -> dict[str, StockLevel]:
    """What the store says now; tells staff when it says nothing."""
    try:
        return stock_store().levels(skus=skus)
    except StockUnavailable as refusal:
        messages.error(request, f"No levels are shown. {refusal.detail}")
        return {}


class ItemChangeList(ChangeList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        levels = live_levels(request, [item.sku for item in self.result_list])
        for item in self.result_list:
            item.level = levels.get(item.sku)


@admin.register(Item)
class ItemAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in stubs alone
    list_display = ["sku", "on_hand", "reserved", "available", "shelf", "added_at"]
    list_filter = [("shelf", admin.EmptyFieldListFilter), "added_at"]
    search_fields = ["sku", "shelf"]
    search_help_text = "SKU or shelf"
    ordering = ["sku"]
    list_per_page = 50
    show_full_result_count = False
    fields = ["sku", "shelf", "on_hand", "reserved", "available", "added_at"]
    actions = ["receive"]

    def get_readonly_fields(self, request: HttpRequest, obj: Item | None = None) -> list[str]:
        computed = ["on_hand", "reserved", "available", "added_at"]
        return ["sku", *computed] if obj else computed

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return ItemChangeList

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Item | None:
        item = super().get_object(request, object_id, from_field)
        if item:
            item.level = live_levels(request, [item.sku]).get(item.sku)
        return item

    def has_delete_permission(self, request: HttpRequest, obj: Item | None = None) -> bool:
        return False  # its ledger would speak of nothing

    @admin.display(description="on hand")
    def on_hand(self, item: Item) -> int | None:
        return item.level.on_hand if item.level else None

    @admin.display
    def reserved(self, item: Item) -> int | None:
        return item.level.reserved if item.level else None

    @admin.display
    def available(self, item: Item) -> int | None:
        return item.level.available if item.level else None

    @admin.action(description="Receive stock", permissions=["change"])
    def receive(self, request: HttpRequest, queryset: QuerySet[Item]) -> HttpResponse | None:
        """Asks for quantity and reason, then receives that for each selected item."""
        if queryset.count() > MOST_AT_ONCE:
            told = f"Stock is received for {MOST_AT_ONCE} items at once at most: select fewer."
            messages.error(request, told)
            return None
        is_sent = "receive" in request.POST
        form = ReceiptForm(request.POST if is_sent else None, initial={"receipt_id": uuid4()})
        if is_sent and form.is_valid():
            for item in queryset:
                self.receive_one(request, item.sku, **form.cleaned_data)
            return None
        items = list(queryset.order_by("sku"))
        levels = live_levels(request, [item.sku for item in items])
        context = self.admin_site.each_context(request) | {
            "title": "Receive stock",
            "opts": self.opts,
            "form": form,
            "items": [(item, levels.get(item.sku)) for item in items],
            "checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/stock/item/receive.html", context)

    def receive_one(
        self, request: HttpRequest, sku: str, *, quantity: int, reason: str, receipt_id: UUID
    ) -> None:
        try:
            level, is_new = receive_stock(
                sku=sku,
                quantity=quantity,
                reason=reason,
                by=request.user.get_username(),
                receipt_id=uuid5(receipt_id, sku),
                must_exist=True,
            )
        except APIException as refusal:
            messages.error(request, f"{sku}: {refusal.detail}")
            return
        done = f"received {quantity:+d}" if is_new else "was received already"
        messages.success(request, f"{sku}: {done}, {level.on_hand} on hand.")


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in stubs alone
    """Shows what only operations write."""

    show_full_result_count = False
    empty_value_display = ""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Reservation)
class ReservationAdmin(ReadOnly):
    list_display = ["order_id", "state", "what", "created_at", "changed_at"]
    list_filter = ["state", "created_at"]
    search_fields = ["order_id"]
    search_help_text = "Order"
    ordering = ["-created_at"]
    fields = ["order_id", "state", "what", "created_at", "changed_at"]

    @admin.display(description="lines")
    def what(self, reservation: Reservation) -> str:
        return ", ".join(f"{quantity} {sku}" for sku, quantity in reservation.lines)


@admin.register(Movement)
class MovementAdmin(ReadOnly):
    list_display = ["at", "sku", "kind", "on_hand_by", "reserved_by", "by", "reason", "order"]
    list_filter = ["kind", "at"]
    search_fields = ["sku", "order_id", "reason", "by"]
    search_help_text = "SKU, order, reason or who"
    ordering = ["-pk"]

    @admin.display(description="on hand")
    def on_hand_by(self, movement: Movement) -> str:
        return signed(movement.on_hand_delta)

    @admin.display
    def order(self, movement: Movement) -> str:
        if movement.order_id is None:
            return ""
        address = reverse("admin:stock_reservation_change", args=[movement.order_id])
        link = '<a href="{}" style="white-space: nowrap">{}</a>'
        return format_html(link, address, movement.order_id)

    @admin.display(description="reserved")
    def reserved_by(self, movement: Movement) -> str:
        return signed(movement.reserved_delta)


def signed(number: int) -> str:
    return f"{number:+d}" if number else ""
