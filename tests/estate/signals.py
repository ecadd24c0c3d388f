"""Whoever ends a run by a signal ends all that it started."""

import signal
from typing import NoReturn

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def end_by_signal() -> None:
    """Let the first signal raise KeyboardInterrupt, and no other disturb what then cleans up."""
    for number in ENDING:
        signal.signal(number, interrupt)


def interrupt(number: int, frame: object) -> NoReturn:
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
