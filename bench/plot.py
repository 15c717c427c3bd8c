"""A picture of one run, as SVG written by hand: bars of the activations, and two curves of the growth."""

import math
from collections.abc import Sequence
from html import escape

from bench import peer
from bench.figures import Figures

_WIDTH, _HEIGHT = 960, 360
_OURS, _PEER, _INK, _FAINT = "#0b6e4f", "#b0b7bf", "#22272e", "#e3e6ea"


def draw(figures: Figures) -> str:
    """The SVG document."""
    body = [*_bars(figures), *_curves(figures)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" font-family="sans-serif" font-size="12" fill="{_INK}">\n'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>\n' + "\n".join(body) + "\n</svg>\n"
    )


def _bars(figures: Figures) -> list[str]:
    """Left half: server CPU per activation at 8 clients, ours beside the peer's published figure."""
    left, top, bottom, width = 60, 60, 290, 400
    rows = [row for row in figures.activations if row.clients == 8]
    peers = [peer.ACTIVATION.get((row.case.marbles, row.case.secrets, row.case.limits)) for row in rows]
    ceiling = _ceiling([row.cpu_ms for row in rows] + [other.cpu_ms for other in peers if other])
    parts = [_text(left, 24, "Server CPU per activation, ms (8 clients)", size=14)]
    parts += [_swatch(left, 40, _OURS, "this run"), _swatch(left + 90, 40, _PEER, "peer, published, not measured here")]
    parts += _scale(left, top, bottom, width, ceiling)
    slot = width / max(1, len(rows))
    for index, (row, other) in enumerate(zip(rows, peers, strict=True)):
        x = left + index * slot + slot / 2
        parts += _bar(x - 34, row.cpu_ms, _OURS, ceiling, top, bottom)
        if other:
            parts += _bar(x + 2, other.cpu_ms, _PEER, ceiling, top, bottom)
        parts.append(_text(x, bottom + 18, f"{row.case.marbles} marbles", anchor="middle"))
        parts.append(_text(x, bottom + 33, f"{row.case.secrets} secrets", anchor="middle"))
        if row.case.limits:
            parts.append(_text(x, bottom + 48, "limits", anchor="middle"))
    return parts


def _curves(figures: Figures) -> list[str]:
    """Right half: memory over the number of activations (logarithmic), ours and the peer's published figures."""
    left, top, bottom, width = 540, 60, 290, 380
    ours = [(row.activations, row.rss_mb) for row in figures.growth]
    published = [(count, mb) for count, mb in peer.GROWTH if count]
    ceiling = _ceiling([mb for _, mb in ours + published])
    most = max(count for count, _ in ours + published)

    def place(count: int, mb: float) -> tuple[float, float]:
        along = (math.log10(count) - 2) / max(1e-9, math.log10(most) - 2)
        return left + 20 + along * (width - 60), bottom - mb / ceiling * (bottom - top)

    parts = [_text(left, 24, "Resident memory after activations, MB", size=14)]
    parts += [_swatch(left, 40, _OURS, "this run"), _swatch(left + 90, 40, _PEER, "peer, published, not measured here")]
    parts += _scale(left, top, bottom, width, ceiling)
    for points, colour, above in ((published, _PEER, -18), (ours, _OURS, 8)):
        places = [place(count, mb) for count, mb in points]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for (x, y), (_, mb) in zip(places, points, strict=True):
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>')
            parts.append(_text(x, y - above, f"{mb:.0f}", anchor="middle"))
    for count in sorted({count for count, _ in ours + published}):
        parts.append(_text(place(count, 0)[0], bottom + 18, f"{count:,}", anchor="middle"))
    parts.append(_text(left + width / 2, bottom + 40, "activations", anchor="middle"))
    return parts


def _bar(x: float, value: float, colour: str, ceiling: float, top: int, bottom: int) -> list[str]:
    height = value / ceiling * (bottom - top)
    return [
        f'<rect x="{x:.1f}" y="{bottom - height:.1f}" width="32" height="{height:.1f}" fill="{colour}"/>',
        _text(x + 16, bottom - height - 4, f"{value:.1f}", anchor="middle"),
    ]


def _scale(left: int, top: int, bottom: int, width: int, ceiling: float) -> list[str]:
    parts = []
    for step in range(5):
        y = bottom - step / 4 * (bottom - top)
        parts.append(f'<line x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}" stroke="{_FAINT}"/>')
        parts.append(_text(left - 8, y + 4, f"{ceiling * step / 4:g}", anchor="end"))
    return parts


def _ceiling(values: Sequence[float]) -> float:
    """The smallest of 1, 2, 4, 8 times a power of ten that is above every value by a tenth."""
    need = max(values) * 1.1
    power = 10.0 ** math.floor(math.log10(need))
    return next(power * step for step in (1, 2, 4, 8, 10) if power * step >= need)


def _swatch(x: float, y: float, colour: str, label: str) -> str:
    return f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{colour}"/>' + _text(x + 15, y, label)


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(text)}</text>'
