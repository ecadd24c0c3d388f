"""Contracts and one project, in an empty folder, by the commands of the project's own README."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from tests.estate.settings import ROOT, SERVICES

LIMIT_SECONDS = 60


@pytest.fixture(scope="module", params=SERVICES)
def alone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what git has of `contracts` and of one project, installed there."""
    project = f"{request.param}_project"
    folder: Path = tmp_path_factory.mktemp(request.param)
    listed = subprocess.run(
        [  # noqa: S607  # whichever git the PATH has
            "git",
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "contracts",
            project,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    run(folder / project, sys.executable, "-m", "venv", ".venv")
    run(folder / project, ".venv/bin/pip", "install", "--quiet", "-r", "requirements.txt")
    return folder / project


def run(folder: Path, *command: object, **variables: str) -> str:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in ("PATH", "HOME") or name.startswith("PIP_")
    }
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=kept | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class TestAProjectAlone:
    def test_has_a_readme_that_says_how(self, alone: Path):
        readme = (alone / "README.md").read_text()

        for command in ("pip install -r requirements.txt", "python manage.py migrate", "pytest"):
            assert command in readme
        assert re.search(r"python manage.py runserver \d+", readme)
        assert len(readme.splitlines()) < 40

    def test_migrates_and_serves(self, alone: Path):
        python = alone / ".venv/bin/python"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]

        run(alone, python, "manage.py", "migrate", DEBUG="1")
        server = subprocess.Popen(
            [python, "manage.py", "runserver", "--noreload", str(port)],
            cwd=alone,
            env={"PATH": os.environ["PATH"], "DEBUG": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert status(f"http://127.0.0.1:{port}/health/ready") == 200
            assert status(f"http://127.0.0.1:{port}/api/docs/") == 200
            assert status(f"http://127.0.0.1:{port}/admin/login/") == 200
        finally:
            server.terminate()
            server.wait(LIMIT_SECONDS)

    def test_passes_its_own_suite_on_sqlite(self, alone: Path):
        said = run(alone, alone / ".venv/bin/pytest", "-q")

        assert re.search(r"\d+ passed", said)


def status(url: str) -> int:
    """The status of an answer, once there is one."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  # our own http://
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            assert time.monotonic() < deadline, f"{url} did not answer in {LIMIT_SECONDS} s"
            time.sleep(0.1)
