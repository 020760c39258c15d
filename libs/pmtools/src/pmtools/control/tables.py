"""`pm positions`, `pm orders`, `pm fills`, `pm pnl`: what an engine holds, as a table.

All of it is in the strategy's `/state`. It shows its newest fills and results; older ones are in
the journals and at the venue.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import httpx
import msgspec
from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table

from pmcore.shell.control_client import ControlAnswer, ControlClient, open_http
from pmtools.control.engines import Engine
from pmtools.control.kill import nothing_found, read_choice, say_notes, title_of, visit
from pmtools.errors import EXIT_FAILED, EXIT_OK
from pmtools.money import profit_text
from pmtools.summary import as_mapping

_ANY_WIDTH = 10_000

Row = dict[str, Any]
State = Mapping[str, Any]


def positions(state: State, since_s: float | None) -> list[Row]:
    """What each window holds; `since_s` means nothing here."""
    del since_s
    rows = []
    for slug, given in as_mapping(state.get("windows")).items():
        view = as_mapping(given)
        sides = as_mapping(view.get("outcomes"))
        up, down = as_mapping(sides.get("up")), as_mapping(sides.get("down"))
        rows.append(
            {
                "window": slug,
                "state": view.get("state"),
                "up": up.get("qty"),
                "up_cost": up.get("avg_cost"),
                "down": down.get("qty"),
                "down_cost": down.get("avg_cost"),
                "net": view.get("net_diff"),
                "pair_cost": view.get("portfolio_cost"),
                "worst_case_profit": view.get("worst_case_profit"),
                "profit": view.get("profit"),
            }
        )
    return rows


def orders(state: State, since_s: float | None) -> list[Row]:
    """The bid of each side, or why none rests; `since_s` means nothing here."""
    del since_s
    rows = []
    for slug, view in as_mapping(state.get("windows")).items():
        for name, given in as_mapping(as_mapping(view).get("outcomes")).items():
            side = as_mapping(given)
            rows.append(
                {
                    "window": slug,
                    "side": name,
                    "our_bid": side.get("quote"),
                    "shares": side.get("leaves"),
                    "state": side.get("order_state"),
                    "best_bid": side.get("bid"),
                    "best_ask": side.get("ask"),
                    "why_no_bid_rests": side.get("why") or None,
                }
            )
    return rows


_FOR_PROGRAMS = ("reason", "phase", "flow", "ahead_shares", "rested_s")
"""What a fill is noted with beyond a screen's width: in `--json` and `--csv` only."""


def fills(state: State, since_s: float | None) -> list[Row]:
    """The newest fills, oldest first."""
    listed = state.get("fills")
    rows = []
    for given in listed if isinstance(listed, list) else []:
        fill = as_mapping(given)
        at_s = fill.get("at_s")
        if not isinstance(at_s, int | float) or (since_s is not None and at_s < since_s):
            continue
        marks = as_mapping(fill.get("markout_cents"))
        rows.append(
            {
                "time_utc": _utc(at_s),
                "window": fill.get("slug"),
                "side": fill.get("outcome"),
                "shares": fill.get("shares"),
                "price": fill.get("price"),
                **{f"markout_{name}_cents": marks.get(name) for name in ("1s", "5s", "60s")},
                "failed": "yes" if fill.get("failed") else None,
                "trade_id": fill.get("trade_id"),
                **{name: fill.get(name) for name in _FOR_PROGRAMS},
            }
        )
    return rows


def pnl(state: State, since_s: float | None) -> list[Row]:
    """The windows that are over, then those that are not, which count from any time on."""
    rows = []
    for slug, given in as_mapping(state.get("results")).items():
        result = as_mapping(given)
        close_s = result.get("close_s")
        if not isinstance(close_s, int | float) or (since_s is not None and close_s < since_s):
            continue
        rows.append(_profit_row(slug, "over", _utc(close_s), result))
    for slug, view in as_mapping(state.get("windows")).items():
        rows.append(_profit_row(slug, as_mapping(view).get("state"), None, as_mapping(view)))
    return rows


def _profit_row(slug: str, state: object, closed: str | None, given: State) -> Row:
    return {
        "window": slug,
        "state": state,
        "closed_utc": closed,
        "profit": given.get("profit"),
        "worst_case_profit": given.get("worst_case_profit"),
    }


