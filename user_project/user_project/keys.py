"""Key sets (RFC 7517): making one, and the part of it that others may know."""

import secrets
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

KeySet = dict[str, list[dict[str, Any]]]


def generate_key_set() -> KeySet:
    """A private key set with one new RSA key of 2048 bits."""
    key = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048), as_dict=True)
    return {"keys": [key | {"kid": secrets.token_hex(8), "use": "sig", "alg": "RS256"}]}


def public_key_set(key_set: KeySet) -> KeySet:
    """The same keys without their private members."""
    members = ("kty", "n", "e", "kid", "use", "alg")
    return {"keys": [{name: key[name] for name in members} for key in key_set["keys"]]}
