"""The figures as a picture: an SVG that any browser shows."""

from collections.abc import Iterator, Sequence
from html import escape
from statistics import median
from typing import Final

from tests.benchmarks.figures import LIMIT, OURS, USUAL, Row, Slice

WIDTH: Final = 900
_LABELS: Final = 250
_BARS: Final = 370
_BAR: Final = 16
_GAP: Final = 26
_COLOURS: Final = {OURS: "#2563eb", USUAL: "#9ca3af", LIMIT: "#f59e0b"}
_OTHER: Final = "#fcd34d"


def chart(rows: Sequence[Row], caption: str) -> str:
    """Requests a second of each variant, in each row as a part of the quickest."""
    parts = [*_drawn(rows)]
    height = _height(rows)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="12">',
            "<title>Requests a second</title>",
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
            '<text x="20" y="28" font-size="16" fill="#111827">Requests a second, '
            "and ours over theirs</text>",
            f'<text x="20" y="{height - 14}" fill="#6b7280" font-size="10">'
            f"{escape(caption)}</text>",
            *parts,
            "</svg>",
        ]
    )


def _height(rows: Sequence[Row]) -> int:
    return 60 + sum(_BAR * len(row.series) + _GAP for row in rows) + 20


def _drawn(rows: Sequence[Row]) -> Iterator[str]:
    y = 52
    for row in rows:
        rates = {name: median(_rates(row.slices(name))) for name in row.series if row.slices(name)}
        most = max(rates.values(), default=1.0)
        yield (
            f'<text x="20" y="{y + 12}" fill="#111827">{escape(row.title)}</text>'
            f'<text x="20" y="{y + 27}" fill="#6b7280">{row.clients} clients</text>'
        )
        for name in row.series:
            rate = rates.get(name)
            width = 0.0 if rate is None else _BARS * rate / most
            yield (
                f'<rect x="{_LABELS + 20}" y="{y}" width="{width:.1f}" height="{_BAR - 3}" '
                f'fill="{_COLOURS.get(name, _OTHER)}"/>'
                f'<text x="{_LABELS + 26 + width:.1f}" y="{y + 11}" fill="#111827">'
                f"{escape(_said(row, name, rate))}</text>"
            )
            y += _BAR
        y += _GAP


def _said(row: Row, name: str, rate: float | None) -> str:
    if rate is None:
        return f"{name}: nothing that counts"
    said = f"{name}: {rate:,.0f}"
    if name != OURS and (ratio := row.ratio(name)):
        said += f" (× {ratio.median:.2f})"
    return said


def _rates(slices: Sequence[Slice]) -> list[float]:
    return [one.rate for one in slices]
