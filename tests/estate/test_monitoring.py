"""Whether the estate shows all that the alerts and the dashboard look at."""

import requests
from tests.boundaries.monitoring import NAMED
from tests.estate.estate import Estate
from tests.estate.settings import SERVICES
from tests.estate.story import play


def shown(estate: Estate) -> set[str]:
    """The names of all time series at the /metrics of any service."""
    pages = [
        requests.get(f"{estate.url(service)}/metrics", timeout=10).text for service in SERVICES
    ]
    lines = [line for page in pages for line in page.splitlines() if not line.startswith("#")]
    return {line.partition("{")[0].partition(" ")[0] for line in lines}


class TestWhatIsWatched:
    def test_is_shown_by_a_running_estate(self, estate: Estate):
        list(play(estate))
        estate.manage("order", "verify_customers")

        assert len(NAMED) >= 20
        assert NAMED - shown(estate) == set()
