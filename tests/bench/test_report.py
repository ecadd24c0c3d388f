"""What is kept of the runs: a later one replaces its own figures and no others."""

import json
from pathlib import Path

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


class TestTheLatestResults:
    def test_come_back_as_they_were(self, tmp_path: Path):
        path = tmp_path / "latest.json"

        report.write([result("relay", 60, 70)], order=ORDER, engines={}, quick=False, path=path)

        (told,) = json.loads(path.read_text())["results"]
        assert report.from_json(told) == result("relay", 60, 70)
        assert (told["median"], told["of_limit"], told["is_met"]) == (65, 0.65, True)

    def test_keep_what_was_not_measured_anew(self, tmp_path: Path):
        path = tmp_path / "latest.json"
        report.write(
            [result("relay", 1), result("worker", 2)],
            order=ORDER,
            engines={},
            quick=False,
            path=path,
        )

        report.write([result("worker", 3)], order=ORDER, engines={}, quick=True, path=path)

        told = {each["figure"]: each for each in json.loads(path.read_text())["results"]}
        assert {name: each["median"] for name, each in told.items()} == {"relay": 1, "worker": 3}
        assert (told["relay"]["quick"], told["worker"]["quick"]) == (False, True)


class TestTheProcessor:
    def test_is_told_by_its_model_alone(self, tmp_path: Path):
        told = tmp_path / "cpuinfo"
        told.write_text("processor\t: 0\nmodel name\t: Some CPU\nflags\t: a b\n")

        assert report.processor(told) == "Some CPU"
