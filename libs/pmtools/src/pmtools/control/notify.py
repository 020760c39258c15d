"""`pm notify test`: the console of each engine sends a test text to its PM_NOTIFY_URLS."""

from __future__ import annotations

import argparse
import asyncio
import os
from typing import Any

import msgspec

from pmcore.shell.control_client import ControlClient, open_http
from pmtools.control.engines import Engine
from pmtools.control.kill import nothing_found, read_choice, say_notes, title_of, visit
from pmtools.errors import EXIT_FAILED, EXIT_OK
from pmtools.summary import as_mapping

ANSWER_S = 25.0
"""The console gives its addresses 20 s."""
_UNSET = "PM_NOTIFY_URLS is not set for its console, so nobody is told of alerts"


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the test: a problem of the whole, or by address."""

    problem: str = ""
    receipts: list[dict[str, str]] = msgspec.field(default_factory=list)

    @property
    def taken(self) -> bool:
        """Whether every address took it."""
        return bool(self.receipts) and not any(one["problem"] for one in self.receipts)

    def lines(self) -> list[str]:
        """For people."""
        if not self.receipts:
            return [self.problem]
        return [f"{one['target']}: {one['problem'] or 'sent'}" for one in self.receipts]


def notify_command(arguments: argparse.Namespace) -> int:
    """0 when every address of every engine that is meant took the text."""
    return asyncio.run(_test(arguments))


async def _test(arguments: argparse.Namespace) -> int:
    choice = read_choice(arguments)
    async with open_http(ANSWER_S) as http:

        async def ask(engine: Engine) -> Told:
            place = engine.service("console")
            if not place.url:
                return Told(problem=place.absent)
            answer = await ControlClient(http, place.url, place.token).post("/notify/test", {})
            receipts = _receipts(answer.body)
            if receipts is None:
                return Told(problem=answer.problem or "its answer cannot be used")
            return Told(receipts=receipts) if receipts else Told(problem=_UNSET)

        seen, found = await visit(http, os.environ, choice, ask)
    say_notes(found)
    if arguments.json:
        told = {engine.name: msgspec.to_builtins(one) for engine, one in seen}
        print(msgspec.json.encode(told).decode())
    else:
        for engine, one in seen:
            for line in one.lines():
                print(f"{title_of(engine)}: {line}")
    if not seen and not found.doubts:
        raise nothing_found(found, choice)
    return EXIT_OK if all(one.taken for _, one in seen) and not found.doubts else EXIT_FAILED


def _receipts(body: dict[str, Any]) -> list[dict[str, str]] | None:
    """None when the answer has none, as that of an older console."""
    given = body.get("receipts")
    if not isinstance(given, list):
        return None
    rows = [as_mapping(one) for one in given]
    return [{n: str(row.get(n, "")) for n in ("target", "problem")} for row in rows]
