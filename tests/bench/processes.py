"""What each process takes to start, and in memory."""

import time
from collections.abc import Iterator

from tests.bench.figures import Must, Result, figure
from tests.bench.memory import memory
from tests.bench.stage import Bench


@figure("start", "start time and memory of each process")
def start(bench: Bench) -> Iterator[Result]:
    for stage in bench.stages("postgresql"):
        bare = []
        for _ in range(bench.runs):
            begun = time.perf_counter()
            with stage.bare_view(b"{}"):
                bare.append(time.perf_counter() - begun)
        names = [name for name in stage.commands if "+" not in name]
        for name in ("order-web", "user-relay") if bench.quick else names:
            took, held = [], []
            for _ in range(bench.runs):
                begun = time.perf_counter()
                with stage.running(name):
                    took.append(time.perf_counter() - begun)
                    held.append(memory(stage, name))
            yield Result(
                figure="start",
                what=f"start of {name}",
                on=stage.title,
                unit="s",
                runs=tuple(took),
                limit=tuple(bare),
                limit_is="gunicorn with a Django project of one view",
                must=(Must(bound=2, at="most"),),
                note=f"until it answers or works; then {sorted(held)[len(held) // 2]:.0f} MB",
            )
