"""Who is calling: people with user_project's tokens, and order_project with its own."""

from dataclasses import dataclass
from typing import Any

import jwt
from django.conf import settings
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError
from rest_framework_simplejwt.tokens import AccessToken

from inventory_project.keys import KeySet, parse_key

SERVICE_TOKEN_SECONDS = 60  # the longest life that a service may give a token of its own
CLOCK_SKEW_SECONDS = 5  # by which the clocks of two honest machines may differ
CALLER = "order"  # the one service that may call this one


def key_named_by(token: bytes, key_set: KeySet) -> jwt.PyJWK:
    """The key that the token names by `kid` in its header; refuses a token that names none here."""
    kid = jwt.get_unverified_header(token).get("kid")
    for key in key_set["keys"]:
        if key["kid"] == kid:
            return parse_key(**key)
    raise jwt.InvalidTokenError(f"no key {kid!r} is known")


def issuer_of(token: bytes) -> object:
    """Who the token says has made it, unchecked: good for choosing who checks it, no more."""
    try:
        return jwt.decode(token, options={"verify_signature": False}).get("iss")
    except jwt.InvalidTokenError:
        return None


class KeySetBackend(TokenBackend):
    """Checks a token with the public key of user_project that it names, so that keys can rotate."""

    def get_verifying_key(self, token: Any) -> Any:
        try:
            return key_named_by(token, settings.USER_PUBLIC_KEYS).key
        except jwt.InvalidTokenError as error:
            raise TokenBackendError("Token is invalid") from error


class PersonToken(AccessToken):
    """A person's token, made by user_project and checked here without calling it."""

    _token_backend = KeySetBackend("RS256", issuer="user", leeway=CLOCK_SKEW_SECONDS)


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
        if scheme.lower() != b"bearer" or issuer_of(token) != CALLER:
            return None
        try:
            claims = jwt.decode(
                token,
                key_named_by(token, settings.ORDER_PUBLIC_KEYS),
                algorithms=["RS256"],
                issuer=CALLER,
                audience="inventory",
                leeway=CLOCK_SKEW_SECONDS,
                options={"require": ["exp", "iat"]},
            )
        except jwt.InvalidTokenError as error:
            raise AuthenticationFailed(
                f"The service token is refused: {error}; sign a fresh one for 'inventory'."
            ) from error
        if claims["exp"] - claims["iat"] > SERVICE_TOKEN_SECONDS:
            raise AuthenticationFailed(
                f"The service token is refused: it lives longer than {SERVICE_TOKEN_SECONDS} s."
            )
        return Service(CALLER), claims

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="service"'


class IsService(BasePermission):
    """Lets only services in."""

    message = "Only a service may call this, with its own token."

    def has_permission(self, request: Request, view: object) -> bool:
        return isinstance(request.user, Service)
