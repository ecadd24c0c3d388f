"""`make up` and `make down` as a script would use them."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from tests.estate.estate import listens
from tests.estate.settings import ROOT, SERVICES


def run(command: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", f"tests.estate.{command}"],
        cwd=ROOT,
        env=os.environ | {"ESTATE_FOLDER": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where an estate that is up keeps its data; it is taken down at the end."""
    folder = tmp_path_factory.mktemp("up")
    yield folder
    run("down", folder)


@pytest.fixture(scope="module")
def said(folder: Path) -> str:
    return run("up", folder)


@pytest.fixture
def description(said: str, folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "estate.json").read_text()))


class TestUp:
    def test_tells_people_where_everything_is(self, said: str, description: dict[str, Any]):
        for service in description["services"].values():
            for told in ("admin", "api", "docs"):
                assert service[told] in said
            assert service["staff"]["password"] in said

    def test_tells_scripts_which_processes_run(self, description: dict[str, Any]):
        assert {"user-web", "user-relay", "order-worker", "order-beat"} <= set(
            description["processes"]
        )
        for process in description["processes"].values():
            assert psutil.pid_exists(process["pid"])
            assert Path(process["log"]).exists()

    def test_keeps_its_passwords_from_other_people(self, said: str, folder: Path):
        for name in ("estate.json", "up/secrets.json"):
            assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600

    @pytest.mark.parametrize("name", SERVICES)
    def test_lets_staff_into_every_admin(self, description: dict[str, Any], name: str):
        service = description["services"][name]
        browser = requests.Session()
        login = f"{service['admin']}login/?next=/admin/"
        browser.get(login, timeout=10)

        answer = browser.post(
            login,
            {
                "username": service["staff"]["login"],
                "password": service["staff"]["password"],
                "csrfmiddlewaretoken": browser.cookies[f"{name}_csrftoken"],
            },
            timeout=10,
        )

        assert answer.url == service["admin"]
        assert "Log out" in answer.text

    @pytest.mark.parametrize("name", SERVICES)
    @pytest.mark.parametrize("page", ["api", "docs"])
    def test_serves_every_page_that_it_names(
        self, description: dict[str, Any], name: str, page: str
    ):
        url = description["services"][name][page]

        answer = requests.get(url, headers={"Accept": "text/html"}, timeout=10)

        # The lists of people and of orders ask who is there first.
        assert answer.status_code in ((200, 401) if page == "api" else (200,))

    def test_started_twice_leaves_the_first_alone(self, folder: Path, description: dict[str, Any]):
        assert "already up" in run("up", folder)

        assert json.loads((folder / "estate.json").read_text()) == description


class TestDown:
    def test_stops_everything_and_keeps_the_data(self, folder: Path, description: dict[str, Any]):
        run("down", folder)

        assert not any(psutil.pid_exists(each["pid"]) for each in description["processes"].values())
        for service in description["services"].values():
            assert not listens(int(service["url"].rpartition(":")[2]))
        assert (folder / "up" / "order.sqlite3").exists()
        assert not (folder / "estate.json").exists()
