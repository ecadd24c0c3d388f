"""Who is calling: people with this service's own tokens, and order_project with its own."""

from dataclasses import dataclass
from typing import Any, Self, cast

import jwt
from django.conf import settings
from django.utils.crypto import constant_time_compare
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from user_project.keys import PublicKeySet, parse_key, public_key_set

SERVICE_TOKEN_SECONDS = 60  # the longest life that a service may give a token of its own
CLOCK_SKEW_SECONDS = 5  # how far two honest machines' clocks may be apart


def key_named_by(token: bytes, key_set: PublicKeySet) -> jwt.PyJWK:
    """The key that the token names by `kid` in its header; refuses a token that names none here."""
    kid = jwt.get_unverified_header(token).get("kid")
    for key in key_set["keys"]:
        if key["kid"] == kid:
            return parse_key(**key)
    raise jwt.InvalidKeyError(f"no key {kid!r} is known")


class KeySetBackend(TokenBackend):
    """Signs with the first key and checks with the one a token names, so that keys can rotate."""

    def encode(self, payload: dict[str, Any]) -> str:
        key = settings.SIGNING_KEYS["keys"][0]
        claims = payload | {"iss": self.issuer}
        return jwt.encode(claims, parse_key(**key).key, "RS256", headers={"kid": key["kid"]})

    def get_verifying_key(self, token: Any) -> Any:
        try:
            return key_named_by(token, public_key_set(settings.SIGNING_KEYS)).key
        except jwt.PyJWTError as error:
            raise TokenBackendError("Token is invalid") from error


class PersonToken(AccessToken):
    """Lets a person into every service; says who they are and whether they are staff, no more."""

    _token_backend = KeySetBackend("RS256", issuer="user")

    @classmethod
    def for_user(cls, user: Any) -> Self:
        token: Self = super().for_user(user)
        token["is_staff"] = user.is_staff
        return token


class PersonRefreshToken(RefreshToken):
    """Gets a person new access tokens, until their password changes."""

    _token_backend = PersonToken._token_backend
    access_token_class = PersonToken

    @classmethod
    def for_user(cls, user: Any) -> Self:
        token = cast(Self, super().for_user(user))
        token["password"] = user.get_session_auth_hash()  # keyed: it tells nothing of the password
        return token

    def was_given_to(self, user: Any) -> bool:
        """Whether the user still has the password with which this was asked for."""
        known = str(self.payload.get("password", ""))
        return constant_time_compare(known, user.get_session_auth_hash())


@dataclass(frozen=True)
class Service:
    """A caller that is a service, not a person."""

    name: str
    is_authenticated = True
    is_active = True
    is_staff = False


class ServiceAuthentication(BaseAuthentication):
    """Accepts a short-lived token that order_project signed with its own key for this service."""

    def authenticate(self, request: Request) -> tuple[Service, dict[str, Any]] | None:
        scheme, _, token = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        try:
            claims = jwt.decode(
                token,
                key_named_by(token, cast(PublicKeySet, settings.ORDER_PUBLIC_KEYS)),
                algorithms=["RS256"],
                issuer="order",
                audience="user",
                leeway=CLOCK_SKEW_SECONDS,
                options={"require": ["exp", "iat"]},
            )
        except jwt.PyJWTError as error:
            raise AuthenticationFailed(
                f"The service token is refused: {error}; sign a fresh one for 'user'."
            ) from error
        if int(claims["exp"]) - int(claims["iat"]) > SERVICE_TOKEN_SECONDS:
            raise AuthenticationFailed(
                f"The service token is refused: it lives longer than {SERVICE_TOKEN_SECONDS} s."
            )
        return Service(claims["iss"]), claims

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="service"'


class ServiceScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes ServiceAuthentication in the OpenAPI document."""

    target_class = ServiceAuthentication
    name = "serviceToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class IsService(BasePermission):
    """Lets only services in."""

    message = "Only a service may call this, with its own token."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, Service)
