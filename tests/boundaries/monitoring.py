"""What docker/ watches the estate by: its alerts, its dashboard, and the metrics both name."""

import json
import re
from typing import Any

import promql_parser
from docker.make_secrets import HERE as DOCKER
from tests.boundaries import deployment

RULES = deployment.load(DOCKER / "prometheus/rules.yaml")
DASHBOARD = json.loads((DOCKER / "grafana/freehold.json").read_text())
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
EXPRESSIONS = sorted(
    {alert["expr"] for alert in ALERTS}
    | {
        re.sub(r"\$__rate_interval", "5m", target["expr"])  # which Grafana fills in
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", [])
    }
)
PROMETHEUS_OWN = {"up"}


def metrics_in(expression: str) -> set[str]:
    """The names of all time series that an expression reads."""
    found: set[str] = set()

    def look(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            assert node.name, expression
            found.add(node.name)
        for part in ("expr", "lhs", "rhs", "vector_selector", "param"):
            if (child := getattr(node, part, None)) is not None:
                look(child)
        for argument in getattr(node, "args", None) or []:
            look(argument)

    look(promql_parser.parse(expression))
    assert found, expression
    return found


NAMED = set().union(*map(metrics_in, EXPRESSIONS)) - PROMETHEUS_OWN
