"""A figure's arithmetic: what the middle, the share of the limit and the verdict are."""

import pytest
from tests.bench.figures import Must, Result, Spread, amount, percentile


def result(*runs: float, limit: tuple[float, ...] = (), must: tuple[Must, ...] = ()) -> Result:
    return Result(
        figure="relay",
        what="relay",
        on="SQLite",
        unit="events/s",
        runs=runs,
        limit=limit,
        must=must,
    )


class TestASpread:
    def test_is_the_median_between_the_ends(self):
        spread = Spread.of([5, 1, 4, 2, 30])

        assert (spread.low, spread.middle, spread.high) == (1, 4, 30)


class TestAPercentile:
    @pytest.mark.parametrize(("percent", "expected"), [(50, 50), (99, 99), (100, 100), (1, 1)])
    def test_is_the_nearest_rank(self, percent: float, expected: float):
        assert percentile([float(each) for each in range(100, 0, -1)], percent) == expected

    def test_of_few_values_is_one_of_them(self):
        assert percentile([3.0, 1.0, 2.0], 99) == 3.0


class TestTheShareOfTheLimit:
    def test_compares_each_run_with_the_one_beside_it(self):
        assert result(10, 20, 90, limit=(100, 100, 100)).share == 0.2

    def test_compares_the_middles_where_the_limit_has_fewer_runs(self):
        assert result(10, 20, 90, limit=(40,)).share == 0.5

    def test_is_unknown_without_a_limit(self):
        assert result(10).share is None


class TestAVerdict:
    @pytest.mark.parametrize(
        ("bound", "at", "expected"),
        [(20, "least", True), (21, "least", False), (20, "most", True), (19, "most", False)],
    )
    def test_is_about_the_median(self, bound, at, expected):
        assert result(10, 20, 90, must=(Must(bound=bound, at=at),)).is_met is expected

    def test_may_be_about_the_share(self):
        must = (Must(bound=0.7, at="least", of="limit"),)

        assert result(7, limit=(10,), must=must).is_met is True
        assert result(6, limit=(10,), must=must).is_met is False

    def test_is_missed_where_the_limit_was_not_measured(self):
        assert result(7, must=(Must(bound=0.7, at="least", of="limit"),)).is_met is False

    def test_is_not_spoken_where_nothing_is_asked(self):
        assert result(7).is_met is None


class TestAnAmount:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [(20_000.0, "20,000"), (0.1234, "0.123"), (1234.56, "1,235"), (0.0, "0")],
    )
    def test_is_written_as_people_do(self, value, expected):
        assert amount(value) == expected
