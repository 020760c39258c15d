"""Small charts as SVG text: lines and grouped bars with axes, a legend and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT = 720, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 44, 40
_COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd", "#8c564b", "#d62728")

Points = Sequence[tuple[float, float]]


def line_chart(
    title: str,
    series: Mapping[str, Points],
    *,
    x_ticks: Sequence[tuple[float, str]],
    y_ticks: Sequence[tuple[float, str]],
) -> str:
    """Lines over the range of the ticks; points outside it are left out."""
    x_low, x_high = x_ticks[0][0], x_ticks[-1][0]
    y_low, y_high = y_ticks[0][0], y_ticks[-1][0]
    body = _y_axis([(_scaled(y, y_low, y_high), text) for y, text in y_ticks])
    for x, text in x_ticks:
        body.append(_text(_x(_scaled(x, x_low, x_high)), _HEIGHT - _BOTTOM + 16, text, "middle"))
    for number, points in enumerate(series.values()):
        path = " ".join(
            f"{_x(_scaled(x, x_low, x_high)):.1f},{_y(_scaled(y, y_low, y_high)):.1f}"
            for x, y in points
            if x_low <= x <= x_high and y_low <= y <= y_high
        )
        colour = _COLOURS[number % len(_COLOURS)]
        body.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.2"/>')
    return _page(title, body, list(series))


def bar_chart(
    title: str, groups: Sequence[str], series: Mapping[str, Sequence[float | None]], top: float
) -> str:
    """Bars side by side for each group, from 0 to `top`; a missing value has no bar."""
    body = _y_axis([(share, f"{top * share:.3g}") for share in (0.0, 0.25, 0.5, 0.75, 1.0)])
    room = (_WIDTH - _LEFT - _RIGHT) / max(1, len(groups))
    bar = 0.8 * room / max(1, len(series))
    for place, group in enumerate(groups):
        left = _LEFT + place * room
        body.append(_text(left + room / 2, _HEIGHT - _BOTTOM + 16, group, "middle"))
        for number, values in enumerate(series.values()):
            value = values[place]
            if value is None:
                continue
            y, x = _y(min(1.0, value / top)), left + 0.1 * room + number * bar
            height = _HEIGHT - _BOTTOM - y
            colour = _COLOURS[number % len(_COLOURS)]
            body.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{bar * 0.9:.1f}" height="{height:.1f}" '
                f'fill="{colour}"/>'
            )
            body.append(_text(x + bar * 0.45, y - 3, f"{value:.3g}", "middle", 9))
    return _page(title, body, list(series))


def _page(title: str, body: Sequence[str], names: Sequence[str]) -> str:
    legend, x = [], float(_LEFT)
    for number, name in enumerate(names):
        colour = _COLOURS[number % len(_COLOURS)]
        legend.append(f'<rect x="{x:.1f}" y="26" width="10" height="10" fill="{colour}"/>')
        legend.append(_text(x + 14, 35, name, "start"))
        x += 30 + 6.5 * len(name)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        _text(_LEFT, 18, title, "start", 13),
        *legend,
        *body,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _y_axis(ticks: Sequence[tuple[float, str]]) -> list[str]:
    parts = []
    for share, text in ticks:
        y = _y(share)
        parts.append(
            f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" stroke="#ddd"/>'
        )
        parts.append(_text(_LEFT - 6, y + 4, text, "end"))
    return parts


def _text(x: float, y: float, text: str, anchor: str, size: int = 11) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )


def _scaled(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low)


def _x(share: float) -> float:
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _y(share: float) -> float:
    return _TOP + (1.0 - share) * (_HEIGHT - _TOP - _BOTTOM)
