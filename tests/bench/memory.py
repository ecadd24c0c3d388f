"""What a process takes of the machine: memory, which must not grow, and processor time."""

from collections.abc import Sequence

from tests.bench.figures import Must, Result
from tests.bench.stage import Stage

MEGABYTE = 2**20


def memory(stage: Stage, name: str) -> float:
    """Megabytes that a process and its children take of the machine.

    What n processes share counts as an nth for each (PSS), or not at all off Linux (USS).
    """
    told = [process.memory_full_info() for process in stage.family(name)]
    return sum(getattr(each, "pss", each.uss) for each in told) / MEGABYTE


def processor_seconds(stage: Stage, name: str) -> float:
    """What a process and its children have had of the processor so far."""
    times = [process.cpu_times() for process in stage.family(name)]
    return sum(each.user + each.system for each in times)


def flatness(
    stage: Stage, name: str, told: Sequence[float], *, figure: str, first: str, last: str
) -> Result:
    """Whether a process grows with what it does: `told` after the first of it, ..., the last."""
    return Result(
        figure=figure,
        what=f"memory of {name} after {last}, for that after {first}",
        on=stage.title,
        unit="times",
        runs=(told[-1] / told[0],),
        must=(Must(bound=1.1, at="most"),) if stage.name == "postgresql" else (),
        note=f"{' '.join(f'{each:.0f}' for each in told)} MB with all its processes",
    )
