"""`make test`: every suite in its own project's environment, on each engine that is reachable.

On SQLite each project's suite runs in a folder that holds nothing else (tests/boundaries).

tests/engines.py says where it looks for them. REQUIRE_ENGINES=postgresql,mysql makes it a failure
where one of those named cannot be used.
"""

import os
import subprocess
import sys
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console
from rich.table import Table
from tests.engines import (
    ENGINES,
    VARIABLE,
    engine_url,
    lend_vhost,
    mongodb_of_our_own,
    why_unusable,
)
from tests.estate.settings import ROOT

RESULTS = ROOT / ".run" / "suites"
PASSED_ON = ("PATH", "HOME", "CI", "REQUIRE_ENGINES", *VARIABLE.values())
AT_ONCE = 2  # suites that run side by side; each keeps about one core busy

# The engines on which each project proves itself, beside SQLite.
MATRIX = {
    "user": ("postgresql", "mysql"),
    "order": ("postgresql", "mongodb"),
    "product": ("postgresql", "mysql"),
    "inventory": ("postgresql", "mysql"),
}
# Where these also try RabbitMQ, by the variable that names a virtual host to use up: on PostgreSQL.
BROKER_VARIABLE = {"user": "BROKER_TEST_URL", "order": "BROKER_URL"}

# A log has no width of its own: wide enough for the reasons.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)


@dataclass(frozen=True, kw_only=True)
class Suite:
    """One pytest run: a folder of tests, the interpreter it runs under, and the engine it is on."""

    name: str
    engine: str
    folder: Path
    python: Path
    select: tuple[str, ...] = (".",)
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


def own_suite(name: str, *, but: str = "") -> Suite:
    """A suite of tests/, under the environment that runs the estate; without one folder in it."""
    return Suite(
        name=name,
        engine="all" if name.startswith("estate") else "",
        folder=ROOT,
        python=ROOT / ".venv/bin/python",
        select=(f"tests/{name}", *([f"--ignore=tests/{but}"] if but else [])),
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


def why_undrivable(engine: str) -> str | None:
    """None if every project that may run on the engine has its driver, or can have it now."""
    if engine != "mysql":
        return None
    for service in (name for name, engines in MATRIX.items() if engine in engines):
        project = ROOT / f"{service}_project"
        driver = ["-r", "pyproject.toml", "--extra", "mysql"]
        tried = subprocess.run(
            [ROOT / ".venv/bin/uv", *("pip", "install", "--python", ".venv/bin/python"), *driver],
            cwd=project,
            capture_output=True,
            text=True,
            check=False,
        )
        if tried.returncode:
            return "mysqlclient cannot be built: it needs the headers of libmysqlclient or MariaDB"
    return None


def suites(engines: Collection[str], stack: ExitStack) -> list[Suite]:
    """All suites but the end-to-end one, with what the stack lends them."""
    planned = [own_suite("boundaries")]
    for service, others in MATRIX.items():
        for engine in (each for each in others if each in engines):
            given = {"DATABASE_URL": f"{engine_url(engine).geturl()}/freehold_{service}"}
            if engine == "postgresql" and "rabbitmq" in engines and service in BROKER_VARIABLE:
                given[BROKER_VARIABLE[service]] = stack.enter_context(lend_vhost())
            planned.append(project_suite(service, engine, **given))
    return [*planned, *map(own_suite, ("faults", "bench", "contracts"))]


def run(suite: Suite) -> Outcome:
    """Run one suite; its whole output is shown where it fails."""
    label = " ".join(filter(None, [suite.name, suite.engine]))
    report = RESULTS / f"{label.replace(' ', '-').replace('/', '-')}.xml"
    report.unlink(missing_ok=True)
    begun = time.monotonic()
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    done = subprocess.run(
        [suite.python, "-m", "pytest", "-q", f"--junitxml={report}", *suite.select],
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
    if unknown := required - set(ENGINES):
        console.print(f"REQUIRE_ENGINES knows {', '.join(ENGINES)}; not {', '.join(unknown)}")
        return 2
    with ExitStack() as stack:
        stack.enter_context(mongodb_of_our_own())
        absent = {
            name: reason
            for name in ENGINES
            if (reason := why_unusable(name) or why_undrivable(name))
        }
        with ThreadPoolExecutor(AT_ONCE) as pool:
            outcomes = list(pool.map(run, suites(set(ENGINES) - absent.keys(), stack)))
            # By themselves: they wait more than they work, and others would slow them down.
            security = own_suite("estate/security")
            outcomes += pool.map(run, [security, own_suite("estate", but=security.name)])
    show(outcomes, absent)
    missing = required & absent.keys()
    if missing:
        console.print(f"[red]REQUIRE_ENGINES names {', '.join(sorted(missing))}: not to be used[/]")
    passed, failed, skipped = (
        sum(getattr(outcome, count) for outcome in outcomes)
        for count in ("passed", "failed", "skipped")
    )
    console.print(f"{passed} passed, {failed + len(missing)} failed, {skipped} skipped")
    return 1 if failed or missing else 0


if __name__ == "__main__":
    sys.exit(main())
