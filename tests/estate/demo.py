"""`make demo`: the story, shown to a person as it happens; nothing is left running."""

import secrets
import shutil
import sys
import time
from pathlib import Path

import psutil
from rich.console import Console
from tests.estate.estate import Estate, EstateFailed, listens, write_description
from tests.estate.settings import RUN, Engines
from tests.estate.signals import end_by_signal
from tests.estate.story import StoryFailed, play
from tests.estate.up import DESCRIPTION, running

console = Console(highlight=False)


def main() -> int:
    end_by_signal()
    folder = RUN / f"demo-{secrets.token_hex(4)}"
    # An estate that `make up` left running keeps its description.
    description = folder / "estate.json" if running() else DESCRIPTION
    begun = time.monotonic()
    estate: Estate | None = None
    try:
        estate = Estate(folder, Engines.from_environment())
        with estate:
            tell(estate, description)
            processes = list(estate.processes.values())
            ports = [*estate.ports.values(), *filter(None, [estate.valkey_port])]
        prove_gone(processes, ports)
    except (EstateFailed, StoryFailed) as error:
        console.print(f"[red]failed[/] {error}", soft_wrap=True)
        if estate and isinstance(error, StoryFailed):
            console.print(estate.tail(error.process), markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted: everything that was started is stopped")
        return 130
    finally:
        if estate:
            estate.stop()  # where a Ctrl-C came just before it could be put off
        description.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
    console.print(f"[green]done[/] in {time.monotonic() - begun:.1f} s")
    return 0


def tell(estate: Estate, description: Path) -> None:
    begun = time.monotonic()
    estate.start(lambda line: console.print(f"[dim]{time.monotonic() - begun:6.2f} s  {line}[/]"))
    write_description(estate, description)
    for title, seen, seconds in play(estate):
        console.print(f"{seconds:6.2f} s  [bold]{title}[/]: {seen}", soft_wrap=True)


def prove_gone(processes: list[psutil.Popen], ports: list[int]) -> None:
    """EstateFailed where a process of ours still lives or a port is still open."""
    alive = [process.pid for process in processes if process.is_running()]
    still_open = [port for port in ports if listens(port)]
    if alive or still_open:
        raise EstateFailed(f"left behind: processes {alive}, ports {still_open}")
    console.print(f"[dim]{len(processes)} processes stopped, {len(ports)} ports closed[/]")


if __name__ == "__main__":
    sys.exit(main())
