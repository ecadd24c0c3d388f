"""Draws results as SVG: bars beside their limits, on no background, in colours that read on any."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from tests.bench.figures import Result, amount

# Each is seen both on white and on almost black, as tests/bench/test_plots.py makes sure.
INK, OURS, LIMIT, MISSED = "#7a7f87", "#2f81e0", "#8a8f98", "#d9622b"
WIDTH, NUMBERS, ROW, TOP = 860, 240, 48, 44
BUSY_PERCENT = 20  # of a machine that should be ours
FONT = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One row of a plot: our value with its spread, the limit, and what must be reached."""

    label: str
    value: float
    low: float
    high: float
    limit: float | None
    must: float | None
    is_met: bool | None
    unit: str

    @classmethod
    def of(cls, result: Result) -> "Bar":
        spread = result.value
        limit = sorted(result.limit)[len(result.limit) // 2] if result.limit else None
        bounds = [
            must.bound if must.of == "value" else must.bound * (limit or 0.0)
            for must in result.must
        ]
        return cls(
            label=f"{result.what}, {result.on.partition(',')[0]}",
            value=spread.middle,
            low=spread.low,
            high=spread.high,
            limit=limit,
            must=bounds[0] if bounds else None,
            is_met=result.is_met,
            unit=result.unit,
        )


def bars(title: str, rows: Sequence[Bar], *, limit_is: str) -> str:
    """A plot of rows in one unit, from zero, so that lengths compare."""
    largest = max(
        [each for row in rows for each in (row.high, row.limit or 0, row.must or 0)] + [1e-9]
    )
    room = WIDTH - NUMBERS

    def x(value: float) -> float:
        return round(room * value / largest, 1)

    height = TOP + ROW * len(rows) + 26
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' role='img' "
        f"{FONT} font-size='13' fill='{INK}'>",
        f"<title>{escape(title)}</title>",
        f"<text x='0' y='20' font-size='16' font-weight='600'>{escape(title)}</text>",
    ]
    for number, row in enumerate(rows):
        top = TOP + ROW * number
        colour = MISSED if row.is_met is False else OURS
        said = f"{amount(rounded(row.value))} {row.unit}"
        if row.limit is not None:
            said += f" of {amount(rounded(row.limit))}"
        parts += [
            f"<text x='0' y='{top + 12}'>{escape(row.label)}</text>",
            rectangle(0, top + 18, x(row.value), 13, colour),
            line(x(row.low), top + 24.5, x(row.high), top + 24.5, INK),
        ]
        if row.limit is not None:
            parts.append(rectangle(0, top + 33, x(row.limit), 4, LIMIT))
        if row.must is not None:
            parts.append(line(x(row.must), top + 15, x(row.must), top + 39, INK, dashes="3 2"))
        end = x(max(row.value, row.high, row.must or 0, row.limit or 0))
        parts.append(f"<text x='{end + 8}' y='{top + 29}'>{escape(said)}</text>")
    foot = height - 8
    parts += [
        rectangle(0, foot - 9, 12, 9, OURS),
        rectangle(16, foot - 9, 12, 9, MISSED),
        f"<text x='34' y='{foot}' font-size='12'>median with its spread; dashed: the target; "
        "orange: missed</text>",
        rectangle(470, foot - 6, 12, 4, LIMIT),
        f"<text x='488' y='{foot}' font-size='12'>{escape(limit_is)}</text>",
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def rectangle(left: float, top: float, width: float, height: float, colour: str) -> str:
    wide = round(max(width, 1), 1)
    return f"<rect x='{left}' y='{top}' width='{wide}' height='{height}' fill='{colour}'/>"


def line(
    left: float, top: float, right: float, bottom: float, colour: str, *, dashes: str = ""
) -> str:
    dashed = f" stroke-dasharray='{dashes}'" if dashes else ""
    ends = f"x1='{left}' y1='{top}' x2='{right}' y2='{bottom}'"
    return f"<line {ends} stroke='{colour}' stroke-width='1.5'{dashed}/>"


def rounded(value: float) -> float:
    """To three digits that mean something."""
    return float(f"{value:.3g}")


Choice = Callable[[Result], bool]

# A name, a title, what its limit is, and which results it shows.
PLOTS: tuple[tuple[str, str, str, Choice], ...] = (
    (
        "events",
        "From a row at the owner to a row in the copy, events a second",
        "bare drivers, the same rows and messages",
        lambda each: each.figure in {"relay", "worker", "end-to-end"} and each.unit == "events/s",
    ),
    (
        "freshness",
        "How late the copy is, from commit to commit",
        "bare py-amqp and psycopg",
        lambda each: each.figure == "freshness",
    ),
    (
        "growth",
        "What an event costs the relay, by how many are pending",
        "with 1,000 pending",
        lambda each: each.figure == "growth" and each.unit == "µs",
    ),
    (
        "hot-sku",
        "One SKU that everybody wants, reservations a second",
        "bare psycopg, bare Lua",
        lambda each: each.figure == "hot-sku" and each.unit == "reservations/s",
    ),
    (
        "lists",
        "Lists under gunicorn, requests a second",
        "a bare Django view of the same size",
        lambda each: each.figure == "lists",
    ),
    (
        "page",
        "A page of 100 orders with the names of their customers",
        "the same page from the copy",
        lambda each: each.figure == "page" and "100 calls" not in each.what,
    ),
)


def draw(results: Sequence[Result], busy: int, *, folder: Path) -> None:
    """Write each plot of which there are results; it says so where the machine was not ours."""
    shared = f" (machine {busy} % busy)" if busy > BUSY_PERCENT else ""
    for name, title, limit_is, shows in PLOTS:
        if rows := [Bar.of(result) for result in results if shows(result)]:
            (folder / f"{name}.svg").write_text(bars(title + shared, rows, limit_is=limit_is))
