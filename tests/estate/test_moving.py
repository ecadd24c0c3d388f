"""A service moves to databases of other engines and home again, and nobody else notices."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import requests
from tests.estate.estate import Estate
from tests.estate.settings import SERVICES
from tests.estate.story import (
    Scene,
    ann_registers,
    copy_appears,
    product_goes_on_sale,
    staff_log_in,
)

# From SQLite to each of these, and home.
ROUTES = {"order": ["postgresql", "mongodb"], "product": ["postgresql", "mysql"]}
KINDS = {"order": ["orders", "customers"], "product": ["products"]}


def rows(scene: Scene, service: str) -> dict[str, Any]:
    """All that staff can read of a service, by id or SKU."""
    found = []
    for kind in KINDS[service]:
        path = f"{kind}/"
        while path:
            page = scene.ask("GET", service, path, who="staff", expect=200)
            found += page["results"]
            path = (page["next"] or "").partition("/api/v1/")[2]
    return {row.get("id") or row["sku"]: row for row in found}


def is_well(estate: Estate, service: str) -> bool:
    answer = requests.get(f"{estate.url(service)}/health/ready", timeout=10)
    return bool(answer.json()["status"] == "ok")


def log_in_to_admin(estate: Estate, service: str, *, password: str = "") -> str:
    """The page at which one of the local staff arrives."""
    url, staff = f"{estate.url(service)}/admin/login/?next=/admin/", estate.staff(service)
    with requests.Session() as browser:
        browser.get(url, timeout=10)
        form = {
            "username": staff.login,
            "password": password or staff.password,
            "csrfmiddlewaretoken": browser.cookies[f"{service}_csrftoken"],
        }
        return browser.post(url, data=form, timeout=10).text


@pytest.mark.parametrize("engines", ["embedded"], indirect=True)
class TestMovingHouse:
    @pytest.mark.parametrize("service", ROUTES)
    def test_takes_everything_along(self, estate: Estate, service: str, lend: Callable[[str], str]):
        home = estate.environment(service)["DATABASE_URL"]
        moves = [[lend(engine)] for engine in ROUTES[service]] + [[home, "--replace"]]
        own = [name for name in estate.processes if name.startswith(f"{service}-")]
        ann = Scene(estate)
        for step in (staff_log_in, ann_registers, copy_appears, product_goes_on_sale):
            step(ann)
        ann.http.headers["Idempotency-Key"] = ann.mark
        order = ann.order(2, expect=201)

        for url, *options in moves:
            before = rows(ann, service)
            bo = Scene(estate, tokens=dict(ann.tokens))
            with estate.without(*own):
                estate.manage(service, "move_house", "--to", url, *options)
                databases = estate.engines.databases | {service: url}
                estate.engines = replace(estate.engines, databases=databases)
                ann_registers(bo)
                assert all(is_well(estate, other) for other in SERVICES if other != service)

            assert before.items() <= rows(ann, service).items()
            assert "Log out" in log_in_to_admin(estate, service)
            assert ann.order(2, expect=201) == order
            copy_appears(bo)
