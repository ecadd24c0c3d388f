"""`make down`: stop what `make up` left running."""

from tests.estate.estate import stop_all
from tests.estate.up import DESCRIPTION, console, running

if __name__ == "__main__":
    processes = running()
    stop_all(processes)
    DESCRIPTION.unlink(missing_ok=True)
    console.print(f"{len(processes)} processes stopped" if processes else "nothing is up")
