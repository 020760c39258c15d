"""The windows of runs, all or those of a day: from their tables, else from their journals.

Tables that are missing, or older than their journal, are written into the run's folder. The
journals of a Compose stack are in a volume: those of the day are copied out of the strategy's
container, and their tables come into `compose-PROJECT` in the data directory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from pmcore.model.market import window_times_ns
from pmcore.shell.control_client import ControlClient, open_http
from pmcore.shell.journal import SUFFIX
from pmtools.control.compose_stack import (
    DockerError,
    container_files,
    copy_from_container,
    find_stacks,
)
from pmtools.control.engines import Engine, ServiceAt
from pmtools.processes import log_path
from pmtools.run.files import run_directories, runs_root
from pmtools.study.journals import TABLES_FOLDER, journals_of_run, write_folder_tables
from pmtools.study.tables import Tables, is_table_folder, load, made_at_ns, utc_day_of

_IN_CONTAINER = "/data/journal"
_LOG_LINES = 50


class RunTables(msgspec.Struct):
    """The tables by engine, and what a reader must be told: sources, and what is missing."""

    tables: dict[str, Tables] = msgspec.field(default_factory=dict)
    notes: list[str] = msgspec.field(default_factory=list)

    def add(self, name: str, mode: str, out: Path, day: str | None) -> None:
        """The tables of one engine; without any window of the day it is only named."""
        tables = load(out, day) if is_table_folder(out) else None
        if tables is None or not tables.windows.height:
            self.notes.append(f"{name}: no window{f' of {day}' if day else ''}")
            return
        self.tables[name if name not in self.tables else str(out.parent)] = tables
        count = tables.windows.height
        self.notes.append(f"{name} ({mode}): {count} window{'s' if count > 1 else ''}")


def is_run(folder: Path) -> bool:
    """Whether it is the folder of a run, with journals or with their tables."""
    return journals_of_run(folder) is not None or is_table_folder(folder / TABLES_FOLDER)


def find_run(environ: Mapping[str, str], checkout: Path | None, name: str) -> Path | None:
    """The folder of the run of this name or number, as in run-3 or 3; None when there is none."""
    wanted = f"run-{name.removeprefix('run-')}"
    return next((d for d in run_directories(environ, checkout) if d.name == wanted), None)


def tables_of_runs(folders: Sequence[Path], day: str | None) -> RunTables:
    """The windows of these runs."""
    told = RunTables()
    for folder in folders:
        _add_run(told, folder, day)
    return told


def tables_of_day(environ: Mapping[str, str], checkout: Path | None, day: str) -> RunTables:
    """The windows of a day, of every run of the checkout and of its Compose stacks."""
    root = runs_root(environ)
    folders = run_directories(environ, checkout)
    if is_run(root):  # a strategy that was started by hand
        folders.append(root.resolve())
    told = tables_of_runs(folders, day)
    if not folders:
        told.notes.append(f"no run is kept in {root} (pm run --keep)")
    asyncio.run(_add_stacks(told, environ, checkout, day))
    return told


def _add_run(told: RunTables, folder: Path, day: str | None) -> None:
    name, out = folder.name, folder / TABLES_FOLDER
    journals = journals_of_run(folder)
    if journals is None and not is_table_folder(out):
        told.notes.append(f"{name}: neither tables nor journals of its strategy (PM_JOURNAL=false)")
        return
    if journals is not None:
        _write_tables(told, name, journals, out, day)
    told.add(name, _mode_of(folder), out, day)


def _write_tables(told: RunTables, name: str, journals: Path, out: Path, day: str | None) -> None:
    told.notes += [f"{name}: {note}" for note in write_folder_tables(journals, out, day)]


def _mode_of(folder: Path) -> str:
    """sim, dry or live, as the strategy wrote when it started."""
    try:
        with log_path(folder, "strategy").open("rb") as log:
            for _, line in zip(range(_LOG_LINES), log, strict=False):
                mode = _starting_mode(line)
                if mode is not None:
                    return mode
    except OSError:
        pass
    return "mode not known"


def _starting_mode(line: bytes) -> str | None:
    try:
        told = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        return None
    return str(told["mode"]) if told.get("event") == "starting" and "mode" in told else None


async def _add_stacks(
    told: RunTables, environ: Mapping[str, str], checkout: Path | None, day: str
) -> None:
    stacks = await find_stacks(checkout, environ)
    said = [*stacks.found.notes, *stacks.found.doubts]
    if not stacks.found.engines and not said:
        said = ["no Compose stack of this checkout runs, so windows of one are left out"]
    told.notes += said
    for engine in stacks.found.engines:
        for place in engine.services:
            if place.name.partition("-")[0] == "strategy":
                await _add_stack(told, environ, engine, place, day)


async def _add_stack(
    told: RunTables, environ: Mapping[str, str], engine: Engine, place: ServiceAt, day: str
) -> None:
    name = engine.name if place.name == "strategy" else f"{engine.name} {place.name}"
    out = runs_root(environ) / name.replace(" ", "-") / TABLES_FOLDER
    with TemporaryDirectory(prefix="pm-report-") as scratch:
        try:
            await _copy_journals(environ, place.container, out, day, Path(scratch))
        except DockerError as error:
            told.notes.append(f"{name}: its journals cannot be read: {error}")
        # in a thread of its own, for a replay has an event loop of its own
        await asyncio.to_thread(_write_tables, told, name, Path(scratch), out, day)
    told.add(name, await _mode_now(engine), out, day)


async def _copy_journals(
    environ: Mapping[str, str], container: str, out: Path, day: str, target: Path
) -> None:
    """Those of the day, and of slugs that do not say their day, whose tables are not newer."""
    files = await container_files(environ, container, _IN_CONTAINER)
    wanted = []
    for name, written_ns in files.items():
        slug = name.partition(".")[0]
        times_ns = window_times_ns(slug)
        if not name.endswith(SUFFIX) or (times_ns and utc_day_of(times_ns[0]) != day):
            continue
        made_ns = made_at_ns(out, day, slug)
        if made_ns is None or made_ns <= written_ns:
            wanted.append(slug)
    names = [name for name in files if name.partition(".")[0] in wanted]
    if names:
        await copy_from_container(environ, container, _IN_CONTAINER, names, target)


async def _mode_now(engine: Engine) -> str:
    place = engine.service("executor")
    if not place.url:
        return "mode not known"
    async with open_http() as http:
        answer = await ControlClient(http, place.url, place.token).get("/state")
    mode = answer.body.get("mode") if answer.ok else None
    return f"{mode} now" if mode else "mode not known"
