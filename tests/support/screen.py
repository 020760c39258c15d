"""What stands on a textual screen, as lines of text, read from its own picture."""

from __future__ import annotations

import html
import re
from collections import defaultdict
from collections.abc import Callable

from textual.app import App
from textual.pilot import Pilot

PATIENCE_S = 20.0
_COLUMN = 12.2
"""Width of a letter in the picture."""
_PIECE = re.compile(r'<text [^>]*?x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)</text>')


def lines_of(app: App[None]) -> list[str]:
    """The lines that a person sees."""
    body = app.export_screenshot().rpartition("<clipPath")[2]
    rows: defaultdict[float, list[tuple[float, str]]] = defaultdict(list)
    for x, y, text in _PIECE.findall(body):
        rows[float(y)].append((float(x), html.unescape(text).replace("\xa0", " ").rstrip("\n")))
    return [_line(rows[y]) for y in sorted(rows)]


def _line(pieces: list[tuple[float, str]]) -> str:
    """Pieces of one line, each at its column."""
    line = ""
    for x, text in sorted(pieces):
        line = line.ljust(round(x / _COLUMN)) + text
    return line


def text_of(app: App[None]) -> str:
    """All of it, with the spaces of lines that were broken taken together."""
    return " ".join(" ".join(lines_of(app)).replace("│", " ").split())


async def until(pilot: Pilot[None], what: str, holds: Callable[[str], bool]) -> str:
    """Wait until the screen's text is so."""
    for _ in range(int(PATIENCE_S / 0.2)):
        text = text_of(pilot.app)
        if holds(text):
            return text
        await pilot.pause(0.2)
    raise AssertionError(f"never: {what}:\n" + "\n".join(lines_of(pilot.app)))
