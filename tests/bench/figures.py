"""What a figure is: runs, the limit beside them, what it must reach, and who measures it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tests.bench.stage import Bench

RUNS = 5  # the fewest of which a median and a spread say something


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The middle of some runs, and the lowest and the highest of them."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, runs: Sequence[float]) -> "Spread":
        return cls(middle=median(runs), low=min(runs), high=max(runs))


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below or at which so many percent of all are (the nearest rank)."""
    ranked = sorted(values)
    rank = -int(-len(ranked) * percent // 100)  # rounded up
    return ranked[max(rank, 1) - 1]


@dataclass(frozen=True, kw_only=True)
class Must:
    """What the middle of the runs has to reach, or its ratio to the limit."""

    bound: float
    at: Literal["least", "most"]
    of: Literal["value", "limit"] = "value"

    def is_met_by(self, result: "Result") -> bool:
        found = result.value.middle if self.of == "value" else result.share
        if found is None:
            return False
        return found >= self.bound if self.at == "least" else found <= self.bound

    def __str__(self) -> str:
        sign = "≥" if self.at == "least" else "≤"
        return f"{sign} {amount(self.bound)}{'' if self.of == 'value' else ' of the limit'}"


@dataclass(frozen=True, kw_only=True)
class Result:
    """One figure on one deployment.

    `limit` has what bare tools did in the same minutes: a run of it beside each run of ours, or
    fewer. `note` says what else a reader should know.
    """

    figure: str
    what: str
    on: str
    unit: str
    runs: tuple[float, ...]
    limit: tuple[float, ...] = ()
    limit_is: str = ""
    must: tuple[Must, ...] = ()
    note: str = ""

    @property
    def value(self) -> Spread:
        return Spread.of(self.runs)

    @property
    def share(self) -> float | None:
        """Our value in terms of the limit: run by run where each has one beside it."""
        if not self.limit:
            return None
        if len(self.limit) == len(self.runs):
            return median(ours / bare for ours, bare in zip(self.runs, self.limit, strict=True))
        return self.value.middle / median(self.limit)

    @property
    def is_met(self) -> bool | None:
        """Whether all that it must reach is reached; None where nothing is asked of it."""
        return all(must.is_met_by(self) for must in self.must) if self.must else None


def amount(value: float) -> str:
    """A number as people write it: three digits that mean something."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A name for `--only`, and the function that measures."""

    name: str
    title: str
    measure: Callable[["Bench"], Iterable[Result]]


FIGURES: dict[str, Figure] = {}


def figure(
    name: str, title: str
) -> Callable[[Callable[["Bench"], Iterable[Result]]], Callable[["Bench"], Iterable[Result]]]:
    """Register what measures a figure, in the order of the table."""

    def register(
        measure: Callable[["Bench"], Iterable[Result]],
    ) -> Callable[["Bench"], Iterable[Result]]:
        FIGURES[name] = Figure(name=name, title=title, measure=measure)
        return measure

    return register
