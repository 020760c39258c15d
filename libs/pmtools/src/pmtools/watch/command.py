"""`pm watch`: choose an engine, see that its console answers, then show it."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping
from urllib.parse import urlsplit

from pmcore.shell.control_client import open_http
from pmtools.control.engines import Engine, given_token
from pmtools.control.kill import nothing_found, only_one, read_choice, say_notes, title_of, visit
from pmtools.errors import EXIT_OK, CommandError, UsageError
from pmtools.watch.app import WatchApp
from pmtools.watch.link import ConsoleLink, ConsolePlace, NoSnapshotError


def watch_command(arguments: argparse.Namespace) -> int:
    """0 when the operator left; 1 when the console does not answer or refuses us."""
    if not sys.stdout.isatty():
        raise UsageError("it needs a terminal; for programs there is pm status --json")
    place, patient = asyncio.run(find_place(arguments, os.environ))
    asyncio.run(watch(place, patient=patient))
    return EXIT_OK


async def watch(place: ConsolePlace, *, patient: bool) -> None:
    """Show it until the operator leaves; `patient`: it may only come up later."""
    app = await open_app(place, patient=patient)
    await app.run_async()


async def open_app(place: ConsolePlace, *, patient: bool = False) -> WatchApp:
    """The screen of a console that answers. Raise `CommandError` for one that does not."""
    link = ConsoleLink(place)
    try:
        return WatchApp(link, await link.history())
    except NoSnapshotError as error:
        if patient and error.nobody_listens:
            return WatchApp(link, [])
        await link.close()
        raise CommandError(str(error)) from None


async def find_place(
    arguments: argparse.Namespace, environ: Mapping[str, str]
) -> tuple[ConsolePlace, bool]:
    """The console that is meant, and whether its engine may still be starting."""
    if arguments.url:
        return _named(arguments.url, environ), False
    choice = read_choice(arguments)
    async with open_http() as http:

        async def look(engine: Engine) -> Engine:
            return engine

        seen, found = await visit(http, environ, choice, look)
    say_notes(found)
    if not seen:
        raise nothing_found(found, choice)
    engine = only_one([engine for engine, _ in seen], "--run ID, --compose PROJECT or --url")
    console = engine.service("console")
    if not console.url:
        raise CommandError(f"{title_of(engine)}: {engine.problem or console.absent}")
    place = ConsolePlace(title=title_of(engine), url=console.url, token=console.token)
    return place, engine.starting


def _named(url: str, environ: Mapping[str, str]) -> ConsolePlace:
    token, problem = given_token(environ)
    if not token:
        why = problem or "it has no control token: set PM_CONTROL_TOKEN or PM_CONTROL_TOKEN_FILE"
        raise UsageError(why)
    return ConsolePlace(title=urlsplit(url).netloc, url=url.rstrip("/"), token=token)
