"""The public keys of those whose tokens are accepted (RFC 7517)."""

from functools import lru_cache
from typing import Literal, TypedDict

import jwt
import msgspec


class PublicKey(TypedDict):
    """An RSA key, named `kid`, that checks what its private half signed."""

    kty: Literal["RSA"]
    kid: str
    n: str
    e: str


class KeySet(TypedDict):
    keys: list[PublicKey]


def parse_key_set(text: str) -> KeySet:
    """The keys in a JSON text, without anything private; raises ValueError where one is no key."""
    key_set = msgspec.json.decode(text, type=KeySet)
    for key in key_set["keys"]:
        try:
            parse_key(**key)
        except (jwt.PyJWTError, ValueError) as error:
            raise ValueError(f"the numbers of key {key['kid']!r} make no RSA key") from error
    return key_set


@lru_cache(maxsize=16)
def parse_key(**members: str) -> jwt.PyJWK:
    return jwt.PyJWK(members, algorithm="RS256")
