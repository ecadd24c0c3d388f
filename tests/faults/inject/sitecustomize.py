"""Python runs this at the start of each process that has this folder on its PYTHONPATH."""

from injected import arm  # type: ignore[import-not-found]  # the folder itself is on the path there

arm()
