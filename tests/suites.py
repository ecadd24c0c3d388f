"""`make test`: every suite in its own project's environment, on each engine that is reachable.

POSTGRESQL_URL names the server to use, postgres://postgres@127.0.0.1:5432/ where it is not set.
REQUIRE_ENGINES=postgresql makes its absence a failure.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console
from rich.table import Table
from tests.estate.settings import ROOT, SERVICES

RESULTS = ROOT / ".run" / "suites"
AT_ONCE = 2  # suites that run side by side; each keeps about one core busy
KNOWN_ENGINES = ("postgresql",)

console = Console(highlight=False)


@dataclass(frozen=True, kw_only=True)
class Suite:
    """One pytest run: a folder of tests, the interpreter it runs under, and the engine it is on."""

    name: str
    engine: str
    folder: Path
    python: Path
    tests: str = "."
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one suite's pytest counted; `why` says why tests were skipped, each reason once."""

    suite: Suite
    passed: int
    failed: int
    skipped: int
    why: tuple[str, ...]
    seconds: float


def own_suite(name: str) -> Suite:
    """A suite of tests/, under the environment that runs the estate."""
    return Suite(
        name=name,
        engine="embedded" if name == "estate" else "",
        folder=ROOT,
        python=ROOT / ".venv/bin/python",
        tests=f"tests/{name}",
    )


def project_suite(service: str, engine: str, **environment: str) -> Suite:
    """A project's suite, under its own environment."""
    project = ROOT / f"{service}_project"
    return Suite(
        name=project.name,
        engine=engine,
        folder=project,
        python=project / ".venv/bin/python",
        environment=environment,
    )


def engine_url(engine: str) -> str:
    usual = {"postgresql": "postgres://postgres@127.0.0.1:5432/"}
    return os.environ.get(f"{engine.upper()}_URL", usual[engine]).rstrip("/")


def why_unreachable(engine: str) -> str | None:
    """None if a session can be opened, or else the driver's reason."""
    script = "import psycopg, sys; psycopg.connect(sys.argv[1], connect_timeout=2)"
    python = ROOT / "user_project/.venv/bin/python"
    tried = subprocess.run(
        [python, "-c", script, f"{engine_url(engine)}/postgres"],
        capture_output=True,
        text=True,
        check=False,
    )
    return tried.stderr.strip().splitlines()[-1] if tried.returncode else None


def suites(engines: Iterable[str]) -> list[Suite]:
    """All suites, those that take longest first."""
    planned = [project_suite(service, "sqlite") for service in SERVICES]
    if "postgresql" in engines:
        url = engine_url("postgresql")
        planned += [
            project_suite(service, "postgresql", DATABASE_URL=f"{url}/freehold_{service}")
            for service in SERVICES
        ]
    return [*planned, own_suite("contracts"), own_suite("boundaries")]


def run(suite: Suite) -> Outcome:
    """Run one suite; its whole output is shown where it fails."""
    label = " ".join(filter(None, [suite.name, suite.engine]))
    report = RESULTS / f"{label.replace(' ', '-')}.xml"
    report.unlink(missing_ok=True)
    begun = time.monotonic()
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "CI") if name in os.environ}
    done = subprocess.run(
        [suite.python, "-m", "pytest", "-q", f"--junitxml={report}", suite.tests],
        cwd=suite.folder,
        env=kept | suite.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    outcome = read(suite, report, time.monotonic() - begun)
    if done.returncode or outcome.failed:
        console.print(f"[red]failed[/] {label}")
        console.print(done.stdout, markup=False, soft_wrap=True)
    else:
        console.print(f"[green]passed[/] {label} [dim]{outcome.passed} tests[/]")
    return outcome


def read(suite: Suite, report: Path, seconds: float) -> Outcome:
    """What pytest's JUnit report counts; a suite without one has failed as a whole."""
    if not report.exists():
        return Outcome(suite=suite, passed=0, failed=1, skipped=0, why=(), seconds=seconds)
    (counted,) = ElementTree.parse(report).getroot()  # noqa: S314  # pytest wrote it just now
    total, skipped = int(counted.get("tests", 0)), int(counted.get("skipped", 0))
    failed = int(counted.get("failures", 0)) + int(counted.get("errors", 0))
    why = {skip.get("message", "") for skip in counted.iter("skipped")}
    return Outcome(
        suite=suite,
        passed=total - failed - skipped,
        failed=failed if total else 1,  # a suite that collects nothing proves nothing
        skipped=skipped,
        why=tuple(sorted(why)),
        seconds=seconds,
    )


def show(outcomes: list[Outcome], absent: dict[str, str]) -> None:
    table = Table("suite", "engine", "passed", "failed", "skipped", "why", "seconds")
    for outcome in outcomes:
        table.add_row(
            outcome.suite.name,
            outcome.suite.engine,
            str(outcome.passed),
            str(outcome.failed),
            str(outcome.skipped),
            "\n".join(outcome.why),
            f"{outcome.seconds:.1f}",
            style="red" if outcome.failed else None,
        )
    for engine, reason in absent.items():
        table.add_row("all", engine, "", "", "all", reason, "")
    console.print(table)


def main() -> int:
    RESULTS.mkdir(parents=True, exist_ok=True)
    required = set(filter(None, os.environ.get("REQUIRE_ENGINES", "").split(",")))
    if unknown := required - set(KNOWN_ENGINES):
        console.print(f"REQUIRE_ENGINES knows {KNOWN_ENGINES}, not {sorted(unknown)}")
        return 2
    absent = {engine: reason for engine in KNOWN_ENGINES if (reason := why_unreachable(engine))}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(run, suites(set(KNOWN_ENGINES) - absent.keys())))
    outcomes.append(run(own_suite("estate")))  # alone: it measures what others would slow down
    show(outcomes, absent)
    missing = sorted(required & absent.keys())
    if missing:
        console.print(f"[red]REQUIRE_ENGINES names {', '.join(missing)}, which is not reachable[/]")
    passed, failed, skipped = (
        sum(getattr(outcome, count) for outcome in outcomes)
        for count in ("passed", "failed", "skipped")
    )
    console.print(f"{passed} passed, {failed + len(missing)} failed, {skipped} skipped")
    return 1 if failed or missing else 0


if __name__ == "__main__":
    sys.exit(main())
