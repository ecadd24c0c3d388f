"""What cannot be written yet is waited for, ever longer, and given back in the end."""

import pytest
from celery.exceptions import Reject
from django.db import OperationalError

from customers.tasks import PATIENCE_SECONDS, persist


class TestPersist:
    def test_acts_again_until_it_succeeds(self) -> None:
        answers = iter([OperationalError("away"), OperationalError("away"), "done"])
        waits: list[float] = []

        def act() -> object:
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        assert persist(act, wait=waits.append) == "done"
        assert waits == [0.1, 0.2]

    def test_gives_the_message_back_when_its_patience_ends(self) -> None:
        waits: list[float] = []

        def act() -> None:
            raise OperationalError("away")

        with pytest.raises(Reject) as caught:
            persist(act, wait=waits.append)

        assert "requeue=True" in repr(caught.value)
        assert PATIENCE_SECONDS <= sum(waits) < PATIENCE_SECONDS + max(waits)
        assert max(waits) == 5
