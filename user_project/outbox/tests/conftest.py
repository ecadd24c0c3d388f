"""What the tests of the outbox share."""

from collections.abc import Iterator

import pytest

from outbox.publisher import Publisher


@pytest.fixture
def publisher(broker: str) -> Iterator[Publisher]:
    publisher = Publisher()
    yield publisher
    publisher.close()
