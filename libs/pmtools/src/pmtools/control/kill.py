"""`pm kill` and `pm resume`: sent to every engine of this checkout.

A kill without a choice reaches all engines at once; those that need Docker to be found hold up no
other. Nothing here waits without a bound.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec

from pmcore.shell.clock import monotonic_s
from pmcore.shell.control_client import ControlAnswer, ControlClient, open_http
from pmtools.control.checkout import find_checkout
from pmtools.control.compose_stack import find_stacks
from pmtools.control.engines import (
    Engine,
    EngineKind,
    Found,
    ServiceAt,
    find_by_hand,
    find_named_engine,
    find_run_engines,
    port_of,
)
from pmtools.errors import EXIT_FAILED, EXIT_OK, CommandError, UsageError

EXIT_NOTHING_FOUND = 3
ANSWER_S = 8.0
"""How long a service may take: it obeys first, then tries for up to 4 s to tell Redis."""
START_WAIT_S = 5.0
"""How long a kill waits for services of a `pm run` that is just starting."""
_RETRY_S = 0.25
_MAX_BY, _MAX_REASON = 100, 200  # what a service takes; more would be refused
_NO_REASON = "operator"

T = TypeVar("T")


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Which engines are meant; without any of the fields, all."""

    run: str = ""
    compose: str | None = None
    urls: bool = False
    every: bool = False

    @property
    def made(self) -> bool:
        """Whether the operator chose."""
        return bool(self.run or self.compose is not None or self.urls or self.every)

    def takes(self, engine: Engine) -> bool:
        """Whether this engine is meant."""
        if self.run:
            return engine.kind is EngineKind.RUN and self.run in engine.ids
        if self.compose is not None:
            named = self.compose in ("", *engine.ids)
            return engine.kind is EngineKind.COMPOSE and named
        return engine.kind is EngineKind.URLS if self.urls else True


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What the services of one engine said to a kill or a resume."""

    engine: Engine
    answers: dict[str, ControlAnswer]

    @property
    def obeyed(self) -> bool:
        """Whether every service that a halt is for took it."""
        return bool(self.answers) and all(answer.ok for answer in self.answers.values())


def kill_command(arguments: argparse.Namespace) -> int:
    """Halt every engine that is meant; 0 only when all of them obeyed."""
    reason = " ".join(arguments.reason.split())[:_MAX_REASON] or _NO_REASON
    body = {"reason": reason, "by": _operator()}
    return asyncio.run(_kill(read_choice(arguments), body, as_json=arguments.json))


def resume_command(arguments: argparse.Namespace) -> int:
    """Lift the halt of one engine, or of those chosen; 0 only when all of them obeyed."""
    body = {"by": _operator()}
    return asyncio.run(_resume(read_choice(arguments), body, as_json=arguments.json))


def read_choice(arguments: argparse.Namespace) -> Choice:
    """The options --run, --compose, --urls and --all."""
    return Choice(
        run=arguments.run or "",
        compose=arguments.compose,
        urls=arguments.urls,
        every=arguments.all,
    )


async def visit(
    http: httpx.AsyncClient,
    environ: Mapping[str, str],
    choice: Choice,
    action: Callable[[Engine], Awaitable[T]],
) -> tuple[list[tuple[Engine, T]], Found]:
    """Do something to every engine that is meant, to each as soon as it is found.

    Returns what came of it, and the notes and doubts of the search.
    """
    checkout = find_checkout()
    near = await find_run_engines(http, environ, checkout)
    near.engines += find_named_engine(environ).engines

    async def act(found: Found) -> list[tuple[Engine, T]]:
        meant = [engine for engine in found.engines if choice.takes(engine)]
        return list(zip(meant, await asyncio.gather(*map(action, meant)), strict=True))

    async def far() -> tuple[list[tuple[Engine, T]], Found]:
        found = await _find_far(http, environ, checkout, near)
        return await act(found), found

    if choice.run or choice.urls:
        return await act(near), Found(engines=near.engines)
    here, (there, found) = await asyncio.gather(act(near), far())
    others = near.engines + found.engines
    done = [(e, result) for e, result in here if not _is_covered(e, others)] + there
    return done, Found(engines=near.engines, notes=found.notes, doubts=found.doubts)


async def _find_far(
    http: httpx.AsyncClient, environ: Mapping[str, str], checkout: Path | None, near: Found
) -> Found:
    stacks = await find_stacks(checkout, environ)
    taken = stacks.published_ports | {
        port_of(url) for engine in near.engines for url in engine.urls
    }
    by_hand = await find_by_hand(http, environ, taken)
    stacks.found.engines += by_hand.engines
    return stacks.found


def _is_covered(engine: Engine, others: list[Engine]) -> bool:
    """Whether PM_<SERVICE>_URL names nothing but services of another engine."""
    found = [other for other in others if other.kind is not EngineKind.URLS]
    ports = {port_of(url) for other in found for url in other.urls}
    return engine.kind is EngineKind.URLS and all(port_of(url) in ports for url in engine.urls)


async def _kill(choice: Choice, body: dict[str, Any], *, as_json: bool) -> int:
    async with open_http(ANSWER_S) as http:

        async def halt(engine: Engine) -> Result:
            return await tell(http, engine, "/kill", body)

        done, found = await visit(http, os.environ, choice, halt)
    return _report([result for _, result in done], found, choice, "halted", as_json=as_json)


async def _resume(choice: Choice, body: dict[str, Any], *, as_json: bool) -> int:
    async with open_http(ANSWER_S) as http:

        async def look(engine: Engine) -> Engine:
            return engine

        done, found = await visit(http, os.environ, choice, look)
        engines = [engine for engine, _ in done]
        if engines and not choice.every:
            options = "--run ID (its number or its process), --compose PROJECT, --urls or --all"
            only_one(engines, options)
        results = await asyncio.gather(*(tell(http, e, "/resume", body) for e in engines))
    return _report(list(results), found, choice, "resumed", as_json=as_json)


def only_one(engines: list[Engine], options: str) -> Engine:
    """The only engine that is up. Raise `UsageError`, which names the options, for several."""
    if len(engines) > 1:
        names = ", ".join(engine.name for engine in engines)
        raise UsageError(f"several engines are up: {names}; say which one: {options}")
    return engines[0]


async def tell(http: httpx.AsyncClient, engine: Engine, path: str, body: dict[str, Any]) -> Result:
    """POST to every service that a halt is for, all at once."""
    services = engine.halting
    answers = await asyncio.gather(
        *(_post(http, each, path, body, patient=engine.starting) for each in services)
    )
    names = [each.name for each in services]
    return Result(engine=engine, answers=dict(zip(names, answers, strict=True)))


async def _post(
    http: httpx.AsyncClient, place: ServiceAt, path: str, body: dict[str, Any], *, patient: bool
) -> ControlAnswer:
    if place.absent:
        return ControlAnswer(status=0, body={}, problem=place.absent)
    client = ControlClient(http, place.url, place.token)
    deadline_s = monotonic_s() + START_WAIT_S
    while True:
        answer = await client.post(path, body)
        if not (patient and answer.refused) or monotonic_s() > deadline_s:
            return answer
        await asyncio.sleep(_RETRY_S)


def _report(
    results: list[Result], found: Found, choice: Choice, done: str, *, as_json: bool
) -> int:
    say_notes(found)
    obeyed = bool(results) and all(result.obeyed for result in results) and not found.doubts
    if as_json:
        print(msgspec.json.encode(_as_object(results, found, obeyed=obeyed)).decode())
    else:
        for line in (line for result in results for line in _lines(result, done)):
            print(line)
    if not results and not found.doubts:
        raise nothing_found(found, choice)
    return EXIT_OK if obeyed else EXIT_FAILED


def say_notes(found: Found) -> None:
    """What the search could not see, on stderr."""
    for note in found.notes:
        print(f"({note})", file=sys.stderr)
    for doubt in found.doubts:
        print(doubt, file=sys.stderr)


def nothing_found(found: Found, choice: Choice) -> CommandError:
    """The error of a command that found no engine to speak to."""
    others = ", ".join(engine.name for engine in found.engines)
    if choice.made and others:
        text = f"no such engine is up; up are: {others}"
    else:
        text = "no engine of this checkout is up: no pm run, no Compose stack, nothing by hand"
    return CommandError(text, exit_code=EXIT_NOTHING_FOUND)


def title_of(engine: Engine) -> str:
    """`run-3 (sim, process 4711)`."""
    return f"{engine.name} ({engine.about})" if engine.about else engine.name


def _lines(result: Result, done: str) -> list[str]:
    title = title_of(result.engine)
    if result.obeyed:
        away = any(answer.body.get("redis") == "away" for answer in result.answers.values())
        kept = "; Redis is away, so each service keeps the halt itself" if away else ""
        return [f"{title}: {done}{kept}"]
    if not any(answer.ok for answer in result.answers.values()):
        lines = [f"{title}: NOT {done}"]
    else:
        lines = [f"{title}: {done} only in part"]
    if result.engine.problem:
        lines.append(f"  {result.engine.problem}")
    for name, answer in result.answers.items():
        why = answer.body.get("why") or answer.problem
        lines.append(f"  {name}: {done if answer.ok else why}")
    return lines


def _as_object(results: list[Result], found: Found, *, obeyed: bool) -> dict[str, Any]:
    return {
        "obeyed": obeyed,
        "engines": [
            {
                "name": result.engine.name,
                "kind": result.engine.kind.value,
                "obeyed": result.obeyed,
                "problem": result.engine.problem,
                "services": {
                    name: {"obeyed": answer.ok, "problem": answer.problem}
                    for name, answer in result.answers.items()
                },
            }
            for result in results
        ],
        "notes": found.notes,
        "doubts": found.doubts,
    }


def _operator() -> str:
    """Who asks: the user and the machine, kept with a halt."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = f"user {os.getuid()}"
    return f"{user}@{socket.gethostname()}"[:_MAX_BY]
