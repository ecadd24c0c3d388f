"""The estate that the end-to-end tests share, on each set of engines that can be used here."""

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.engines import lend_database, lend_vhost, why_unusable
from tests.estate.estate import Estate
from tests.estate.settings import SERVICES, Engines

EMBEDDED = Engines(databases=dict.fromkeys(SERVICES), stock=None, broker=None, cache=None)
# The engine of each service's database, and where stock is kept; events go over RabbitMQ.
DEPLOYMENTS = {
    "postgresql": (dict.fromkeys(SERVICES, "postgresql"), "sql"),
    "picture": (
        {
            "user": "postgresql",
            "order": "mongodb",
            "product": "mysql",
            "inventory": "postgresql",
        },
        "redis",
    ),
}


@pytest.fixture(scope="session", params=["embedded", *DEPLOYMENTS])
def engines(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engines]:
    """Places of our own in the engines of a deployment, given back in the end."""
    if request.param == "embedded":
        yield EMBEDDED
        return
    databases, stock = DEPLOYMENTS[request.param]
    needed = {*databases.values(), "rabbitmq"}
    required = set(os.environ.get("REQUIRE_ENGINES", "").split(","))
    for engine in sorted(needed):
        if reason := why_unusable(engine):
            why = f"{engine} cannot be used: {reason}"
            pytest.fail(why) if engine in required else pytest.skip(why)
    with ExitStack() as stack:
        yield Engines(
            databases={
                service: stack.enter_context(lend_database(engine))
                for service, engine in databases.items()
            },
            stock=None if stock == "sql" else "embedded",
            broker=stack.enter_context(lend_vhost()),
            cache=None,
        )


@pytest.fixture(scope="session")
def estate(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    """Four services with their workers, as real processes."""
    with Estate(tmp_path_factory.mktemp("estate"), engines) as estate:
        estate.start()
        yield estate
