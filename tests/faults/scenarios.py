"""Which scenarios there are, by name; each module of this folder adds its own here."""

from tests.faults.broker import broker_embedded, broker_rabbitmq
from tests.faults.clocks import clocks_embedded, clocks_postgresql
from tests.faults.crashpoints import (
    crash_points_embedded,
    crash_points_mongodb,
    crash_points_postgresql,
)
from tests.faults.database import database_mongodb, database_postgresql
from tests.faults.disk import disk_embedded, disk_postgresql
from tests.faults.drift import drift_embedded, drift_mongodb, drift_postgresql
from tests.faults.kills import kills_embedded, kills_mongodb, kills_postgresql
from tests.faults.messages import messages_embedded, messages_mongodb, messages_rabbitmq
from tests.faults.mutations import mutations
from tests.faults.network import network_embedded, network_postgresql
from tests.faults.outage import outage
from tests.faults.relay import relay_embedded, relay_rabbitmq
from tests.faults.run import Scenario
from tests.faults.scarce import scarce_embedded, scarce_postgresql, scarce_redis
from tests.faults.stock import stock_embedded, stock_mysql, stock_postgresql, stock_redis
from tests.faults.twice import twice_embedded, twice_postgresql
from tests.faults.versions import versions
from tests.faults.worker import worker_embedded, worker_rabbitmq

SCENARIOS: dict[str, Scenario] = {
    "kills-embedded": kills_embedded,
    "kills-postgresql": kills_postgresql,
    "kills-mongodb": kills_mongodb,
    "messages-embedded": messages_embedded,
    "messages-rabbitmq": messages_rabbitmq,
    "messages-mongodb": messages_mongodb,
    "stock-embedded": stock_embedded,
    "stock-redis": stock_redis,
    "stock-postgresql": stock_postgresql,
    "stock-mysql": stock_mysql,
    "worker-embedded": worker_embedded,
    "worker-rabbitmq": worker_rabbitmq,
    "relay-embedded": relay_embedded,
    "relay-rabbitmq": relay_rabbitmq,
    "scarce-embedded": scarce_embedded,
    "scarce-redis": scarce_redis,
    "scarce-postgresql": scarce_postgresql,
    "drift-embedded": drift_embedded,
    "drift-postgresql": drift_postgresql,
    "drift-mongodb": drift_mongodb,
    "network-embedded": network_embedded,
    "network-postgresql": network_postgresql,
    "broker-embedded": broker_embedded,
    "broker-rabbitmq": broker_rabbitmq,
    "database-postgresql": database_postgresql,
    "database-mongodb": database_mongodb,
    "clocks-embedded": clocks_embedded,
    "clocks-postgresql": clocks_postgresql,
    "disk-embedded": disk_embedded,
    "disk-postgresql": disk_postgresql,
    "twice-embedded": twice_embedded,
    "twice-postgresql": twice_postgresql,
    "outage": outage,
    "crash-points-embedded": crash_points_embedded,
    "crash-points-postgresql": crash_points_postgresql,
    "crash-points-mongodb": crash_points_mongodb,
    "mutations": mutations,
    "versions": versions,
}

# What takes too long for CI; all others belong to the short run, too.
LONG_ONLY: frozenset[str] = frozenset(
    {
        "network-embedded",
        "clocks-embedded",
        "disk-embedded",
        "broker-embedded",
        "disk-postgresql",
        "clocks-postgresql",
        "broker-rabbitmq",
        "database-postgresql",
        "database-mongodb",
        "network-postgresql",
        "drift-mongodb",
        "drift-postgresql",
        "kills-mongodb",
        "messages-mongodb",
        "stock-postgresql",
        "stock-mysql",
        "scarce-embedded",
        "scarce-redis",
        "scarce-postgresql",
        "crash-points-embedded",
        "crash-points-postgresql",
        "crash-points-mongodb",
        "mutations",
        "outage",
        "twice-embedded",
        "twice-postgresql",
    }
)

# With how many seeds the long run repeats what draws its faults at random; the stand-in for MongoDB
# is slow.
LONG_SEEDS = {"kills-embedded": 20, "kills-postgresql": 20, "kills-mongodb": 5}
