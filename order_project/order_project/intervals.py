"""Intervals of beat that a clock set back does not stretch."""

from datetime import datetime

from celery.schedules import schedstate, schedule


class Every(schedule):
    """Due an interval after the last time, and at once where that is yet to come."""

    def is_due(self, last_run_at: datetime) -> schedstate:
        if self.maybe_make_aware(last_run_at) > self.now():
            return schedstate(is_due=True, next=self.seconds)
        return super().is_due(last_run_at)
