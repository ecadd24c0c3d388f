"""The estate that the end-to-end tests share, on each set of engines that can be used here."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from tests.engines import (
    lend_broker,
    lend_database,
    lend_vhost,
    mongodb_of_our_own,
    why_unusable,
)
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


def need(engine: str) -> None:
    """Skip where the engine cannot be used, or fail where REQUIRE_ENGINES names it."""
    if reason := why_unusable(engine):
        why = f"{engine} cannot be used: {reason}"
        required = os.environ.get("REQUIRE_ENGINES", "").split(",")
        pytest.fail(why) if engine in required else pytest.skip(why)


@pytest.fixture
def lend() -> Iterator[Callable[[str], str]]:
    """Databases of any engine: the URL of one, which is there as long as the test lasts."""
    with ExitStack() as stack:
        stack.enter_context(mongodb_of_our_own())

        def lend(engine: str) -> str:
            need(engine)
            return stack.enter_context(lend_database(engine))

        yield lend


@pytest.fixture(scope="session", params=["embedded", *DEPLOYMENTS])
def engines(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engines]:
    """Places of our own in the engines of a deployment, given back in the end."""
    if request.param == "embedded":
        yield EMBEDDED
        return
    databases, stock = DEPLOYMENTS[request.param]
    with ExitStack() as stack:
        stack.enter_context(mongodb_of_our_own())
        for engine in sorted({*databases.values(), "rabbitmq"}):
            need(engine)
        yield Engines(
            databases={
                service: stack.enter_context(lend_database(engine))
                for service, engine in databases.items()
            },
            stock=None if stock == "sql" else "embedded",
            broker=stack.enter_context(lend_vhost()) if request.param == "postgresql" else None,
            cache=None,
            brokers=stack.enter_context(broker_users()) if request.param == "picture" else {},
        )


@contextmanager
def broker_users() -> Iterator[dict[str, str]]:
    """Relay and worker each under the one user that docker/ gives them, and no other's rights."""
    with lend_broker() as users:
        yield {
            "user": users["user_service"],
            "order": users["order_service"],
            "order_owner": users["order_owner"],
        }


@pytest.fixture(scope="session")
def estate(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    """Four services with their workers, as real processes."""
    with Estate(tmp_path_factory.mktemp("estate"), engines) as estate:
        estate.start()
        yield estate
