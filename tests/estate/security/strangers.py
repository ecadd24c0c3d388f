"""What schemathesis learns of this estate: whose an object is, and which answers are not ours.

Schemathesis reads this file as its hooks, in a process of its own, and calls the check after each
answer. `FRONT_DESK` says where it gets a token of Bo, who never made what is looked at, and
`ATTEMPTS` into which file it writes a line for each thing that Bo has tried.
"""

import os
import re
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from uuid import UUID

import jwt
import requests
import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response

REFUSED = {401, 403, 404}
MADE = {200, 201, 202, 409}  # an order that is rejected is an object too
METHODS = ("get", "put", "patch", "post", "delete")
BODY = {"name": "Mine", "lines": [{"sku": "TENT-2P", "quantity": 1}]}
DESK, ATTEMPTS = os.environ.get("FRONT_DESK"), os.environ.get("ATTEMPTS")  # a URL, a file
TOKEN_SECONDS = 300  # well below the life of a token

session = requests.Session()


class Stolen(AssertionError):
    """A stranger could read or change what somebody else had made."""


@schemathesis.hook
def filter_failure(
    context: HookContext, failure: Exception, case: Case[Any], response: Response
) -> bool:
    """Without the refusals of gunicorn, which reads no request line of more than 4,094 bytes."""
    return response.status_code != 414


@lru_cache(maxsize=1)
def token_of_bo(period: int) -> str:
    return str(session.post(f"{DESK}/bo", timeout=30).json()["token"])


@schemathesis.check
def object_of_another(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """What a person has just made, another can neither read, list, change nor delete."""
    made = made_by(case, response)
    if made is None or DESK is None or ATTEMPTS is None:
        return
    token = token_of_bo(int(time.time()) // TOKEN_SECONDS)
    for method, path, is_list in doors(case.operation.schema.raw_schema):
        answer = session.request(
            method,
            urljoin(str(response.request.url), path.replace("{}", made)),
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            json=None if method == "get" else BODY,
            timeout=30,
        )
        with Path(ATTEMPTS).open("a") as attempts:
            attempts.write(f"{method} {path} {answer.status_code}\n")
        shown = is_list and answer.ok and made in answer.text
        if shown or not (is_list or answer.status_code in REFUSED):
            raise Stolen(f"{method.upper()} {path} by another answered {answer.status_code}")


def made_by(case: Case[Any], response: Response) -> str | None:
    """The id of what this request of a person, or of a future one, has made."""
    if case.method != "POST" or response.status_code not in MADE or "{" in case.path:
        return None
    scheme, _, token = str(response.request.headers.get("Authorization", "")).partition(" ")
    if scheme and "sub" not in jwt.decode(token, options={"verify_signature": False}):
        return None
    try:
        return str(UUID(response.json()["id"]))
    except (ValueError, KeyError, TypeError):
        return None


def doors(schema: dict[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Method and path of each operation on one object, and of each list; `{}` is for the id."""
    for path, operations in schema["paths"].items():
        names = re.findall(r"{\w+}", path)
        for method in METHODS:
            is_list = not names and method == "get" and path.rstrip("/").endswith("s")
            if method in operations and (is_list or names in (["{id}"], ["{order_id}"])):
                yield method, re.sub(r"{\w+}", "{}", path), is_list
