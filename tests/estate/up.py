"""`make up`: the estate, left running; `make down` stops it."""

import json
import os
import sys
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table
from tests.estate.estate import Estate, EstateFailed, write_description
from tests.estate.settings import ROOT, RUN, SERVICES, Engines
from tests.estate.shop import open_shop
from tests.estate.story import StoryFailed

DESCRIPTION = RUN / "estate.json"

console = Console(highlight=False)


def main() -> int:
    if running():
        console.print("the estate is already up: `make down` stops it")
        console.print(table(json.loads(DESCRIPTION.read_text())))
        return 0
    estate = Estate(RUN / "up", Engines.from_environment(), usual_ports=True)
    try:
        estate.start(lambda line: console.print(f"[dim]{line}[/]"))
        console.print(f"[dim]{open_shop(estate)} first orders placed[/]")
        write_description(estate, DESCRIPTION)
    except (EstateFailed, StoryFailed) as error:
        estate.stop()
        console.print(f"[red]failed[/] {error}", soft_wrap=True)
        return 1
    except BaseException:
        estate.stop()
        raise
    console.print(table(estate.description()))
    shown = os.path.relpath(DESCRIPTION, ROOT)
    console.print(f"scripts read {shown}; `make down` stops it all")
    return 0


def running() -> list[psutil.Process]:
    """The processes that `make up` left running, as far as they still are those it started."""
    if not DESCRIPTION.exists():
        return []
    alive = []
    for entry in json.loads(DESCRIPTION.read_text())["processes"].values():
        try:
            process = psutil.Process(entry["pid"])
        except psutil.NoSuchProcess:
            continue
        if process.create_time() == entry["started"]:  # not another one with a recycled number
            alive.append(process)
    return alive


def table(description: dict[str, Any]) -> Table:
    shown = Table("service", "for people", "where")
    for name in SERVICES:
        service = description["services"][name]
        shown.add_row(f"{name}_project", "admin", service["admin"])
        shown.add_row("", "browsable API", service["api"])
        shown.add_row("", "docs", service["docs"])
        shown.add_row("", "staff login", service["staff"]["login"])
        shown.add_row("", "password", service["staff"]["password"], end_section=True)
    return shown


if __name__ == "__main__":
    sys.exit(main())
