"""Whatever anybody sends, each service answers as its schema says, and to whom it may.

Schemathesis makes the requests up from the schema, alone and in sequences, as Ann, as Bo, as Cleo
of the staff, as order_project and as nobody: 1,000 cases a service and more, 10,000 with LONG=1.
"""

import json
import os
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from rich.console import Console
from tests.estate.conftest import EMBEDDED
from tests.estate.estate import Estate
from tests.estate.security.front_desk import PEOPLE, FrontDesk, front_desk
from tests.estate.settings import ROOT, SERVICES

console = Console(highlight=False)

IS_LONG = bool(os.environ.get("LONG"))
CASES = 10_000 if IS_LONG else 1_000
# The same for each change that lands; another each time in the long run. SEED=N repeats one.
USUAL_SEED = secrets.randbelow(2**32) if IS_LONG else 20_261_128
# Examples for each operation and phase, so that a round has some 1,000 cases: services with few
# operations need more of each. There are as many rounds, each with another seed, as it takes.
EXAMPLES = {"user": 36, "order": 180, "product": 95, "inventory": 105}
# Two at once; orders before products, which are discontinued until nothing can be ordered.
IN_TURN = (("user", "order"), ("product", "inventory"))
# Not among them: whether all that a schema allows is accepted and nothing else (no schema says that
# a SKU must be on sale, and DRF overlooks what it does not know in a query), and whether a method
# that there is not is refused as such before anything else (DRF looks at the caller first).
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "ignored_auth",
    "object_level_authorization",
    "missing_required_header",
    "allow_header_conformance",
    "ensure_resource_availability",
    "use_after_free",
    "object_of_another",  # ours, in strangers.py
)
# What is deleted stays readable: a discontinued product, and the tombstone of a release.
NOT_CHECKED = {"product": {"use_after_free"}, "inventory": {"use_after_free"}}
# Who calls, in the order in which they are tried; nobody is always among them.
SERVICE_DOORS = {"user": ["order-at-user"], "inventory": ["order-at-inventory"]}
STOCK = 1_000_000  # enough for whatever is ordered


@dataclass(frozen=True)
class Run:
    """What schemathesis has tried at one service, and what of it failed."""

    report: dict[str, Any]
    attempts: Counter[str]
    output: str

    @property
    def cases(self) -> int:
        return int(self.report["test_cases"]["generated"])


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    with Estate(tmp_path_factory.mktemp("estate"), EMBEDDED) as estate:
        estate.start()
        yield estate


@pytest.fixture(scope="module")
def rounds(estate: Estate, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Run]]:
    """As many at each service as make up the cases, unless something is found before."""
    folder, seed = tmp_path_factory.mktemp("runs"), int(os.environ.get("SEED") or USUAL_SEED)
    headers = {"Authorization": f"Bearer {FrontDesk(estate).cleo()}"}
    for sku in ("TENT-2P", "MUG-ENAMEL"):  # which the schemas give as examples
        url = f"{estate.url('inventory')}/api/v1/stock/{sku}/receipts/"
        delivery = {"quantity": STOCK, "reason": "for any order"}
        requests.post(url, json=delivery, headers=headers, timeout=10).raise_for_status()
    made: dict[str, list[Run]] = {service: [] for service in SERVICES}

    def try_enough(service: str) -> None:
        runs, examples = made[service], EXAMPLES[service]
        while sum(run.cases for run in runs) < CASES:
            options: dict[str, Any] = {"examples": examples, "seed": seed + len(runs)}
            runs.append(try_anything(estate, service, desk=desk, folder=folder, **options))
            if runs[-1].report["exit_code"]:
                break

    with front_desk(estate) as desk, ThreadPoolExecutor(2) as pool:
        for pair in IN_TURN:
            list(pool.map(try_enough, pair))
    return made


