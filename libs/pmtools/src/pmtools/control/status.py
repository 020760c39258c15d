"""`pm status`: every engine of this checkout: halts first, then services, then money.

What a service tells only to its token (`/state`) is missing without one, and then it says so.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from typing import Any

import httpx
import msgspec

from pmcore.shell.control_client import ControlAnswer, ControlClient, open_http
from pmtools.control.engines import Engine, Found, ServiceAt
from pmtools.control.kill import nothing_found, read_choice, say_notes, title_of, visit
from pmtools.errors import EXIT_FAILED, EXIT_OK
from pmtools.money import profit_text
from pmtools.summary import as_count, as_mapping

_UNKNOWN = "unknown"
_NEEDS_TOKEN = (401, 403)


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What one service said to /readyz and /state."""

    place: ServiceAt
    readiness: ControlAnswer
    state: ControlAnswer

    @property
    def reasons(self) -> list[str]:
        """Why it is not ready; empty when it is."""
        if self.readiness.ok:
            return []
        reasons = self.readiness.body.get("reasons")
        if isinstance(reasons, list) and reasons:
            return [str(reason) for reason in reasons]
        return [self.readiness.problem]

    @property
    def token_refused(self) -> bool:
        """Whether it answers, but not to our token."""
        return self.state.status in _NEEDS_TOKEN


class HaltShown(msgspec.Struct, frozen=True, kw_only=True):
    """A halt as people see it. `series` is "" for a halt of the whole engine."""

    reason: str
    by: str
    since: str
    series: str = ""
    services: tuple[str, ...] = ()


def status_command(arguments: argparse.Namespace) -> int:
    """Ask every service; 0 when all are ready and nothing is halted."""
    return asyncio.run(_status(arguments))


async def _status(arguments: argparse.Namespace) -> int:
    choice = read_choice(arguments)
    async with open_http() as http:

        async def ask(engine: Engine) -> list[ServiceStatus]:
            return list(await asyncio.gather(*(_ask(http, place) for place in engine.services)))

        seen, found = await visit(http, os.environ, choice, ask)
    say_notes(found)
    if arguments.json:
        print(msgspec.json.encode(_as_object(seen, found)).decode())
    else:
        print_status(seen)
    if not seen and not found.doubts:
        raise nothing_found(found, choice)
    well = seen and not found.doubts and all(_is_well(services) for _, services in seen)
    return EXIT_OK if well else EXIT_FAILED


async def _ask(http: httpx.AsyncClient, place: ServiceAt) -> ServiceStatus:
    if place.absent:
        nobody = ControlAnswer(status=0, body={}, problem=place.absent)
        return ServiceStatus(place=place, readiness=nobody, state=nobody)
    client = ControlClient(http, place.url, place.token)
    readiness, state = await asyncio.gather(client.get("/readyz"), client.get("/state"))
    return ServiceStatus(place=place, readiness=readiness, state=state)


def halts_of(services: list[ServiceStatus]) -> list[HaltShown]:
    """The halts of an engine: the same halt at several services is one, series' halts are last."""
    merged: dict[str, HaltShown] = {}
    of_series = []
    for each in services:
        halt = as_mapping(each.state.body.get("halt"))
        reason = halt.get("reason") or each.readiness.body.get("halted")
        if reason:
            old = merged.get(str(reason))
            merged[str(reason)] = HaltShown(
                reason=_plain(reason),
                by=_plain(halt.get("by") or (old.by if old else _UNKNOWN)),
                since=_plain(halt.get("since") or (old.since if old else _UNKNOWN)),
                services=(*(old.services if old else ()), each.place.name),
            )
        for series, view in as_mapping(each.state.body.get("series_halts")).items():
            shown = as_mapping(view)
            of_series.append(
                HaltShown(
                    reason=_plain(shown.get("reason")),
                    by=_plain(shown.get("by")),
                    since=_plain(shown.get("since")),
                    series=_plain(series),
                    services=(each.place.name,),
                )
            )
    return [*merged.values(), *of_series]


