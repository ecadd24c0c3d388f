"""Plots that a README shows: well-formed, and readable on a light and on a dark page."""

from xml.etree import ElementTree

import pytest
from tests.bench import plots
from tests.bench.figures import Must, Result
from tests.bench.plots import Bar

LIGHT, DARK = "#ffffff", "#0d1117"  # GitHub's pages


def luminance(colour: str) -> float:
    """As WCAG 2 defines it: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def result(*, limit: tuple[float, ...] = (), must: tuple[Must, ...] = ()) -> Result:
    return Result(
        figure="relay",
        what="A <b> & c",
        on="SQLite",
        unit="events/s",
        runs=(1, 2, 3),
        limit=limit,
        must=must,
    )


class TestTheColours:
    @pytest.mark.parametrize("page", [LIGHT, DARK])
    @pytest.mark.parametrize("colour", [plots.INK, plots.OURS, plots.LIMIT, plots.MISSED])
    def test_stand_out_on_any_page(self, colour, page):
        assert contrast(colour, page) >= 3  # WCAG's least for graphics

    @pytest.mark.parametrize("page", [LIGHT, DARK])
    def test_of_text_can_be_read(self, page):
        assert contrast(plots.INK, page) >= 4


class TestAPlot:
    def test_is_well_formed_whatever_the_words(self):
        drawn = plots.bars("x < y & z", [Bar.of(result(limit=(4,)))], limit_is="<none>")

        assert ElementTree.fromstring(drawn).tag.endswith("svg")  # noqa: S314  # drawn just now

    def test_has_lengths_in_proportion(self):
        drawn = plots.bars("x", [Bar.of(result(limit=(4,)))], limit_is="")

        room = plots.WIDTH - plots.NUMBERS
        assert f"width='{room / 2}'" in drawn  # 2 of 4
        assert f"width='{float(room)}'" in drawn

    def test_marks_what_must_be_reached_in_terms_of_the_limit(self):
        must = (Must(bound=0.7, at="least", of="limit"),)

        assert Bar.of(result(limit=(10,), must=must)).must == pytest.approx(7)

    @pytest.mark.parametrize(("busy", "told"), [(100, True), (3, False)])
    def test_tells_where_the_machine_was_not_ours(self, tmp_path, busy, told):
        plots.draw([result(limit=(4,))], busy, folder=tmp_path)

        assert ("100 % busy" in (tmp_path / "events.svg").read_text()) is told