def try_anything(
    estate: Estate, service: str, *, desk: str, folder: Path, examples: int, seed: int
) -> Run:
    spared = NOT_CHECKED.get(service, set())
    callers, config = folder / f"{service}-callers.json", folder / f"{service}.toml"
    report, attempts = folder / f"{service}-{seed}.json", folder / f"{service}-{seed}-attempts"
    names = [*PEOPLE, "cleo", *SERVICE_DOORS.get(service, [])]
    callers.write_text(json.dumps({"auth": [caller(name, desk) for name in names]}))
    config.write_text(
        f"""
        continue-on-failure = true
        [auth.wfc]
        path = "{callers}"
        peers = {json.dumps(PEOPLE)}
        refresh_interval = 40  # seconds, as a token of a service is good for 60
        """
    )
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("schemathesis"), "--config-file", config),
            *("run", f"{estate.url(service)}/api/schema/", "--no-color", "--seed", str(seed)),
            *("--max-examples", str(examples)),
            *("--checks", ",".join(each for each in CHECKS if each not in spared)),
            *("--generation-database", "none"),
            *("--report", "json", "--report-json-path", report),
        ],
        cwd=folder,  # where it leaves what it found out
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.estate.security.strangers",
            "FRONT_DESK": desk,
            "ATTEMPTS": str(attempts),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    output = f"seed {seed}\n{done.stdout}{done.stderr}"
    assert report.exists(), output
    tried = attempts.read_text().splitlines() if attempts.exists() else []
    return Run(json.loads(report.read_text()), Counter(tried), output)


def caller(name: str, desk: str) -> dict[str, Any]:
    """How schemathesis gets a token for somebody (webfuzzing.github.io/Commons)."""
    return {
        "name": name,
        "loginEndpointAuth": {
            "externalEndpointURL": f"{desk}/{name}",
            "verb": "POST",
            "payloadRaw": "{}",
            "contentType": "application/json",
            "token": {
                "extractFrom": "body",
                "extractSelector": "/token",
                "sendIn": "header",
                "sendName": "Authorization",
                "sendTemplate": "Bearer {token}",
            },
        },
    }


# Orders as they would be if the view of one order did not care whose it is.
CARELESS = """
from order_project.wsgi import application
from orders.models import Order
from orders.views import Cancellation, OrderDetail

OrderDetail.get_queryset = Cancellation.get_queryset = lambda door: Order.objects.all()
"""


class TestAServiceThatDoesNotCareWhoAsks:
    def test_is_found_out(self, estate: Estate, tmp_path: Path):
        (tmp_path / "careless.py").write_text(CARELESS)
        honest = estate.commands["order-web"]
        with estate.without("order-web"):
            estate.commands["order-web"] = honest.replace(
                "order_project.wsgi", f"--pythonpath {tmp_path} careless"
            )

        with front_desk(estate) as desk:
            run = try_anything(estate, "order", desk=desk, folder=tmp_path, examples=15, seed=1)
        with estate.without("order-web"):
            estate.commands["order-web"] = honest

        assert run.report["exit_code"] == 1
        found = {failure["type"] for failure in run.report["failures"]}
        assert {"CustomFailure", "ObjectLevelAuthorizationViolation"} <= found, run.output
        assert "GET /api/v1/orders/{}/ by another answered 200" in run.output


@pytest.mark.parametrize("service", SERVICES)
class TestAnyRequest:
    def test_is_answered_as_the_schema_says(self, rounds: dict[str, list[Run]], service: str):
        runs = rounds[service]
        cases, others = sum(run.cases for run in runs), sum(run.attempts.total() for run in runs)

        console.print(f"{service}_project: {cases:,} cases, {others:,} tries at another's")
        for run in runs:
            assert run.report["complete"], run.output
            assert run.report["test_cases"]["with_failures"] == 0, run.output
            assert run.report["exit_code"] == 0, run.output
            assert run.report["operations"]["tested"] == run.report["operations"]["total"]
        assert cases >= CASES


class TestWhatAnotherMade:
    def test_was_asked_for_at_every_door(self, rounds: dict[str, list[Run]]):
        tried = {
            service: {
                attempt.rpartition(" ")[0] for run in rounds[service] for attempt in run.attempts
            }
            for service in ("user", "order")
        }

        assert tried["user"] == {
            "get /api/v1/users/",
            "get /api/v1/users/{}/",
            "patch /api/v1/users/{}/",
            "delete /api/v1/users/{}/",
            "get /api/v1/internal/users/",
        }
        assert tried["order"] == {
            "get /api/v1/orders/",
            "get /api/v1/orders/{}/",
            "post /api/v1/orders/{}/cancellation/",
            "get /api/v1/customers/",
            "get /api/v1/customers/{}/",
        }
