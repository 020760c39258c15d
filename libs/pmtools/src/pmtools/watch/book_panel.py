"""One window in detail: both books' levels with our bids, order flow, what is held and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from pmtools.run.layout import OVER
from pmtools.summary import as_mapping
from pmtools.watch.figures import (
    ABSENT,
    GOOD,
    SOFT,
    bar,
    countdown,
    figure,
    is_number,
    price,
    shares,
    words,
)
from pmtools.watch.link import Snapshot
from pmtools.watch.panels import in_lines

_KINDS = ("ask", "bid")


def detail(snapshot: Snapshot, chosen: Mapping[str, Any] | None) -> Text:
    """The chosen window, in a line."""
    if chosen is None:
        return Text("The feed has announced no window yet.")
    return Text(_line(snapshot, chosen))


def _line(snapshot: Snapshot, chosen: Mapping[str, Any]) -> str:
    over = chosen.get("state") in OVER
    parts = [
        words(chosen.get("slug")),
        words(chosen.get("state")),
        f"closes in {countdown(chosen.get('closes_s'), snapshot.get('clock_s'))}",
        f"net {shares(chosen.get('net_diff'))}, pair cost {price(chosen.get('portfolio_cost'))}",
    ]
    for name, field in (("hold", "hold"), ("doubt", "distrust"), ("winner", "winner")):
        if chosen.get(field):
            parts.append(f"{name}: {words(chosen[field])}")
    if chosen.get("can_open") is False and not over:
        parts.append("no new risk allowed")
    return " · ".join(parts)


def side(snapshot: Snapshot, chosen: Mapping[str, Any] | None, name: str) -> Text:
    """The book of `up` or `down` with our bid in it, and what is held."""
    if chosen is None:
        return Text("")
    view = as_mapping(as_mapping(chosen.get("outcomes")).get(name))
    age = view.get("book_age_ms")
    old = f", {age / 1000:.1f} s old" if is_number(age) else ""
    why = words(view.get("why"))
    held = f"held {shares(view.get('qty'))} (settled {shares(view.get('settled_qty'))})"
    lines = [
        Text(f"{name.upper()}  book {words(view.get('book')) or 'unknown'}{old}", "bold"),
        *_ladder(view, str(snapshot.get("mode"))),
        _flow(view),
        Text(f"{held}, cost {price(view.get('avg_cost') or None)}"),
        Text(f"why no bid: {why}" if why else "a bid rests", "" if why else GOOD),
    ]
    return in_lines(lines)


def _flow(side: Mapping[str, Any]) -> Text:
    flow, threshold = side.get("ofi"), side.get("threshold")
    name = f"flow {words(side.get('flow'))}"
    if not is_number(flow) or not is_number(threshold):
        return Text(f"{name}: {ABSENT}", SOFT)
    drawn = bar(abs(flow), threshold, 6)
    return Text(f"{drawn} {name}: {shares(flow)} of {shares(threshold)}")


def _ladder(side: Mapping[str, Any], mode: str) -> list[Text]:
    """Prices from the highest ask down to the lowest bid, with what others offer there."""
    levels = as_mapping(side.get("levels"))
    rows: list[tuple[float, int, float | None]] = []
    for rank, kind in enumerate(_KINDS):
        rows += [(at, rank, size) for at, size in _levels(levels.get(kind))]
    ours = side.get("quote")
    if is_number(ours) and (ours, 1) not in {(at, rank) for at, rank, _ in rows}:
        rows.append((ours, 1, None))  # deeper than what is told
    lines = []
    for at, rank, size in sorted(rows, key=lambda row: (-row[0], row[1])):
        kind = _KINDS[rank]
        if kind == "bid" and at == ours:
            lines.append(_own_level(side, at, size, mode))
        else:
            best = " best" if at == side.get(kind) else ""
            style = "red" if kind == "ask" else GOOD
            lines.append(Text.assemble((kind, style), f" {price(at):<5} {shares(size):>9}{best}"))
    return lines or [Text("no book", SOFT)]


def _levels(given: Any) -> list[tuple[float, float]]:
    """Price and size; what is no pair of figures is left out."""
    pairs = [pair for pair in given if isinstance(pair, list)] if isinstance(given, list) else []
    return [(p[0], p[1]) for p in pairs if len(p) == 2 and all(map(is_number, p))]


def _own_level(side: Mapping[str, Any], at: float, size: float | None, mode: str) -> Text:
    """Our bid's shares are part of the level, but in paper trading not in the venue's book."""
    leaves = figure(side.get("leaves"))
    others = None if size is None else max(0.0, size - (0 if mode == "dry" else leaves))
    text = f"OURS {shares(leaves)} {words(side.get('order_state'))}"
    return Text(f"bid {price(at):<5} {shares(others):>9} {text}", "bold reverse")
