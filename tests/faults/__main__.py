"""`make faults`: every scenario, what it counted, and what a count of zero proves."""

import argparse
import json
import os
import secrets
import shutil
import sys
import time
import traceback
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Table
from tests.engines import ENGINES
from tests.estate.settings import RUN
from tests.estate.signals import end_by_signal
from tests.faults.run import CannotRunHere, Run, console
from tests.faults.scenarios import LONG_ONLY, LONG_SEEDS, SCENARIOS

FOLDER = RUN / "faults"
RESULTS = RUN / "faults.json"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one run of a scenario came to; `skipped` says why it could not run."""

    name: str
    seed: int
    counts: dict[str, int]
    failures: list[str]
    skipped: str
    seconds: float
    cpu_seconds: float  # of all processes that ended properly: what it costs an idle machine

    @property
    def word(self) -> str:
        if self.failures:
            return "[red]failed[/]"
        return "[yellow]skipped[/]" if self.skipped else "[green]passed[/]"

    @property
    def counted(self) -> str:
        return ", ".join(f"{number:,} {what}" for what, number in self.counts.items() if number)


def main() -> int:
    end_by_signal()
    asked = arguments()
    if asked.list:
        for name in SCENARIOS:
            console.print(f"{name}{'  (long)' if name in LONG_ONLY else ''}")
        return 0
    if unknown := set(asked.only or ()) - SCENARIOS.keys():
        console.print(f"no such scenario: {', '.join(sorted(unknown))}; --list names them")
        return 2
    required = set(filter(None, os.environ.get("REQUIRE_ENGINES", "").split(",")))
    if unknown := required - set(ENGINES):
        console.print(f"REQUIRE_ENGINES knows {', '.join(ENGINES)}; not {', '.join(unknown)}")
        return 2
    names = asked.only or [name for name in SCENARIOS if asked.long or name not in LONG_ONLY]
    usual = LONG_SEEDS if asked.long else {}
    console.print(f"seed {asked.seed}; the same faults again: SEED={asked.seed}")
    outcomes = []
    try:
        for name in names:
            seeds = asked.seeds or usual.get(name, 1)
            for seed in range(asked.seed, asked.seed + seeds):
                outcomes.append(play(name, seed, is_long=asked.long, required=required))
                RESULTS.write_text(json.dumps([asdict(each) for each in outcomes], indent=2))
    except KeyboardInterrupt:
        console.print("interrupted: everything that was started is stopped")
        return 130
    show(outcomes)
    failed = sum(1 for outcome in outcomes if outcome.failures)
    skipped = sum(1 for outcome in outcomes if outcome.skipped)
    passed = len(outcomes) - failed - skipped
    console.print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--long", action="store_true", help="all scenarios, each at full length")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="what to repeat")
    parser.add_argument("--seeds", type=int, help="how many of each scenario")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these scenarios")
    parser.add_argument("--list", action="store_true", help="name the scenarios")
    return parser.parse_args()


def play(name: str, seed: int, *, is_long: bool, required: set[str]) -> Outcome:
    """Run one scenario to its end; whatever it raises is a failure of this scenario alone."""
    folder = fresh(FOLDER / f"{name}-{seed}")
    run = Run(name=name, seed=seed, is_long=is_long, folder=folder)
    skipped = ""
    begun, used = time.monotonic(), cpu_seconds()
    try:
        SCENARIOS[name](run)
    except CannotRunHere as reason:
        skipped = str(reason)
        if reason.engine in required:
            run.failures.append(f"REQUIRE_ENGINES names {reason.engine}: {reason}")
    except Exception as error:  # the other scenarios have their own to say
        run.failures.append(f"{type(error).__name__}: {error}")
        console.print(traceback.format_exc(), markup=False, soft_wrap=True)
    outcome = Outcome(
        name=name,
        seed=seed,
        counts=dict(run.counts),
        failures=run.failures,
        skipped="" if run.failures else skipped,
        seconds=round(time.monotonic() - begun, 1),
        cpu_seconds=round(cpu_seconds() - used, 1),
    )
    told = f"{outcome.word} {name} {outcome.seconds:.0f} s [dim]{escape(outcome.counted)}[/]"
    console.print(told, escape(outcome.skipped), soft_wrap=True)
    if not outcome.failures:
        shutil.rmtree(folder, ignore_errors=True)
    return outcome


def cpu_seconds() -> float:
    """Of the processor, used by us and by all of ours that ended and were waited for."""
    return sum(os.times()[:4])


def fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def show(outcomes: list[Outcome]) -> None:
    table = Table(
        "scenario", "seed", "result", "counted", "what did not hold, or why not", "seconds", "CPU"
    )
    for outcome in outcomes:
        table.add_row(
            outcome.name,
            str(outcome.seed),
            outcome.word,
            outcome.counted,
            escape("\n".join(outcome.failures) or outcome.skipped),
            f"{outcome.seconds:.0f}",
            f"{outcome.cpu_seconds:.0f}",
        )
    console.print(table)
    clean: Counter[str] = Counter()
    for outcome in outcomes:
        if not outcome.failures:
            clean.update(outcome.counts)
    if kills := clean["kills"]:
        most = min(1.0, 3 / kills)
        console.print(
            f"{kills:,} kills without a loss, {clean['events']:,} events, "
            f"{clean['orders']:,} orders: at 95 % at most {most:.2%} of such kills lose "
            "anything (the rule of three)"
        )


if __name__ == "__main__":
    sys.exit(main())
