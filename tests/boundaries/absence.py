"""What follows if an engine is not there, on which the walls would be tried."""

import os
from typing import NoReturn

import pytest


def give_up(engine: str, reason: object) -> NoReturn:
    """Skip, saying why the engine cannot be used; fail where REQUIRE_ENGINES wants it."""
    message = f"{engine} cannot be used: {reason}"
    if engine in os.environ.get("REQUIRE_ENGINES", "").split(","):
        pytest.fail(f"REQUIRE_ENGINES names it, but {message}")
    pytest.skip(message)
