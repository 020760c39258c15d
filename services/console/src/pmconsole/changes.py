"""What happened between two looks at the strategy: bids, reasons, phases.

`/state` tells how things are, not what happened: a bid that came and went between two looks is
not seen. Fills need no such comparison, the strategy lists them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pmconsole.fields import mapping, number

Event = dict[str, Any]


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Event]:
    """Events between two states of the strategy, without their time; none at the first look."""
    events: list[Event] = []
    old, new = mapping(before.get("windows")), mapping(after.get("windows"))
    for slug, view in new.items():
        if slug in old:
            events += _of_window(slug, mapping(old[slug]), mapping(view))
        elif before:
            events.append(_event("phase", slug, "", f"joined: {_words(mapping(view), 'state')}"))
    results = mapping(after.get("results_today"))
    for slug in old:
        if slug not in new:
            text = _result(mapping(results.get(slug)))
            events.append(_event("phase", slug, "", f"over{text}"))
    return events


def _of_window(slug: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Event]:
    events = []
    if old.get("state") != new.get("state"):
        events.append(_event("phase", slug, "", _words(new, "state")))
    for name in ("up", "down"):
        was = mapping(mapping(old.get("outcomes")).get(name))
        now = mapping(mapping(new.get("outcomes")).get(name))
        events += _of_side(slug, name, was, now)
    return events


def _of_side(slug: str, side: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Event]:
    events = []
    was, now = old.get("quote"), new.get("quote")
    why = str(new.get("why") or "")
    if was is None and now is not None:
        text = f"bid {number(now):g} for {number(new.get('leaves')):g} shares"
        events.append(_event("bid", slug, side, text))
    elif was is not None and now is None:
        gone = f"no bid: {why}" if why else "no bid"
        events.append(_event("no_bid", slug, side, gone))
    elif was != now:
        text = f"bid moved from {number(was):g} to {number(now):g}"
        events.append(_event("bid", slug, side, text))
    elif now is None and why and old.get("obstacle") != new.get("obstacle"):
        events.append(_event("no_bid", slug, side, f"no bid: {why}"))
    return events


def _event(kind: str, slug: str, side: str, text: str) -> Event:
    return {"kind": kind, "slug": slug, "side": side, "text": text}


def _words(view: Mapping[str, Any], field: str) -> str:
    return str(view.get(field) or "").replace("_", " ")


def _result(result: Mapping[str, Any]) -> str:
    if result.get("profit") is not None:
        return f", profit {number(result['profit']):+.2f}"
    if result.get("worst_case_profit") is not None:
        return f", winner unknown, worst case {number(result['worst_case_profit']):+.2f}"
    return ""
