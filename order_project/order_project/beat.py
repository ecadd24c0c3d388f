"""Beat that goes on when the clock is set back."""

from typing import Any

from celery import beat


class Scheduler(beat.Scheduler):
    """Keeps no file: all of the schedule may run once more when beat starts.

    What was to come by a clock that has been set back is put off by its interval, not until that
    time comes again.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._latest = self.app.now()

    def tick(self, *args: Any, **kwargs: Any) -> float:
        now = self.app.now()
        if now < self._latest:
            for entry in self.schedule.values():
                if entry.last_run_at and entry.last_run_at > now:
                    entry.last_run_at = now
            self._heap = None  # which is made anew of these
        self._latest = now
        return float(super().tick(*args, **kwargs))
