"""What `pm run` shows while it works: a live table on a terminal, else a line every few seconds."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from pmtools.run.layout import (
    OVER,
    causes_of,
    note_of,
    service_table,
    side_cells,
    why_of,
    window_group,
)
from pmtools.summary import as_mapping, summarise_run

_PLAIN_EVERY_S = 5.0

States = Mapping[str, Mapping[str, Any]]


class RunView:
    """Shows progress on stderr, so that stdout keeps the summary alone."""

    def __init__(self, title: str, console: Console | None = None) -> None:
        self._title = title
        self._console = console or Console(stderr=True, highlight=False)
        self._live: Live | None = None
        self._last_plain_s = -_PLAIN_EVERY_S
        self._causes: frozenset[tuple[str, str]] = frozenset()

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
        self._console.print(Text(text), soft_wrap=not self._console.is_terminal)

    def show(self, elapsed_s: float, states: States, waiting: Mapping[str, str]) -> None:
        """The newest states; `waiting` says by service why it is not ready."""
        if self._live is not None:
            self._live.update(
                self.render(elapsed_s, states, waiting),
                refresh=True,
            )
        elif self._is_news(states) or elapsed_s - self._last_plain_s >= _PLAIN_EVERY_S:
            self._last_plain_s = elapsed_s
            self.say(_plain_line(elapsed_s, states, waiting))

    def _is_news(self, states: States) -> bool:
        """A cause that was not there before is said at once."""
        causes = causes_of(states)
        new = causes - self._causes
        self._causes = causes
        return bool(new)

    def render(self, elapsed_s: float, states: States, waiting: Mapping[str, str]) -> Group:
        """The whole live view."""
        return Group(
            Text(f"{self._title}  {elapsed_s:.0f} s", style="bold"),
            service_table(states, waiting),
            window_group(_windows(states)),
            Text(_totals(states)),
        )


def _plain_line(elapsed_s: float, states: States, waiting: Mapping[str, str]) -> str:
    parts = [f"{elapsed_s:4.0f} s"]
    notes = {n: note_of(states.get(n, {}), waiting.get(n, "")) for n in (*states, *waiting)}
    parts.append("; ".join(f"{name}: {note}" for name, note in notes.items() if note))
    parts.append(_totals(states))
    parts += [
        _as_line(slug, view)
        for slug, view in _windows(states).items()
        if view.get("state") not in OVER
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


def _windows(states: States) -> dict[str, Mapping[str, Any]]:
    windows = as_mapping(states.get("strategy", {}).get("windows"))
    return {slug: view for slug, view in windows.items() if isinstance(view, Mapping)}


def _as_line(slug: str, view: Mapping[str, Any]) -> str:
    (up_touch, up_quote, up_qty), (down_touch, down_quote, down_qty) = (
        side_cells(as_mapping(as_mapping(view.get("outcomes")).get(name)))
        for name in ("up", "down")
    )
    return (
        f"{slug} {view.get('state', '')}: up {up_touch} bid {up_quote} has {up_qty}, "
        f"down {down_touch} bid {down_quote} has {down_qty} "
        f"({why_of(view)})"
    )
