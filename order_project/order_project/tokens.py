"""Who is calling: people with user_project's tokens."""

from typing import Any

import jwt
from django.conf import settings
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError
from rest_framework_simplejwt.tokens import AccessToken

from order_project.keys import PublicKeySet, parse_key

CLOCK_SKEW_SECONDS = 5  # by which the clocks of two honest machines may differ


def key_named_by(token: bytes, key_set: PublicKeySet) -> jwt.PyJWK:
    """The key that the token names by `kid` in its header; refuses a token that names none here."""
    kid = jwt.get_unverified_header(token).get("kid")
    for key in key_set["keys"]:
        if key["kid"] == kid:
            return parse_key(**key)
    raise jwt.InvalidTokenError(f"no key {kid!r} is known")


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