_TABLES: Mapping[str, Callable[[State, float | None], list[Row]]] = {
    "positions": positions,
    "orders": orders,
    "fills": fills,
    "pnl": pnl,
}


def table_command(arguments: argparse.Namespace) -> int:
    """0 when every engine that is meant answered."""
    return asyncio.run(_show(arguments))


async def _show(arguments: argparse.Namespace) -> int:
    choice = read_choice(arguments)
    async with open_http() as http:

        async def ask(engine: Engine) -> ControlAnswer:
            return await _state_of(http, engine)

        seen, found = await visit(http, os.environ, choice, ask)
    say_notes(found)
    if not seen and not found.doubts:
        raise nothing_found(found, choice)
    well = True
    tables: list[tuple[Engine, list[Row]]] = []
    for engine, answer in seen:
        if answer.ok:
            since_s = _since_s(answer.body, getattr(arguments, "since", None))
            tables.append((engine, _TABLES[arguments.command](answer.body, since_s)))
        else:
            well = False
            print(f"{title_of(engine)}: the strategy: {answer.problem}", file=sys.stderr)
    if arguments.json:
        print(msgspec.json.encode({engine.name: rows for engine, rows in tables}).decode())
    elif arguments.csv:
        write_csv(tables)
    else:
        console = Console(highlight=False, markup=False)
        for engine, rows in tables:
            shown = [{k: v for k, v in row.items() if k not in _FOR_PROGRAMS} for row in rows]
            print_table(console, title_of(engine), shown)
            if arguments.command == "pnl" and rows:
                console.print(_sum_text(rows), soft_wrap=True)
    return EXIT_OK if well and not found.doubts else EXIT_FAILED


async def _state_of(http: httpx.AsyncClient, engine: Engine) -> ControlAnswer:
    place = engine.service("strategy")
    if not place.url:
        return ControlAnswer(status=0, body={}, problem=place.absent)
    return await ControlClient(http, place.url, place.token).get("/state")


def _since_s(state: State, back_s: float | None) -> float | None:
    """By the engine's clock, which is not ours when a recording is played."""
    clock_s = state.get("clock_s")
    if back_s is None or not isinstance(clock_s, int | float):
        return None
    return clock_s - back_s


def write_csv(tables: Sequence[tuple[Engine, list[Row]]]) -> None:
    """All rows on stdout, each with the name of its engine."""
    rows = [{"engine": engine.name, **row} for engine, rows in tables for row in rows]
    if rows:
        writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def print_table(console: Console, title: str, rows: Sequence[Row]) -> None:
    """A table where it fits; else each row as lines, so that no figure or reason is broken.

    What goes to a file or a pipe is a table of any width.
    """
    console.print(title, soft_wrap=True)
    if not rows:
        console.print("  nothing")
        return
    shown = [name for name in rows[0] if any(row[name] is not None for row in rows)]
    table = Table(box=None, pad_edge=False)
    for name in shown:
        numbers = all(isinstance(row[name], int | float | None) for row in rows)
        justify: Literal["left", "right"] = "right" if numbers else "left"
        table.add_column(name.replace("_", " "), justify=justify, no_wrap=True)
    for row in rows:
        table.add_row(*(_cell(name, row[name]) for name in shown))
    wide = Measurement.get(console, console.options.update(max_width=_ANY_WIDTH), table).maximum
    if not console.is_terminal:
        console.width = max(wide, console.width)
    if wide <= console.width:
        console.print(table)
        return
    first, *others = shown
    for row in rows:
        parts = [f"{n.replace('_', ' ')} {_cell(n, row[n])}" for n in others if row[n] is not None]
        console.print(f"{row[first]}")
        console.print(Padding(", ".join(parts), (0, 0, 0, 2)))


def _sum_text(rows: Sequence[Row]) -> str:
    known = [row["profit"] for row in rows if row["profit"] is not None]
    worst = [row["worst_case_profit"] or 0 for row in rows if row["profit"] is None]
    text = f"profit of {len(known)} windows with a known winner: {profit_text(sum(known))}"
    if worst:
        text += f"; {len(worst)} without one, if each ends at its worst: {profit_text(sum(worst))}"
    return text


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name.endswith("profit") and isinstance(value, int | float):
        return profit_text(value)
    if isinstance(value, int | float):
        return f"{value:.10g}"
    return "".join(char for char in str(value) if char.isprintable())


def _utc(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(sep=" ", timespec="milliseconds")[:-6]
