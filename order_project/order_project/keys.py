"""Key sets (RFC 7517): making one, reading one, and the part of it that others may know."""

import secrets
from functools import lru_cache
from typing import Literal, NotRequired, TypedDict, TypeVar

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm


class PublicKey(TypedDict):
    """An RSA key that checks what its private half signed; `kid` is its name."""

    kty: Literal["RSA"]
    kid: str
    n: str
    e: str
    use: NotRequired[str]
    alg: NotRequired[str]


class PrivateKey(PublicKey):
    """An RSA key that signs."""

    d: str
    p: str
    q: str
    dp: str
    dq: str
    qi: str


class PublicKeySet(TypedDict):
    """What anyone may know."""

    keys: list[PublicKey]


class PrivateKeySet(TypedDict):
    """What the owner alone knows."""

    keys: list[PrivateKey]


AnyKeySet = TypeVar("AnyKeySet", PublicKeySet, PrivateKeySet)


def generate_key_set() -> PrivateKeySet:
    """A private key set with one new RSA key of 2048 bits."""
    key = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048), as_dict=True)
    key |= {"kid": secrets.token_hex(8), "use": "sig", "alg": "RS256"}
    return msgspec.convert({"keys": [key]}, PrivateKeySet)


def parse_key_set(text: str, shape: type[AnyKeySet]) -> AnyKeySet:
    """The key set in a JSON text, without what is not of its shape.

    Raises ValueError, which says what is wrong and repeats nothing that is secret.
    """
    key_set = msgspec.json.decode(text, type=shape)
    if not key_set["keys"]:
        raise ValueError("it has no keys")
    for key in key_set["keys"]:
        try:
            parse_key(**key)
        except Exception as error:  # of several libraries, and their words may quote the key
            raise ValueError(f"the numbers of key {key['kid']!r} make no RSA key") from error
    return key_set


def public_key_set(key_set: PrivateKeySet) -> PublicKeySet:
    """The same keys without their private members."""
    return msgspec.convert(key_set, PublicKeySet)


@lru_cache(maxsize=16)
def parse_key(**members: str) -> jwt.PyJWK:
    """The key with these members; kept, because checking a private one takes some 30 ms."""
    return jwt.PyJWK(members)
