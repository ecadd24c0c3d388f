"""An impatient second Ctrl-C leaves nothing behind."""

import signal
import subprocess
import sys

from tests.estate.settings import ROOT

RUN = """
from tests.estate.signals import end_by_signal
end_by_signal()
try:
    print("running", flush=True)
    input()
finally:
    print("cleaning up", flush=True)
    input()
    print("clean", flush=True)
"""


def test_a_second_signal_does_not_disturb_who_cleans_up() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUN],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as run:
        assert run.stdout
        assert run.stdout.readline() == "running\n"
        run.send_signal(signal.SIGTERM)
        assert run.stdout.readline() == "cleaning up\n"
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            run.send_signal(number)

        told, error = run.communicate("\n", timeout=30)

    assert told == "clean\n"
    assert "KeyboardInterrupt" in error
