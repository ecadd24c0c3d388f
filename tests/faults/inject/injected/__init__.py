"""The part that runs inside a process of the estate: what its environment asks for is armed."""

import os

from .imports import refuse
from .points import CRASH_POINTS, CrashPoint
from .safeguards import SAFEGUARDS, Safeguard


def arm() -> None:
    """Arm the crash point of FREEHOLD_CRASH_AT, and remove the safeguards of FREEHOLD_WITHOUT."""
    if where := os.environ.get("FREEHOLD_CRASH_AT"):
        name, _, occasion = where.partition(":")
        point: CrashPoint | None = CRASH_POINTS.get(name)
        if point is None:
            refuse(f"there is no crash point {name!r}")
        point.arm(name, int(occasion or 1))
    for name in filter(None, os.environ.get("FREEHOLD_WITHOUT", "").split(",")):
        safeguard: Safeguard | None = SAFEGUARDS.get(name)
        if safeguard is None:
            refuse(f"there is no safeguard {name!r}")
        safeguard.remove()
