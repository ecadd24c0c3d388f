"""The estate that the end-to-end tests share."""

from collections.abc import Iterator

import pytest
from tests.estate.estate import Estate
from tests.estate.settings import Engines


@pytest.fixture(scope="session")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    """Four services with their workers, as real processes, on the engines of the environment."""
    with Estate(tmp_path_factory.mktemp("estate"), Engines.from_environment()) as estate:
        estate.start()
        yield estate
