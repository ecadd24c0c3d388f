"""One run of a scenario: its seed, what it counted, and which promises did not hold."""

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from rich.console import Console
from tests.estate.estate import Estate
from tests.estate.settings import Engines

# A log has no width of its own: wide enough for what a promise says.
console = Console(highlight=False, width=None if os.isatty(1) else 150)


class NotInTime(Exception):
    """What was waited for did not come within its time."""


class CannotRunHere(Exception):
    """Something that a scenario needs is not here; `engine` names it where it is an engine.

    The scenario is skipped, or fails where REQUIRE_ENGINES names that engine.
    """

    def __init__(self, why: str, *, engine: str = "") -> None:
        super().__init__(why)
        self.engine = engine


@dataclass(kw_only=True)
class Run:
    """What a scenario is handed: the same seed and name give the same `random`, so the same faults.

    `folder` is empty and the scenario's own; it is kept where a promise did not hold.
    """

    name: str
    seed: int
    is_long: bool
    folder: Path
    random: Random = field(init=False)
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(f"{self.seed} {self.name}")  # noqa: S311  # it draws faults

    def say(self, text: str) -> None:
        console.print(f"[dim]{self.name}:[/] ", end="")
        console.print(text, markup=False, soft_wrap=True)

    def count(self, what: str, by: int = 1) -> None:
        """Add to what the table shows in the end: "events", "kills", "orders", "messages", ..."""
        self.counts[what] += by

    def expect(self, holds: bool, promise: str) -> None:
        """Note a promise that does not hold, and go on."""
        if not holds:
            self.failures.append(promise)
            console.print(f"[red]{self.name}: not so:[/] ", end="")
            console.print(promise, markup=False, soft_wrap=True)

    def estate(self, engines: Engines) -> Estate:
        """The four services with their workers, in this run's folder; the caller starts them."""
        return Estate(self.folder / "estate", engines)


Scenario = Callable[[Run], None]


def wait_until(condition: Callable[[], bool], what: str, seconds: float) -> float:
    """Return the seconds that it took; NotInTime names what did not come."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > seconds:
            raise NotInTime(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.05)
    return time.monotonic() - begun
