"""`pm logs`: what the services of every engine wrote, in the order of their times.

A service writes JSON lines (`pmcore.shell.service.logs`). What is no such line, as a traceback of
the interpreter, keeps the time of the line before it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import real_now_ns
from pmcore.shell.control_client import open_http
from pmtools.control.arguments import LEVELS
from pmtools.control.compose_stack import DockerError, container_log
from pmtools.control.engines import Engine, ServiceAt
from pmtools.control.kill import nothing_found, read_choice, say_notes, title_of, visit
from pmtools.control.tables import Row, write_csv
from pmtools.errors import EXIT_FAILED, EXIT_OK
from pmtools.processes import tail_of

MOST_BYTES = 4_000_000
MOST_LINES = 20_000
"""Of one service; more is not read."""
_USUAL = 50
_FIELDS_SHOWN = 400
_OWN = ("ts", "level", "service", "event")
_PLAIN = "-"


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line. `level` is "-" for what is no line of ours; `at_s` is the wall clock's."""

    at_s: float
    level: str
    service: str
    event: str
    fields: Mapping[str, Any] = {}

    @property
    def row(self) -> Row:
        """For tables and programs."""
        at = datetime.fromtimestamp(self.at_s, UTC).isoformat(sep=" ", timespec="milliseconds")
        return {
            "time_utc": at.removesuffix("+00:00"),
            "level": self.level,
            "service": self.service,
            "event": self.event,
            "fields": dict(self.fields),
        }


class ReadLog(msgspec.Struct, frozen=True, kw_only=True):
    """The lines of an engine, and which logs could not be read."""

    lines: list[LogLine]
    problems: list[str]


def parse_lines(service: str, texts: Iterable[str]) -> list[LogLine]:
    """The lines of one service, in its order."""
    lines: list[LogLine] = []
    for text in texts:
        if not text.strip():
            continue
        try:
            given = msgspec.json.decode(text, type=dict[str, Any])
            at_s = datetime.fromisoformat(str(given["ts"])).timestamp()
        except (msgspec.MsgspecError, KeyError, ValueError):
            before_s = lines[-1].at_s if lines else 0.0
            lines.append(LogLine(at_s=before_s, level=_PLAIN, service=service, event=text.strip()))
            continue
        rest = {name: value for name, value in given.items() if name not in _OWN}
        level, event = str(given.get("level", _PLAIN)), str(given.get("event", ""))
        lines.append(LogLine(at_s=at_s, level=level, service=service, event=event, fields=rest))
    return lines


def choose(
    lines: Iterable[LogLine], *, level: str, since_s: float | None, most: int | None
) -> list[LogLine]:
    """Those that are asked for, oldest first. What is no line of ours counts as an error."""
    least = LEVELS.index(level)
    chosen = [
        line
        for line in sorted(lines, key=lambda line: line.at_s)
        if _rank(line) >= least and (since_s is None or line.at_s >= since_s)
    ]
    return chosen if most is None else chosen[-most:]


def _rank(line: LogLine) -> int:
    return LEVELS.index(line.level if line.level in LEVELS else "error")


def logs_command(arguments: argparse.Namespace) -> int:
    """0 when the log of every service could be read."""
    return asyncio.run(_show(arguments))


async def _show(arguments: argparse.Namespace) -> int:
    choice = read_choice(arguments)
    since_s = None if arguments.since is None else real_now_ns() / NS_PER_S - arguments.since
    most = arguments.lines or (None if since_s is not None else _USUAL)
    async with open_http() as http:

        async def read(engine: Engine) -> ReadLog:
            return await _read(engine, arguments.service)

        seen, found = await visit(http, os.environ, choice, read)
    say_notes(found)
    if not seen and not found.doubts:
        raise nothing_found(found, choice)
    tables: list[tuple[Engine, list[Row]]] = []
    for engine, log in seen:
        for problem in log.problems:
            print(f"{title_of(engine)}: {problem}", file=sys.stderr)
        chosen = choose(log.lines, level=arguments.level, since_s=since_s, most=most)
        tables.append((engine, [line.row for line in chosen]))
    if arguments.json:
        print(msgspec.json.encode({engine.name: rows for engine, rows in tables}).decode())
    elif arguments.csv:
        write_csv([(engine, [_flat(row) for row in rows]) for engine, rows in tables])
    else:
        for engine, rows in tables:
            _print(title_of(engine), rows)
    well = not any(log.problems for _, log in seen) and not found.doubts
    return EXIT_OK if well else EXIT_FAILED


async def _read(engine: Engine, only: str | None) -> ReadLog:
    """The logs of its services, or of the one of that name."""
    lines: list[LogLine] = []
    problems = [engine.problem] if engine.problem and not engine.services else []
    meant = [each for each in engine.services if only in (None, each.name)]
    if only is not None and not meant:
        problems.append(f"it has no {only}")
    for place in meant:
        try:
            lines += parse_lines(place.name, await _texts(place))
        except (OSError, DockerError) as error:
            problems.append(f"{place.name}: its log cannot be read: {error}")
    return ReadLog(lines=lines, problems=problems)


async def _texts(place: ServiceAt) -> Sequence[str]:
    if place.container:
        return (await container_log(os.environ, place.container, MOST_LINES)).splitlines()
    if not place.log_file:
        raise DockerError("it was started by hand and writes where it was started")
    return _file_lines(Path(place.log_file))


def _file_lines(path: Path) -> Sequence[str]:
    size = path.stat().st_size  # its error says why there is none
    lines = tail_of(path, MOST_LINES, MOST_BYTES)
    return lines[1:] if size > MOST_BYTES else lines  # the first one may be half a line


def _flat(row: Row) -> Row:
    return {**row, "fields": _fields_text(row["fields"])}


def _fields_text(fields: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={_one_line(value)}" for name, value in fields.items())


def _one_line(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return "".join(char if char.isprintable() else " " for char in " ".join(text.split()))


def _print(title: str, rows: Sequence[Row]) -> None:
    """A line each, whatever the width, so that grep finds whole lines."""
    print(title)
    if not rows:
        print("  nothing")
        return
    print(f"{'time utc':<23}  {'level':<8}  {'service':<9}  event and its fields")
    for row in rows:
        fields = _fields_text(row["fields"])
        if len(fields) > _FIELDS_SHOWN:
            fields = f"{fields[:_FIELDS_SHOWN]} ... (whole with --json)"
        print(
            f"{row['time_utc']:<23}  {row['level']:<8}  {row['service']:<9}  "
            f"{_one_line(row['event'])}  {fields}".rstrip()
        )
