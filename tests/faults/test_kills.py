"""The schedule of kills: the same for the same seed, and nobody is spared for long."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.faults.deployment import KINDS
from tests.faults.kills import KILLS, TARGETS, Kill, points_of, schedule
from tests.faults.run import Run


def planned(kind: str, seed: int) -> list[Kill]:
    return schedule(Run(name=kind, seed=seed, is_long=False, folder=Path()), kind)


def number(kills: Iterable[Kill]) -> int:
    """Who kills itself at a crash point was killed before, to be started as one that does."""
    return sum(2 if kill.crash_point else 1 for kill in kills)


@pytest.mark.parametrize("kind", KINDS)
class TestTheSchedule:
    def test_is_the_same_for_the_same_seed(self, kind: str) -> None:
        assert planned(kind, 7) == planned(kind, 7) != planned(kind, 8)

    def test_kills_each_target(self, kind: str) -> None:
        assert {kill.target for kill in planned(kind, 7)} >= set(TARGETS[kind])

    def test_kills_at_each_crash_point_within_two_seeds(self, kind: str) -> None:
        reached = {kill.crash_point for seed in (7, 8) for kill in planned(kind, seed)}

        assert reached - {""} == set(points_of(kind))

    def test_kills_as_often_as_it_says(self, kind: str) -> None:
        assert number(planned(kind, 7)) >= KILLS


class TestTheShortRun:
    @pytest.mark.parametrize("seed", range(10))
    def test_kills_sixty_times(self, seed: int) -> None:
        assert sum(number(planned(kind, seed)) for kind in ("embedded", "postgresql")) >= 60

    def test_comes_by_each_crash_point_on_one_engine_or_the_other(self) -> None:
        on = {kind: set(points_of(kind)) for kind in ("embedded", "postgresql")}
        both = on["embedded"] & on["postgresql"]

        for seed in (7, 8):
            assert {kill.crash_point for kind in on for kill in planned(kind, seed)} >= both
