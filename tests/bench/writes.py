"""What the outbox costs whoever writes."""

from collections.abc import Iterator

from tests.bench.figures import Must, Result, figure
from tests.bench.stage import Bench


@figure("write", "a user saved with its outbox row, against the same save without")
def write(bench: Bench) -> Iterator[Result]:
    for stage in bench.stages("postgresql", "embedded"):
        times = bench.size(500, 100)
        told = stage.run_inside("user", "save_user", runs=bench.runs, times=times)
        bare = ratios(told.get("bare_with", []), told.get("bare_without", []))
        for what, act in (("changed", "a user changed"), ("created", "a user created")):
            ours, plain = told[f"{what}_with"], told[f"{what}_without"]
            yield Result(
                figure="write",
                what=f"{act}: the save with its outbox row against one without",
                on=stage.title.partition(",")[0],
                unit="times",
                runs=ratios(ours, plain),
                limit=bare,
                limit_is="two plain statements in a transaction against one, by bare psycopg",
                must=(Must(bound=1.4, at="most"),) if bare else (),
                note=f"{middle(ours):.2f} ms with, {middle(plain):.2f} ms by Django's own save",
            )


def ratios(ours: list[float], plain: list[float]) -> tuple[float, ...]:
    return tuple(one / other for one, other in zip(ours, plain, strict=True))


def middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
