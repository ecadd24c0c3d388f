"""HTTP's doors to users."""

from typing import Any, cast

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import cache_control
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiResponse,
    extend_schema,
    extend_schema_view,
)
from rest_framework import generics
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import (
    SAFE_METHODS,
    AllowAny,
    BasePermission,
    IsAdminUser,
    IsAuthenticated,
)
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView

from contracts.users import UserDigests, UserPage
from user_project.keys import public_key_set
from user_project.throttles import ExactThrottle
from user_project.tokens import IsService, ServiceAuthentication
from users import operations
from users.digests import digest_users
from users.models import User, UserQuerySet
from users.serializers import (
    DigestQuery,
    ProfileSerializer,
    RefreshSerializer,
    RegistrationSerializer,
    SnapshotQuery,
    TokenPairSerializer,
    UserDigestsSerializer,
    UserPageSerializer,
)


def refusal(description: str, example: Any) -> OpenApiResponse:
    """How the schema shows a refusal."""
    examples = [OpenApiExample("For example", example)]
    return OpenApiResponse(OpenApiTypes.OBJECT, description, examples)


INVALID = {400: refusal("What is wrong, by field", {"email": ["Enter a valid email address."]})}
BAD_BODY = INVALID | {
    413: refusal("The body is too large", {"detail": "The body may have at most ... bytes"}),
    415: refusal("The body is not JSON", {"detail": 'Unsupported media type "text/plain" ...'}),
}
UNSEARCHABLE = {
    400: OpenApiResponse(
        list[str],
        "Nobody's name or e-mail has such a character in it",
        [OpenApiExample("For example", ["Null characters are not allowed."])],
    )
}
AWAY = {503: refusal("Repeat it in a moment", {"detail": "The database does not answer; ..."})}
UNKNOWN = {
    401: refusal("No valid token", {"detail": "This token lets nobody in (any more): ..."})
} | AWAY
FORBIDDEN = {403: refusal("Not for this caller", {"detail": "You do not have permission ..."})}
MISSING = {404: refusal("No such user", {"detail": "No User matches the given query."})}
NO_PAGE = {404: refusal("No such page", {"detail": "Invalid page."})}
THROTTLED = {
    429: refusal(
        "Too many requests: wait as `Retry-After` says",
        {"detail": "Request was throttled. Expected available in 60 seconds."},
    )
}


class SparesSuperusers(BasePermission):
    """Lets staff read everybody, but change and erase none who may do more than they."""

    message = "Only a superuser may change or erase a superuser."

    def has_object_permission(self, request: Request, view: APIView, obj: User) -> bool:
        return request.method in SAFE_METHODS or cast(User, request.user).may_touch(obj)


