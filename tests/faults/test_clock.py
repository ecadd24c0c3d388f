"""The clock of a process can be set while it runs, and `datetime` stays the type that it was."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.faults.clocks import FOLDER

TELL = """
import datetime, sys, time
real = time.time()
open(sys.argv[1], "w").write(sys.argv[2])
time.sleep(0.1)
print(*(round(each - real) for each in (
    time.time(),
    time.time_ns() / 1e9,
    datetime.datetime.now().timestamp(),
    datetime.datetime.now(datetime.UTC).timestamp(),
    datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=5))).timestamp(),
    datetime.datetime.utcnow().replace(tzinfo=datetime.UTC).timestamp(),
    datetime.datetime.today().timestamp(),
)))
print(type(datetime.datetime.now()) is datetime.datetime)
"""


@pytest.mark.parametrize("seconds", [3600, -3600, 0])
class TestAClock:
    def test_is_set_while_the_process_runs(self, tmp_path: Path, seconds: int) -> None:
        path = tmp_path / "clock"
        path.write_text("0")

        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", TELL, path, str(seconds)],
            env=os.environ | {"PYTHONPATH": str(FOLDER), "FREEHOLD_CLOCK": str(path)},
            capture_output=True,
            text=True,
            check=True,
        )

        told, is_same = done.stdout.splitlines()
        assert set(told.split()) == {str(seconds)}
        assert is_same == "True"
