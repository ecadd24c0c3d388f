"""Staff's door to users; saving or deleting here emits as anywhere."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.http import HttpRequest

from users.models import User


class NewUserForm(AdminUserCreationForm):
    class Meta:
        model = User
        fields = ["email", "name", "phone"]
        field_classes: dict[str, Any] = {}


class ErasedFilter(admin.SimpleListFilter):
    title = "erased"
    parameter_name = "erased"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Erased"), ("all", "All")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "all":
            return queryset
        return queryset.filter(erased_at__isnull=self.value() != "yes")

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        return [first | {"display": "Present"}, *others]


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    add_form = NewUserForm
    add_fieldsets = [
        (None, {"fields": ["email", "name", "phone", "usable_password", "password1", "password2"]})
    ]
    fieldsets = [
        (None, {"fields": ["email", "name", "phone", "password"]}),
        ("Rights", {"fields": ["is_active", "is_staff", "is_superuser", "groups"]}),
        ("State", {"fields": ["id", "version", "created_at", "changed_at", "last_login"]}),
    ]
    readonly_fields = ["id", "version", "created_at", "changed_at", "last_login"]
    list_display = ["email", "name", "phone", "is_staff", "is_active", "version", "changed_at"]
    list_filter = [ErasedFilter, "is_staff", "is_active"]
    search_fields = ["email", "name", "phone", "=id"]
    ordering = ["email"]
    filter_horizontal = ["groups"]

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return self._is_present(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return self._is_present(obj) and super().has_delete_permission(request, obj)

    def _is_present(self, user: User | None) -> bool:
        return user is None or user.erased_at is None
