"""The copy of users over HTTP, for staff to look at."""

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.permissions import IsAdminUser
from rest_framework.viewsets import ReadOnlyModelViewSet

from customers.models import Customer
from customers.serializers import CustomerSerializer


@extend_schema_view(
    list=extend_schema(
        summary="List the copy of users",
        description="For staff. `search` looks into e-mails and names. Erased users are listed "
        "with neither.",
    ),
    retrieve=extend_schema(
        summary="Look at the copy of one user",
        description="For staff. 404 where the copy does not have the user, yet.",
    ),
)
class CustomerViewSet(ReadOnlyModelViewSet[Customer]):
    queryset = Customer.objects.order_by("email", "id")
    serializer_class = CustomerSerializer
    permission_classes = [IsAdminUser]
    search_fields = ["email", "name"]
