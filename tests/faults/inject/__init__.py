"""Making a process of the estate die at a named point, or live without one of its safeguards.

Product code has no hooks for this. A process that gets `environment(...)` has this folder on its
PYTHONPATH, where Python runs `sitecustomize.py` before anything else: it patches modules of the
product right after their import. What is to be patched and is not there ends the process at once,
so that nobody who changes the product can disarm a fault without noticing.
"""

import os
from collections.abc import Collection
from pathlib import Path

from tests.faults.inject.injected.points import CRASH_POINTS, CrashPoint
from tests.faults.inject.injected.safeguards import SAFEGUARDS, Safeguard

__all__ = [
    "CRASH_POINTS",
    "SAFEGUARDS",
    "CrashPoint",
    "Safeguard",
    "crashes",
    "environment",
    "inherited",
]

FOLDER = Path(__file__).parent


def environment(
    *,
    crash_at: str | None = None,
    occasion: int = 1,
    whole: bool = False,
    notes: Path | None = None,
    without: Collection[str] = (),
) -> dict[str, str]:
    """What to add to the environment of a process; raises KeyError for a name that is none.

    The process SIGKILLs itself when `crash_at` is reached for the `occasion`th time, and then no
    more; `whole` takes its parent and siblings along, as a machine that loses its power does.
    Occasions are counted in the file `notes`, which all processes of a service share, or else by
    each process for itself, so that one which is started anew dies anew.
    """
    given = {"PYTHONPATH": str(FOLDER)}
    if crash_at is not None:
        CRASH_POINTS[crash_at]
        given["FREEHOLD_CRASH_AT"] = f"{crash_at}:{occasion}"
        if whole:
            given["FREEHOLD_CRASH_WHOLE"] = "1"
        if notes is not None:
            given["FREEHOLD_CRASH_NOTES"] = str(notes)
    for name in without:
        SAFEGUARDS[name]
    if without:
        given["FREEHOLD_WITHOUT"] = ",".join(without)
    return given


def inherited(service: str) -> dict[str, str]:
    """What a service has to do without because the harness was told so, by FREEHOLD_WITHOUT.

    `FREEHOLD_WITHOUT=version-guard make faults ONLY=messages-embedded` shows what the guard is for.
    """
    names = [name for name in os.environ.get("FREEHOLD_WITHOUT", "").split(",") if name]
    own = [name for name in names if SAFEGUARDS[name].project == service]
    return environment(without=own) if own else {}


def crashes(notes: Path) -> int:
    """How many processes have died at a crash point, by their own notes."""
    return notes.read_text().count("dies") if notes.exists() else 0
