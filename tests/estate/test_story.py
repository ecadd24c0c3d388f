"""The story that `make demo` shows, as a test."""

from tests.estate.estate import Estate
from tests.estate.story import STORY, play


class TestTheEstate:
    def test_does_all_that_the_story_tells(self, estate: Estate):
        told = list(play(estate))

        assert [title for title, _, _ in told] == [title for title, _ in STORY]
