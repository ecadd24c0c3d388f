"""Whether what watches the estate is well formed, and scrapes each process that has a say."""

from typing import Any

import promql_parser
import pytest
from docker.make_secrets import HERE as DOCKER
from tests.boundaries import deployment
from tests.boundaries.monitoring import ALERTS, DASHBOARD, EXPRESSIONS
from tests.estate.settings import SERVICES

OVERLAY = deployment.load(DOCKER / "monitoring.yaml")
SCRAPED = deployment.load(DOCKER / "prometheus/compose.yaml")["scrape_configs"][0]
PORTS = {f"{service}-web": 8000 for service in SERVICES} | {
    "user-relay": 9102,
    "order-worker": 9102,
}


class TestExpressions:
    @pytest.mark.parametrize("expression", EXPRESSIONS, ids=EXPRESSIONS)
    def test_are_promql(self, expression: str):
        promql_parser.parse(expression)

    def test_that_are_not_are_noticed(self):
        with pytest.raises(ValueError, match="invalid promql query"):
            promql_parser.parse("sum by (rate(freehold_outbox_pending_events[5m]))")


class TestAlerts:
    def test_have_a_name_of_their_own_and_say_what_to_do(self):
        assert len({alert["alert"] for alert in ALERTS}) == len(ALERTS)
        for alert in ALERTS:
            assert alert["labels"]["severity"] in ("page", "ticket")
            assert alert["annotations"].keys() == {"summary", "description"}


class TestScraping:
    def test_reaches_each_process_that_tells_something(self):
        targets = {
            tuple(group["targets"]): group["labels"]["process"]
            for group in SCRAPED["static_configs"]
        }

        assert targets == {(f"{name}:{port}",): name for name, port in PORTS.items()}

    @pytest.mark.parametrize("file", [deployment.PICTURE, deployment.ALL_POSTGRESQL])
    def test_finds_them_where_they_listen_in_containers(self, file: str):
        composed = deployment.compose(file)["services"]
        listening = {
            name: int(entry["environment"]["METRICS_PORT"])
            for name, entry in composed.items()
            if "METRICS_PORT" in entry.get("environment", {})
        }

        assert listening == {name: port for name, port in PORTS.items() if port != 8000}
        for name in PORTS:
            assert "metrics" in OVERLAY["services"][name]["networks"]

    def test_finds_them_where_they_listen_in_pods(self):
        named = {
            manifest["metadata"]["name"]: port["containerPort"]
            for file in (DOCKER / "kubernetes").glob("*.yaml")
            for manifest in deployment.documents(file)
            if manifest["kind"] == "Deployment"
            for container in manifest["spec"]["template"]["spec"]["containers"]
            for port in container.get("ports", [])
            if port["name"] in ("http", "metrics")
        }

        assert named == PORTS


class TestGrafana:
    def test_has_a_panel_for_each_question_once(self):
        panels: list[Any] = DASHBOARD["panels"]

        assert len({panel["id"] for panel in panels}) == len(panels)
        assert len({panel["title"] for panel in panels}) == len(panels)
        for panel in panels:
            assert panel["type"] == "row" or panel["targets"]
