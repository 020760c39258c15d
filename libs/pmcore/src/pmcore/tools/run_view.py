"""What `pm run` shows while it works: a live table on a terminal, else a line every few seconds."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pmcore.tools.summary import as_mapping, summarise_run

_PLAIN_EVERY_S = 5.0
_OVER = ("awaiting_resolution", "settled")
_SIDE_COLUMNS = ("up", "our bid", "held", "down", "our bid", "held")

States = Mapping[str, Mapping[str, Any]]


class RunView:
    """Shows progress on stderr, so that stdout keeps the summary alone."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._console = Console(stderr=True, highlight=False)
        self._live: Live | None = None
        self._last_plain_s = -_PLAIN_EVERY_S

    def __enter__(self) -> RunView:
        if sys.stderr.isatty():
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """One line that stays."""
        self._console.print(Text(text), soft_wrap=True)

    def show(self, elapsed_s: float, states: States, waiting: Mapping[str, str]) -> None:
        """The newest states; `waiting` says by service why it is not ready."""
        if self._live is not None:
            self._live.update(
                Group(
                    Text(f"{self._title}  {elapsed_s:.0f} s", style="bold"),
                    _service_table(states, waiting),
                    _window_table(states),
                    Text(_totals(states)),
                ),
                refresh=True,
            )
        elif elapsed_s - self._last_plain_s >= _PLAIN_EVERY_S:
            self._last_plain_s = elapsed_s
            self.say(_plain_line(elapsed_s, states, waiting))


def _plain_line(elapsed_s: float, states: States, waiting: Mapping[str, str]) -> str:
    parts = [f"{elapsed_s:4.0f} s"]
    if waiting:
        parts.append("; ".join(f"{name}: {why}" for name, why in waiting.items()))
    parts.append(_totals(states))
    parts += [
        _as_line(slug, view)
        for slug, view in _windows(states).items()
        if view.get("state") not in _OVER
    ]
    return " | ".join(part for part in parts if part)


def _totals(states: States) -> str:
    totals = summarise_run(states)
    resting = sum(
        as_mapping(side).get("quote") is not None
        for view in _windows(states).values()
        for side in as_mapping(view.get("outcomes")).values()
    )
    return (
        f"frames {totals.frames}, books ok {totals.books_verified}, "
        f"placed {totals.orders_placed}, cancelled {totals.orders_cancelled}, "
        f"resting {resting}, fills {totals.fills}, windows {totals.windows}"
    )


def _service_table(states: States, waiting: Mapping[str, str]) -> Table:
    table = Table("service", "ready", "note", box=None, pad_edge=False)
    for name, state in states.items():
        note = waiting.get(name, "")
        detail = state.get("market_socket") or state.get("channel") or state.get("mode") or ""
        table.add_row(name, "no" if note else "yes", note or str(detail))
    return table


def _window_table(states: States) -> Table:
    table = Table("window", "state", *_SIDE_COLUMNS, "net", "pair", "why", box=None, pad_edge=False)
    for slug, view in _windows(states).items():
        sides = [_side(view, name) for name in ("up", "down")]
        net, cost = view.get("net_diff", 0), view.get("portfolio_cost", 0)
        table.add_row(
            slug,
            str(view.get("state", "")),
            *(cell for side in sides for cell in side),
            f"{net:+g}",
            f"{cost:g}" if cost else "",
            str(view.get("hold") or view.get("mode", ""))[:60],
        )
    return table


def _side(view: Mapping[str, Any], name: str) -> tuple[str, str, str]:
    side = as_mapping(as_mapping(view.get("outcomes")).get(name))
    touch = f"{_price(side.get('bid'))}/{_price(side.get('ask'))}"
    return touch, _price(side.get("quote")), f"{side.get('qty', 0):g}"


def _price(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else "-"


def _windows(states: States) -> dict[str, Mapping[str, Any]]:
    windows = as_mapping(states.get("strategy", {}).get("windows"))
    return {slug: view for slug, view in windows.items() if isinstance(view, Mapping)}


def _as_line(slug: str, view: Mapping[str, Any]) -> str:
    (up_touch, up_quote, up_qty), (down_touch, down_quote, down_qty) = (
        _side(view, name) for name in ("up", "down")
    )
    return (
        f"{slug} {view.get('state', '')}: up {up_touch} bid {up_quote} has {up_qty}, "
        f"down {down_touch} bid {down_quote} has {down_qty} "
        f"({view.get('hold') or view.get('mode', '')})"
    )
