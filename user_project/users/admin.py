"""Staff's door to users; saving or deleting here emits as anywhere."""

from typing import Any, cast

from django.contrib import admin
from django.contrib.admin import actions
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
    list_display = ["account", "name", "phone", "is_staff", "is_active", "version", "changed_at"]
    list_filter = [ErasedFilter, "is_staff", "is_active"]
    search_fields = ["email", "name", "phone", "=id"]
    ordering = ["email"]
    filter_horizontal = ["groups"]
    actions = ["delete_selected"]

    @admin.display(description="e-mail", ordering="email")
    def account(self, user: User) -> str:
        return str(user)

    @admin.action(permissions=["delete"], description="Erase selected users")
    def delete_selected(self, request: HttpRequest, queryset: Any) -> Any:
        return actions.delete_selected(self, request, queryset)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Who is erased, how many they are, and who of them may not be; no row goes."""
        users = list(objs)
        spared = {str(user) for user in users if not self.has_delete_permission(request, user)}
        return [str(user) for user in users], {"users": len(users)}, spared, []

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        """Only superusers hand out rights: others could give themselves all of them."""
        rights = () if request.user.is_superuser else ("is_staff", "is_superuser", "groups")
        return [*super().get_readonly_fields(request, obj), *rights]

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return self._may_touch(request, obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return self._may_touch(request, obj) and super().has_delete_permission(request, obj)

    def _may_touch(self, request: HttpRequest, user: User | None) -> bool:
        """Nobody changes a tombstone, and only superusers a superuser."""
        if user is None:
            return True
        return user.erased_at is None and cast(User, request.user).may_touch(user)
