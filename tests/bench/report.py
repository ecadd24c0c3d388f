"""Tells results: to people as a table, to programs as JSON."""

import json
import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from rich.table import Table
from tests.bench.figures import Must, Result, amount

RESULTS = Path(__file__).parent / "results"
LATEST = RESULTS / "latest.json"
VERDICTS = {True: "[green]met[/]", False: "[red]not met[/]", None: ""}


def machine() -> dict[str, Any]:
    """What the figures depend on and may be told: no name, no path, no address."""
    return {
        "cores": os.cpu_count(),
        "cpu": processor(Path("/proc/cpuinfo")),
        "python": platform.python_version(),
    }


def busy() -> int:
    """How many percent of the machine something else keeps busy, before we begin."""
    return round(psutil.cpu_percent(interval=1))


def processor(cpuinfo: Path) -> str:
    """The processor's model, where Linux tells it."""
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def as_json(result: Result, *, at: str, busy: int, quick: bool) -> dict[str, Any]:
    value, share = result.value, result.share
    told: dict[str, Any] = {
        "figure": result.figure,
        "what": result.what,
        "on": result.on,
        "unit": result.unit,
        "median": rounded(value.middle),
        "low": rounded(value.low),
        "high": rounded(value.high),
        "runs": [rounded(run) for run in result.runs],
        "limit": [rounded(run) for run in result.limit],
        "limit_is": result.limit_is,
        "of_limit": None if share is None else rounded(share),
        "must": [{"bound": must.bound, "at": must.at, "of": must.of} for must in result.must],
        "is_met": result.is_met,
        "note": result.note,
        "measured_at": at,
        "busy_before": busy,
        "quick": quick,
    }
    return told


def rounded(value: float) -> float:
    """To four digits that mean something."""
    return float(f"{value:.4g}")


def from_json(told: dict[str, Any]) -> Result:
    return Result(
        figure=told["figure"],
        what=told["what"],
        on=told["on"],
        unit=told["unit"],
        runs=tuple(told["runs"]),
        limit=tuple(told["limit"]),
        limit_is=told["limit_is"],
        must=tuple(Must(**must) for must in told["must"]),
        note=told["note"],
    )


def merge(
    before: Iterable[dict[str, Any]], fresh: Sequence[dict[str, Any]], order: Sequence[str]
) -> list[dict[str, Any]]:
    """The results of earlier runs, but for figures measured anew; figures that are no more go."""
    anew = {told["figure"] for told in fresh}
    both = [*(told for told in before if told["figure"] not in anew), *fresh]
    known = [told for told in both if told["figure"] in order]
    return sorted(known, key=lambda told: order.index(told["figure"]))


def write(
    results: Iterable[Result],
    *,
    busy: int,
    order: Sequence[str],
    engines: dict[str, str],
    quick: bool,
    path: Path,
) -> None:
    """Bring the file up to these results; what was not measured now stays."""
    known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ")
    fresh = [as_json(result, at=at, busy=busy, quick=quick) for result in results]
    told = {
        "machine": machine(),
        "engines": known.get("engines", {}) | engines,
        "results": merge(known.get("results", []), fresh, order),
    }
    path.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n")


def read(path: Path) -> tuple[list[Result], int]:
    """All that the file knows, and how busy the machine was with something else, at most."""
    known = json.loads(path.read_text())["results"]
    return [from_json(told) for told in known], max(told["busy_before"] for told in known)


def table(results: Iterable[Result]) -> Table:
    shown = Table("figure", "on", "median", "low - high", "limit", "of limit", "must", "verdict")
    for result in results:
        value, share = result.value, result.share
        limit = sorted(result.limit)[len(result.limit) // 2] if result.limit else None
        shown.add_row(
            result.what,
            result.on,
            f"{amount(value.middle)} {result.unit}",
            f"{amount(value.low)} - {amount(value.high)}",
            "" if limit is None else amount(limit),
            "" if share is None else f"{share:.2f}",
            "\n".join(map(str, result.must)),
            VERDICTS[result.is_met],
        )
    return shown
