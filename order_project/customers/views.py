"""The copy of users over HTTP, for staff to look at."""

from django.http import Http404
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework.exceptions import NotFound
from rest_framework.permissions import IsAdminUser
from rest_framework.viewsets import ReadOnlyModelViewSet

from customers.models import Customer
from customers.serializers import CustomerSerializer

REFUSAL = {
    "type": "object",
    "properties": {"detail": {"type": "string"}},
    "required": ["detail"],
}
UNAUTHORIZED = OpenApiResponse(REFUSAL, "No token, or one that is expired or not to be trusted.")
FORBIDDEN = OpenApiResponse(REFUSAL, "Only staff may look at other people.")
AWAY = OpenApiResponse(REFUSAL, "The database does not answer; repeat it in a moment.")
EXAMPLE = OpenApiExample(
    "Ann",
    {
        "id": "a0000001-0000-4000-8000-000000000000",
        "version": 3,
        "email": "ann@example.com",
        "name": "Ann Example",
        "is_deleted": False,
        "changed_at": "2026-05-04T09:30:00.120000Z",
        "synced_at": "2026-05-04T09:30:00.145000Z",
    },
)


@extend_schema_view(
    list=extend_schema(
        summary="List the copy of users, by e-mail",
        description="`search` looks into e-mails and names. Erased users are listed without "
        "either, at the end.",
        examples=[EXAMPLE],
        responses={
            200: CustomerSerializer(many=True),
            400: OpenApiResponse(list[str], "No e-mail and no name has what `search` has in it."),
            401: UNAUTHORIZED,
            403: FORBIDDEN,
            404: OpenApiResponse(REFUSAL, "There is no such page."),
            503: AWAY,
        },
    ),
    retrieve=extend_schema(
        summary="Look at the copy of one user",
        examples=[EXAMPLE],
        responses={
            200: CustomerSerializer,
            401: UNAUTHORIZED,
            403: FORBIDDEN,
            404: OpenApiResponse(REFUSAL, "The copy does not have this user, yet."),
            503: AWAY,
        },
    ),
)
class CustomerViewSet(ReadOnlyModelViewSet[Customer]):
    """What the copy of user_project's users tells; the owner may be a moment ahead."""

    queryset = Customer.objects.order_by("is_deleted", "email", "id")
    serializer_class = CustomerSerializer
    permission_classes = [IsAdminUser]
    search_fields = ["email", "name"]

    def get_object(self) -> Customer:
        try:
            return super().get_object()
        except Http404 as error:
            raise NotFound(
                f"The copy has no user {self.kwargs['pk']}: look again in a moment, or see whether "
                "user_project has them."
            ) from error
