"""The catalogue for staff. Nothing here deletes: discontinue instead."""

from typing import Any

from django.contrib import admin, messages
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import ngettext

from products import operations
from products.models import PriceChange, Product, ProductQuerySet


class PriceChangeInline(admin.TabularInline):  # type: ignore[type-arg]  # generic in stubs alone
    model = PriceChange
    verbose_name_plural = "price history"
    fields = readonly_fields = ("price", "currency", "changed_at", "changed_by")
    ordering = ["-pk"]
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Product | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: PriceChange | None = None) -> bool:
        return False


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in stubs alone
    list_display = ["sku", "name", "category", "price", "currency", "is_active", "updated_at"]
    list_filter = ["is_active", "category", "currency"]
    search_fields = ["sku", "name", "description"]
    ordering = ["sku"]
    actions = ["discontinue"]
    inlines = [PriceChangeInline]
    fields = [
        "sku",
        "name",
        "description",
        "category",
        ("price", "currency"),
        "is_active",
        ("created_at", "updated_at"),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Product | None = None) -> list[str]:
        return ["created_at", "updated_at"] + (["sku"] if obj else [])

    def has_delete_permission(self, request: HttpRequest, obj: Product | None = None) -> bool:
        return False

    def save_model(
        self, request: HttpRequest, obj: Product, form: "ModelForm[Product]", change: bool
    ) -> None:
        changed_by = request.user.get_username()
        if change:
            changes: Any = {name: form.cleaned_data[name] for name in form.changed_data}
            operations.change_product(sku=obj.sku, changed_by=changed_by, **changes)
        else:
            obj.pk = operations.create_product(changed_by=changed_by, **form.cleaned_data).pk

    def changeform_view(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        """As ever; of two who save the same new SKU at once, the second is told so."""
        try:
            return super().changeform_view(request, *args, **options)
        except operations.SkuTaken as refusal:
            detail: Any = refusal.detail
            messages.error(request, detail["sku"][0])
            return HttpResponseRedirect(request.get_full_path())

    @admin.action(description="Discontinue the selected products", permissions=["change"])
    def discontinue(self, request: HttpRequest, products: ProductQuerySet) -> None:
        chosen = list(products.active())
        for product in chosen:
            operations.discontinue_product(sku=product.sku, changed_by=request.user.get_username())
            self.log_change(request, product, "Discontinued.")
        message = ngettext("%d product discontinued.", "%d products discontinued.", len(chosen))
        self.message_user(request, message % len(chosen), messages.SUCCESS)
