"""Running a project's own commands, under its own environment."""

import os
import subprocess

from tests.estate.settings import ROOT


def python(service: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a project's Python to its end, with these variables and no others."""
    project = ROOT / f"{service}_project"
    return subprocess.run(
        [project / ".venv/bin/python", *arguments],
        cwd=project,
        env={"PATH": os.environ["PATH"]} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