def print_status(seen: list[tuple[Engine, list[ServiceStatus]]]) -> None:
    """The page for people: halts of all engines before anything else."""
    lines = [line for engine, services in seen for line in _halt_lines(engine, services)]
    for engine, services in seen:
        lines += ["", title_of(engine)] if lines else [title_of(engine)]
        if engine.problem:
            lines.append(f"  {engine.problem}")
        lines += _service_lines(services)
        lines += _hidden_lines(services)
        lines += _money_lines(services)
    for line in lines:
        print(line)


def _halt_lines(engine: Engine, services: list[ServiceStatus]) -> list[str]:
    lines = []
    tradings = [each.place.name for each in services if each.place in engine.halting]
    for halt in halts_of(services):
        what = f"{engine.name}, series {halt.series}" if halt.series else engine.name
        since = halt.since.replace("T", " ").replace("Z", " UTC")
        others = [name for name in tradings if name not in halt.services]
        rest = f"; NOT halted: {', '.join(others)}" if others and not halt.series else ""
        lines.append(f"HALTED {what}: {halt.reason} (since {since}, by {halt.by}{rest})")
    return lines


def _service_lines(services: list[ServiceStatus]) -> list[str]:
    wide = max((len(each.place.name) for each in services), default=0)
    lines = []
    for each in services:
        ready = (
            "ready" if each.readiness.ok else f"not ready: {'; '.join(map(_plain, each.reasons))}"
        )
        lines.append(f"  {each.place.name.ljust(wide)}  {each.place.url or '-'}  {ready}")
    return lines


def _hidden_lines(services: list[ServiceStatus]) -> list[str]:
    refused = [each.place.name for each in services if each.token_refused]
    if not refused:
        return []
    return [
        f"  cannot be shown: profit, windows, orders, and since when and by whom it is halted. "
        f"{', '.join(refused)} did not take the control token (PM_CONTROL_TOKEN)"
    ]


def _money_lines(services: list[ServiceStatus]) -> list[str]:
    state = next((e.state.body for e in services if e.place.name == "strategy"), {})
    if not isinstance(state.get("profit_today"), int | float):
        return []
    unknown = as_count(state.get("winners_unknown_today"))
    settled = as_count(state.get("windows_settled_today"))
    without = f", {unknown} more without a known winner" if unknown else ""
    worst = state.get("worst_case_profit_today")
    lines = [
        f"  profit today (UTC): {profit_text(state['profit_today'])} "
        f"in {settled - unknown} settled windows{without}"
    ]
    if isinstance(worst, int | float):
        lines.append(f"  if every window without a winner ends at its worst: {profit_text(worst)}")
    for slug, view in as_mapping(state.get("windows")).items():
        window = as_mapping(view)
        lines.append(f"    {_plain(slug)}  {_plain(window.get('state'))}  {_profit_of(window)}")
    for slug, view in as_mapping(state.get("results_today")).items():
        if slug not in as_mapping(state.get("windows")):
            lines.append(f"    {_plain(slug)}  over  {_profit_of(as_mapping(view))}")
    return lines


def _profit_of(window: Any) -> str:
    if isinstance(profit := window.get("profit"), int | float):
        return f"profit {profit_text(profit)}"
    if isinstance(worst := window.get("worst_case_profit"), int | float):
        return f"no winner known; profit in the worst case {profit_text(worst)}"
    return ""


def _is_well(services: list[ServiceStatus]) -> bool:
    """The console does not count: an engine works without it."""
    engine = [each for each in services if each.place.name != "console"]
    return bool(engine) and all(each.readiness.ok for each in engine) and not halts_of(engine)


def _as_object(seen: list[tuple[Engine, list[ServiceStatus]]], found: Found) -> dict[str, Any]:
    return {
        "engines": [
            {
                "name": engine.name,
                "kind": engine.kind.value,
                "about": engine.about,
                "problem": engine.problem,
                "halts": msgspec.to_builtins(halts_of(services)),
                "services": {
                    each.place.name: {
                        "url": each.place.url,
                        "ready": each.readiness.ok,
                        "reasons": each.reasons,
                        "token_refused": each.token_refused,
                        "state": each.state.body,
                    }
                    for each in services
                },
            }
            for engine, services in seen
        ],
        "notes": found.notes,
        "doubts": found.doubts,
    }


def _plain(value: object) -> str:
    """Another process' text in one printable line."""
    text = " ".join(str(value if value is not None else "").split())
    return "".join(char for char in text if char.isprintable())
