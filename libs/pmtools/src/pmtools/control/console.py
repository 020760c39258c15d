"""`pm console`: a link that opens the console of each engine, once."""

from __future__ import annotations

import argparse
import asyncio
import os

import msgspec

from pmcore.shell.control_client import ControlClient, open_http
from pmtools.control.engines import Engine
from pmtools.control.kill import nothing_found, read_choice, say_notes, title_of, visit
from pmtools.errors import EXIT_FAILED, EXIT_OK


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """Where an engine's console can be opened, or why it cannot."""

    url: str = ""
    problem: str = ""


def console_command(arguments: argparse.Namespace) -> int:
    """Print a link for each engine that is meant; 0 when every one of them gave one."""
    return asyncio.run(_links(arguments))


async def _links(arguments: argparse.Namespace) -> int:
    choice = read_choice(arguments)
    async with open_http() as http:

        async def ask(engine: Engine) -> Link:
            place = engine.service("console")
            if not place.url:
                return Link(problem=place.absent)
            answer = await ControlClient(http, place.url, place.token).post("/links", {})
            path = answer.body.get("path")
            if not answer.ok or not isinstance(path, str):
                return Link(problem=answer.problem or "its answer cannot be used")
            return Link(url=f"{place.url}{path}")

        seen, found = await visit(http, os.environ, choice, ask)
    say_notes(found)
    if arguments.json:
        links = {engine.name: msgspec.to_builtins(link) for engine, link in seen}
        print(msgspec.json.encode(links).decode())
    else:
        for engine, link in seen:
            print(f"{title_of(engine)}: {link.url or link.problem}")
    if not seen and not found.doubts:
        raise nothing_found(found, choice)
    return EXIT_OK if all(link.url for _, link in seen) and not found.doubts else EXIT_FAILED
