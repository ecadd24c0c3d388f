"""What is kept of the runs: a later one replaces its own figures and no others."""

import json
from pathlib import Path
from typing import Any

from tests.bench import report
from tests.bench.figures import Must, Result


def result(figure: str, *runs: float) -> Result:
    return Result(
        figure=figure,
        what=figure,
        on="SQLite",
        unit="events/s",
        runs=runs,
        limit=(100.0,),
        must=(Must(bound=0.5, at="least", of="limit"),),
    )


ORDER = ("relay", "worker")


def write(folder: Path, *results: Result, quick: bool = False) -> None:
    path = folder / "latest.json"
    report.write(results, busy=3, order=ORDER, engines={}, quick=quick, path=path)


def read(folder: Path) -> Any:
    return json.loads((folder / "latest.json").read_text())["results"]


class TestTheLatestResults:
    def test_come_back_as_they_were(self, tmp_path: Path):
        write(tmp_path, result("relay", 60, 70))

        (told,) = read(tmp_path)
        assert report.from_json(told) == result("relay", 60, 70)
        assert (told["median"], told["of_limit"], told["is_met"]) == (65, 0.65, True)

    def test_keep_what_was_not_measured_anew(self, tmp_path: Path):
        write(tmp_path, result("relay", 1), result("worker", 2))

        write(tmp_path, result("worker", 3), quick=True)

        told = [(each["figure"], each["median"], each["quick"]) for each in read(tmp_path)]
        assert told == [("relay", 1, False), ("worker", 3, True)]

    def test_forget_a_figure_that_is_no_more(self, tmp_path: Path):
        write(tmp_path, result("abacus", 1))

        write(tmp_path, result("relay", 2))

        assert [each["figure"] for each in read(tmp_path)] == ["relay"]


class TestTheProcessor:
    def test_is_told_by_its_model_alone(self, tmp_path: Path):
        told = tmp_path / "cpuinfo"
        told.write_text("processor\t: 0\nmodel name\t: Some CPU\nflags\t: a b\n")

        assert report.processor(told) == "Some CPU"
