"""The tables of the live view, right from 80 columns on: whole words, whole reasons, aligned.

Figures of a window stand in columns of fixed width; what is left of the screen belongs to the
reason, which wraps at words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from pmtools.summary import as_mapping

LEAST_WIDTH = 80
OVER = ("awaiting_resolution", "settled")
_FIGURES = (("side", 4), ("book", 13), ("our bid", 7), ("held", 8))


def service_table(states: Mapping[str, Mapping[str, Any]], waiting: Mapping[str, str]) -> Table:
    """One row a service; the note says what is in its way, whole."""
    table = Table(box=None, pad_edge=False)
    table.add_column("service", no_wrap=True)
    table.add_column("ready", no_wrap=True)
    table.add_column("note", ratio=1, overflow="fold")
    for name in dict.fromkeys((*states, *waiting)):
        state = states.get(name, {})
        detail = state.get("market_socket") or state.get("channel") or state.get("mode") or ""
        note = note_of(state, waiting.get(name, "")) or str(detail)
        table.add_row(name, "no" if waiting.get(name) else "yes", Text(note))
    return table


def note_of(state: Mapping[str, Any], not_ready: str) -> str:
    """What is in a service's way, with its cause; else why it is not ready."""
    said = [
        f"{trouble.get('what')}: {str(trouble.get('cause', '')).replace('_', ' ')}, "
        f"{trouble.get('seconds', 0):.0f} s: {trouble.get('text')}"
        for trouble in state.get("troubles") or ()
        if isinstance(trouble, Mapping)
    ]
    return "; ".join(said) or not_ready


def causes_of(states: Mapping[str, Mapping[str, Any]]) -> frozenset[tuple[str, str]]:
    """What is in the way of which service, without times and texts."""
    return frozenset(
        (name, str(trouble.get("cause")))
        for name, state in states.items()
        for trouble in state.get("troubles") or ()
        if isinstance(trouble, Mapping)
    )


def window_group(windows: Mapping[str, Mapping[str, Any]]) -> Group:
    """Each window: a line about it, then a row a side with the reason why no bid rests."""
    parts: list[Text | Table] = []
    for slug, view in windows.items():
        parts.append(_headline(slug, view))
        if view.get("state") not in OVER:
            parts.append(_sides(view))
    return Group(*parts)


def _headline(slug: str, view: Mapping[str, Any]) -> Text:
    net, cost = view.get("net_diff", 0), view.get("portfolio_cost", 0)
    pair = f"  pair {cost:g}" if cost else ""
    return Text(f"{slug}  {view.get('state', '')}  net {net:+g}{pair}", style="bold")


def _sides(view: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name, width in _FIGURES:
        table.add_column(name, width=width, no_wrap=True)
    table.add_column("why no bid rests", ratio=1, overflow="fold")
    for name in ("up", "down"):
        side = as_mapping(as_mapping(view.get("outcomes")).get(name))
        table.add_row(name, *side_cells(side), Text(str(side.get("why", ""))))
    return table


def side_cells(side: Mapping[str, Any]) -> tuple[str, str, str]:
    """Touch, our bid, shares held."""
    touch = f"{_price(side.get('bid'))}/{_price(side.get('ask'))}"
    return touch, _price(side.get("quote")), f"{side.get('qty', 0):g}"


def why_of(view: Mapping[str, Any]) -> str:
    """Why nothing rests, in one line; the mode when both bids do."""
    return str(view.get("why") or view.get("hold") or view.get("mode", ""))


def _price(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else "-"
