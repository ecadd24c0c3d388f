"""Tokens as attackers make them."""

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from user_project.keys import PrivateKey, parse_key


def signed(claims: dict[str, Any], key: PrivateKey, **header: str) -> str:
    """An honest signature; `header` and `claims` need not be."""
    named = {"kid": key["kid"]} | header
    return jwt.encode(claims, parse_key(**key).key, "RS256", headers=named)


def unsigned(claims: dict[str, Any], key: PrivateKey) -> str:
    """A token that says it needs no signature."""
    return f"{_signing_input(claims, key, 'none')}."


def signed_with_the_public_key(claims: dict[str, Any], key: PrivateKey) -> str:
    """A token that takes the public key, which everybody knows, for a shared secret."""
    public = parse_key(**key).key.public_key()
    secret = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    content = _signing_input(claims, key, "HS256")
    return f"{content}.{_base64(hmac.digest(secret, content.encode(), hashlib.sha256))}"


def _signing_input(claims: dict[str, Any], key: PrivateKey, algorithm: str) -> str:
    header = {"alg": algorithm, "typ": "JWT", "kid": key["kid"]}
    return ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