@extend_schema_view(
    get=extend_schema(
        summary="Search accounts",
        responses={200: ProfileSerializer} | UNSEARCHABLE | UNKNOWN | FORBIDDEN | NO_PAGE,
    )
)
class UserList(generics.ListCreateAPIView[User]):
    """Register an account; staff list them."""

    search_fields = ["email", "name"]
    throttle_classes = [ExactThrottle]
    throttle_scope = "registration"

    def get_queryset(self) -> UserQuerySet:
        users: UserQuerySet = User.objects.order_by("email").present()
        return users

    def get_serializer_class(self) -> type[BaseSerializer[User]]:
        return RegistrationSerializer if self.request.method == "POST" else ProfileSerializer

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Nobody need be known to register: an old token is no reason to refuse."""
        is_registering = self.request is not None and self.request.method == "POST"
        return [] if is_registering else super().get_authenticators()

    def get_permissions(self) -> list[BasePermission]:
        return [AllowAny() if self.request.method == "POST" else IsAdminUser()]

    def get_throttles(self) -> list[Any]:
        return super().get_throttles() if self.request.method == "POST" else []

    @extend_schema(
        summary="Register",
        auth=[],
        responses={201: RegistrationSerializer} | BAD_BODY | THROTTLED | AWAY,
    )
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().post(request, *args, **kwargs)

    def perform_create(self, serializer: BaseSerializer[User]) -> None:
        serializer.instance = operations.register_user(**serializer.validated_data)


@extend_schema_view(
    get=extend_schema(
        summary="Read an account",
        responses={200: ProfileSerializer} | UNKNOWN | FORBIDDEN | MISSING,
    ),
    patch=extend_schema(
        summary="Correct an account",
        responses={200: ProfileSerializer} | BAD_BODY | UNKNOWN | FORBIDDEN | MISSING,
    ),
    delete=extend_schema(
        summary="Erase an account", responses={204: None} | UNKNOWN | FORBIDDEN | MISSING
    ),
)
class UserDetail(generics.RetrieveUpdateDestroyAPIView[User]):
    """Staff read, correct or erase an account."""

    permission_classes = [IsAdminUser, SparesSuperusers]
    serializer_class = ProfileSerializer
    http_method_names = ["get", "patch", "delete", "head", "options"]

    def get_queryset(self) -> UserQuerySet:
        users: UserQuerySet = User.objects.all().present()
        return users

    def perform_update(self, serializer: BaseSerializer[User]) -> None:
        operations.change_profile(user=cast(User, serializer.instance), **serializer.validated_data)

    def perform_destroy(self, instance: User) -> None:
        operations.erase_user(user=instance)


@extend_schema_view(
    get=extend_schema(summary="Read my account", responses={200: ProfileSerializer} | UNKNOWN),
    patch=extend_schema(
        summary="Change my account",
        responses={200: ProfileSerializer} | BAD_BODY | UNKNOWN | MISSING,
    ),
    delete=extend_schema(summary="Erase my account", responses={204: None} | UNKNOWN),
)
class Me(UserDetail):
    """People read, change or erase their own account."""

    permission_classes = [IsAuthenticated]

    def get_object(self) -> User:
        return cast(User, self.request.user)


class Login(TokenObtainPairView):
    """E-mail and password for an access token and a refresh token."""

    throttle_classes = [ExactThrottle]
    throttle_scope = "login"

    @extend_schema(
        summary="Log in", responses={200: TokenPairSerializer} | BAD_BODY | UNKNOWN | THROTTLED
    )
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().post(request, *args, **kwargs)


class Refresh(TokenRefreshView):
    """A refresh token for a new access token."""

    throttle_classes = [ExactThrottle]
    throttle_scope = "login"

    @extend_schema(
        summary="Stay logged in",
        responses={200: RefreshSerializer} | BAD_BODY | UNKNOWN | THROTTLED,
    )
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().post(request, *args, **kwargs)


class Snapshot(APIView):
    """Users for another service's copy, tombstones included: some by id, or page by page."""

    authentication_classes = [ServiceAuthentication]
    permission_classes = [IsService]

    @extend_schema(
        summary="Read a page of all users",
        parameters=[SnapshotQuery],
        responses={200: UserPageSerializer} | INVALID | UNKNOWN | FORBIDDEN,
    )
    def get(self, request: Request) -> HttpResponse:
        query = SnapshotQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        asked, limit = query.validated_data, query.validated_data["limit"]
        users = User.objects.order_by("pk")
        if "changed_since" in asked:
            users = users.filter(changed_at__gte=asked["changed_since"])
        if "ids" in asked:
            found = tuple(users.filter(pk__in=asked["ids"]).public())
            return contract_response(UserPage(users=found, next=None))
        if "after" in asked:
            users = users.filter(pk__gt=asked["after"])
        page = tuple(users[: limit + 1].public())
        following = page[limit - 1].id if len(page) > limit else None
        return contract_response(UserPage(users=page[:limit], next=following))


class Digest(APIView):
    """Digests of the 256 buckets below a prefix, to find in a few calls where a copy differs."""

    authentication_classes = [ServiceAuthentication]
    permission_classes = [IsService]

    @extend_schema(
        summary="Compare users by digests",
        parameters=[DigestQuery],
        responses={200: UserDigestsSerializer} | INVALID | UNKNOWN | FORBIDDEN,
    )
    def get(self, request: Request) -> HttpResponse:
        query = DigestQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        digests = digest_users(query.validated_data["prefix"])
        return contract_response(UserDigests(digests=tuple(digests)))


def contract_response(contract: object) -> HttpResponse:
    """A contract as JSON, without the detour through a serializer: services read these alone."""
    return HttpResponse(msgspec.json.encode(contract), content_type="application/json")


@method_decorator(cache_control(public=True, max_age=300), name="dispatch")
class KeySetView(View):
    """The public keys that check people's tokens (RFC 7517)."""

    def get(self, request: HttpRequest) -> JsonResponse:
        return JsonResponse(public_key_set(settings.SIGNING_KEYS))
