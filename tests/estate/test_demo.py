"""`make demo` as a stranger would run it: its exit code, and what it leaves behind."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
from tests.estate.settings import ROOT

LIMIT_SECONDS = 120


@pytest.fixture
def demo() -> Iterator[subprocess.Popen[str]]:
    """The demo, started and not waited for."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.estate.demo"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


def folder_of(demo: subprocess.Popen[str]) -> str:
    """The folder that one demo keeps its data in, once it has made it."""
    return wait_until(  # type: ignore[no-any-return]
        lambda: next(
            (
                match[0]
                for process in psutil.Process(demo.pid).children(recursive=True)
                for match in [re.search(r"\.run/demo-\w+", " ".join(environment(process)))]
                if match
            ),
            None,
        )
    )


def environment(process: psutil.Process) -> list[str]:
    try:
        return [*process.cmdline(), *process.environ().values()]
    except psutil.Error:
        return []


def wait_until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not (result := condition()):
        assert time.monotonic() < deadline, f"nothing after {LIMIT_SECONDS} s"
        time.sleep(0.02)
    return result


def left_behind(folder: str) -> list[int]:
    """The processes anywhere on this machine that work in a demo's folder."""
    return [
        process.pid
        for process in psutil.process_iter()
        if any(folder in word for word in environment(process))
    ]


class TestDemo:
    def test_tells_the_story_and_leaves_nothing(self, demo: subprocess.Popen[str]):
        folder = folder_of(demo)

        said, _ = demo.communicate(timeout=LIMIT_SECONDS)

        assert demo.returncode == 0, said
        assert "Ann is erased" in said
        assert left_behind(folder) == []
        assert not (ROOT / folder).exists()

    @pytest.mark.parametrize("moment", ["preparing", "playing", "stopping"])
    def test_leaves_nothing_when_it_is_interrupted(self, demo: subprocess.Popen[str], moment: str):
        folder = folder_of(demo)
        if line_before := {"playing": "Ann registers", "stopping": "Ann is erased"}.get(moment):
            assert demo.stdout is not None
            assert any(line_before in line for line in demo.stdout)

        demo.send_signal(signal.SIGINT)
        said, _ = demo.communicate(timeout=LIMIT_SECONDS)

        assert demo.returncode == 130, said
        assert left_behind(folder) == []
        assert not (ROOT / folder).exists()

    def test_says_why_it_fails_with_the_end_of_the_right_log(self, demo: subprocess.Popen[str]):
        folder = folder_of(demo)
        worker = wait_until(
            lambda: [
                process
                for process in psutil.process_iter()
                if folder in " ".join(environment(process))
                and "gunicorn" in " ".join(process.cmdline())
                and process.cwd().endswith("inventory_project")
            ]
        )

        for process in worker:
            os.kill(process.pid, signal.SIGKILL)
        said, _ = demo.communicate(timeout=LIMIT_SECONDS)

        assert demo.returncode == 1, said
        assert "failed" in said
        assert "inventory-web" in said
        assert left_behind(folder) == []
