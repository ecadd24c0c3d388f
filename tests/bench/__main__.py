"""`make bench`: measure the figures, print them beside their limits, keep and draw them.

It reports and judges, and ends with 0 even where a target is missed: a test must not depend on a
machine. Engines are found as `make test` finds them (tests/engines.py).
"""

import argparse
import os
import sys
import time
from contextlib import ExitStack

from rich.console import Console
from tests.bench import plots, report
from tests.bench.figures import FIGURES, Result
from tests.bench.stage import Bench
from tests.bench.versions import versions
from tests.estate.signals import end_by_signal

# A module a topic; to import one registers its figures, in the order of the table.
from tests.bench import events, freshness, writes, orders, stock, copy, processes  # isort: skip

TOPICS = (events, freshness, writes, orders, stock, copy, processes)

console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)


def main() -> int:
    end_by_signal()
    asked = arguments()
    if asked.list:
        for known in FIGURES.values():
            console.print(f"{known.name:12} {known.title}")
        return 0
    begun = time.monotonic()
    busy = report.busy()
    if busy > plots.BUSY_PERCENT:
        console.print(f"[yellow]something else keeps this machine {busy} % busy[/]: trust ratios")
    results: list[Result] = []
    report.RESULTS.mkdir(exist_ok=True)
    with ExitStack() as stack:
        bench = Bench(quick=asked.quick, stack=stack, console=console)
        engines = versions(bench.absent)
        for name in asked.only or FIGURES:
            bench.say(f"[bold]{name}[/]: {FIGURES[name].title}")
            fresh = list(FIGURES[name].measure(bench))
            report.write(
                fresh,
                busy=busy,
                order=list(FIGURES),
                engines=engines,
                quick=asked.quick,
                path=report.LATEST,
            )
            results += fresh
    plots.draw(*report.read(report.LATEST), folder=report.RESULTS)
    console.print(report.table(results))
    for result in results:
        if result.note:
            console.print(f"[dim]{result.what}, {result.on}: {result.note}[/]", soft_wrap=True)
    missed = sum(result.is_met is False for result in results)
    met = sum(result.is_met is True for result in results)
    console.print(f"{met} targets met, {missed} not met, in {time.monotonic() - begun:.0f} s")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=FIGURES, metavar="NAME", help="measure this one alone"
    )
    parser.add_argument("--list", action="store_true", help="name the figures, and end")
    parser.add_argument(
        "--quick",
        action="store_true",
        default=os.environ.get("QUICK", "") not in ("", "0"),
        help="smaller amounts, in under three minutes; QUICK=1 says the same",
    )
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        console.print("interrupted: everything that was started is stopped")
        sys.exit(130)
