"""Which scenarios there are, by name; each module of this folder adds its own here."""

from tests.faults.outage import outage_embedded
from tests.faults.run import Scenario

SCENARIOS: dict[str, Scenario] = {
    "outage-embedded": outage_embedded,
}

# What takes too long for CI; all others belong to the short run, too.
LONG_ONLY: frozenset[str] = frozenset()

# What draws its faults at random: the long run repeats it with as many seeds as LONG_SEEDS.
SEEDED: frozenset[str] = frozenset()
LONG_SEEDS = 20
