"""The smallest scenario: each process is killed once while nobody asks for anything."""

from functools import partial

import requests
from tests.estate.settings import SERVICES, Engines
from tests.faults.run import Run, wait_until

EMBEDDED = Engines(databases=dict.fromkeys(SERVICES), stock=None, broker=None, cache=None)


def outage_embedded(run: Run) -> None:
    """Every service answers again once its killed web process was started again."""
    with run.estate(EMBEDDED) as estate:
        estate.start()
        for name in [name for name in estate.commands if name.endswith("-web")]:
            estate.processes[name].kill()
            estate.processes.pop(name).wait()
            estate.start_process(name)
            run.count("kills")
            url = f"{estate.url(name.partition('-')[0])}/health/ready"
            seconds = wait_until(partial(ready, url), name, 30)
            run.say(f"{name} is back after {seconds:.1f} s")


def ready(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False
