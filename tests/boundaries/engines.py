"""Where the engines are that the walls are tried on, and what follows if one is not there."""

import os
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

import pytest

USUAL = {
    "POSTGRESQL_URL": "postgres://postgres@127.0.0.1:5432",
    "MYSQL_URL": "mysql://root@127.0.0.1:3306",
    "AMQP_URL": "amqp://guest:guest@127.0.0.1:5672/",
}


def engine_url(variable: str) -> SplitResult:
    """The server to use, with an administrator's name: from the environment, or the usual one."""
    return urlsplit(os.environ.get(variable) or USUAL[variable])


def give_up(engine: str, reason: object) -> NoReturn:
    """Skip, saying why the engine cannot be used; fail where REQUIRE_ENGINES wants it."""
    message = f"{engine} cannot be used: {reason}"
    if engine in os.environ.get("REQUIRE_ENGINES", "").split(","):
        pytest.fail(f"REQUIRE_ENGINES names it, but {message}")
    pytest.skip(message)
