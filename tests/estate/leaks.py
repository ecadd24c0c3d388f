"""Whether logs give away what nobody may learn from them: passwords, tokens, keys."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.estate.estate import Estate
from tests.estate.settings import SERVICES

# What is secret by its shape, whoever made it.
SHAPES = {
    "a token": r"\beyJ[\w-]{6,}\.eyJ[\w-]{6,}",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|['\"](?:d|p|q|dp|dq|qi)['\"]\s*:\s*['\"][\w-]{20,}",
    "a password's hash": r"\b(?:pbkdf2_sha256|scrypt|argon2|bcrypt_sha256)\$\S{20,}",
    # As user:password@host; drivers that mean well write asterisks for it.
    "a URL's password": r"\b[a-z][a-z0-9+.-]*://[^\s:/@'\"]*:(?!\*+@)[^\s/@'\"]+@",
    "a password": r"['\"](?i:password)\d?['\"]\s*:\s*['\"](?!\*+['\"])[^'\"]",
}
SHORTEST = 8  # characters; a shorter secret, such as `guest`, is found by its shape or not at all
BEGINNING = 24  # characters of a key's number that are enough to have it: nothing else has them


def secrets_of(estate: Estate) -> dict[str, str]:
    """Everything secret that the estate's processes are told, each with what it is."""
    known = {}
    for service in SERVICES:
        known[estate.staff(service).password] = f"the password of {service}'s staff"
        for name, value in estate.environment(service).items():
            if name == "SECRET_KEY":
                known[value] = f"{service}'s {name}"
            elif name == "SIGNING_KEYS":
                for number in private_numbers(value):
                    known[number] = f"{service}'s {name}"
            elif "://" in value and (password := urlsplit(value).password):
                known[password] = known[unquote(password)] = f"the password in {service}'s {name}"
    return known


def private_numbers(key_set: str) -> Iterator[str]:
    """The beginning of each private number of each key (RFC 7518, 6.3.2)."""
    for key in json.loads(key_set)["keys"]:
        for name in ("d", "p", "q", "dp", "dq", "qi"):
            yield key[name][:BEGINNING]


def secrets_in(
    logs: Iterable[Path], estate: Estate | None = None, *, passwords: Iterable[str] = ()
) -> list[str]:
    """Each line of the logs that has a secret in it, as `order-web.log:7 shows a token`.

    Looks for what is secret by its shape, for what this estate's processes are told, and for the
    passwords that people were given. None of it is repeated here: a report is read by many.
    """
    known = (secrets_of(estate) if estate else {}) | dict.fromkeys(passwords, "a person's password")
    known = {secret: what for secret, what in known.items() if len(secret) >= SHORTEST}
    words = "|".join(map(re.escape, sorted(known, key=len, reverse=True)))
    # One group for each shape, and one for all that is known word by word.
    kinds = [*SHAPES, None] if known else [*SHAPES]
    patterns = [*SHAPES.values(), words] if known else [*SHAPES.values()]
    search = re.compile("|".join(f"(?:{pattern})()" for pattern in patterns)).finditer
    found = []
    for log in logs:
        with log.open(errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                for match in search(line):
                    what = kinds[(match.lastindex or 1) - 1] or known[match[0]]
                    found.append(f"{log.name}:{number} shows {what}")
    return list(dict.fromkeys(found))
