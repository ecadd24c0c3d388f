"""Python runs this at the start of each process that has this folder on its PYTHONPATH.

It shifts the clock by the seconds that a file holds, whose name is in FREEHOLD_CLOCK, from the
moment that they are written there: `time.time`, `time.time_ns`, `datetime.now`, `utcnow`, `today`.
Not shifted are what C code reads by itself, such as SQLite's CURRENT_TIMESTAMP, `time.gmtime()`
without an argument, the clocks of servers and of files, and `time.monotonic`, as it should be.
"""

import ctypes
import datetime
import gc
import os
import time
from collections.abc import Callable
from typing import Any

LOOK_SECONDS = 0.05  # how often the file is read

real_time, real_time_ns, monotonic = time.time, time.time_ns, time.monotonic


class Shift:
    """The seconds in the file, as of a moment ago."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.seconds = 0.0
        self.looked_at = -LOOK_SECONDS

    def __call__(self) -> float:
        now = monotonic()
        if now - self.looked_at >= LOOK_SECONDS:
            self.looked_at = now
            try:
                with open(self.path) as file:  # noqa: PTH123  # nothing may be imported for it here
                    self.seconds = float(file.read() or 0)
            except (OSError, ValueError):  # it is about to be written
                pass
        return self.seconds


def replace(owner: type, **functions: Callable[..., Any]) -> None:
    """Replace class methods of a type that is written in C, so that it stays the same type."""
    (attributes,) = (each for each in gc.get_referents(owner.__dict__) if isinstance(each, dict))
    for name, function in functions.items():
        attributes[name] = classmethod(function)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(owner))


def arm(path: str) -> None:
    shift = Shift(path)

    def now(cls: Any, tz: datetime.tzinfo | None = None) -> Any:
        return cls.fromtimestamp(real_time() + shift(), tz)

    def utcnow(cls: Any) -> Any:
        return cls.fromtimestamp(real_time() + shift(), datetime.UTC).replace(tzinfo=None)

    def today(cls: Any) -> Any:
        return cls.fromtimestamp(real_time() + shift())

    time.time = lambda: real_time() + shift()
    time.time_ns = lambda: real_time_ns() + int(shift() * 1e9)
    replace(datetime.datetime, now=now, utcnow=utcnow, today=today)
    replace(datetime.date, today=today)


if path := os.environ.get("FREEHOLD_CLOCK"):
    arm(path)
