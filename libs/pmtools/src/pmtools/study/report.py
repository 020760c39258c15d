"""`pm report FILE...|FOLDER|RUN... [--day DAY]`: what windows earned, as a page, JSON, CSV."""

from __future__ import annotations

import argparse
import asyncio
import csv
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from pmtools.control.checkout import find_checkout
from pmtools.errors import EXIT_OK, UsageError
from pmtools.replay.command import Replay, paper_params, read_params
from pmtools.replay.inputs import find_inputs
from pmtools.study.figures import ReportFigures, figures_of
from pmtools.study.page import page
from pmtools.study.runs import RunTables, find_run, is_run, tables_of_day, tables_of_runs
from pmtools.study.tables import TableFolder, Tables, is_table_folder, load, together


def command(arguments: argparse.Namespace) -> int:
    """Read or make the tables, then write what was asked for."""
    tables, title, notes = _tables(arguments)
    for note in notes:
        print(f"pm report: {note}", file=sys.stderr)
    if not tables.windows.height:
        raise UsageError("there is no window in these tables")
    slug = _shown(tables, arguments.window)
    figures = figures_of(tables)
    _write(arguments.out, "--out", page(figures, tables, slug, title=title, sources=notes))
    print(f"pm report: {figures.windows} windows in {arguments.out}", file=sys.stderr)
    if arguments.csv:
        _write_csv(arguments.csv, figures)
    if arguments.json:
        print(msgspec.json.encode(figures).decode())
    return EXIT_OK


def _tables(arguments: argparse.Namespace) -> tuple[Tables, str, list[str]]:
    """The tables, what the page is about, and what a reader must be told."""
    paths = [_existing(path) for path in arguments.files]
    runs = [path for path in paths if is_run(path)]
    if paths and len(runs) == len(paths):
        names = ", ".join(path.name for path in runs)
        of_day = f" on {arguments.day}" if arguments.day else ""
        return _of_runs(tables_of_runs(runs, arguments.day), f"What {names} earned{of_day}")
    if runs:
        raise UsageError(f"{runs[0]} is a run: give runs, or recordings and journals, not both")
    if arguments.day and paths:
        raise UsageError("--day goes with runs, or alone: then all runs of this checkout are read")
    if arguments.day:
        told = tables_of_day(os.environ, find_checkout(), arguments.day)
        return _of_runs(told, f"What the windows of {arguments.day} earned")
    if not paths:
        raise UsageError("name recordings, journals, a folder of tables or runs, or give --day")
    return _of_files(arguments, paths), "What the replayed windows earned", []


def _of_runs(told: RunTables, title: str) -> tuple[Tables, str, list[str]]:
    if not told.tables:
        raise UsageError("there is no window to report", *told.notes)
    return together(told.tables), title, told.notes


def _existing(path: Path) -> Path:
    """What is there, or the folder of the run of that name or number."""
    if path.exists():
        if not os.access(path, os.R_OK):
            raise UsageError(f"may not be read: {path}")
        return path
    run = find_run(os.environ, find_checkout(), str(path))
    if run is None:
        raise UsageError(f"no such file, folder or run: {path}")
    return run


def _of_files(arguments: argparse.Namespace, paths: Sequence[Path]) -> Tables:
    if len(paths) == 1 and is_table_folder(paths[0]):
        return load(paths[0])
    inputs = find_inputs(paths, None)
    for skipped in inputs.skipped:
        print(f"pm report: left out: {skipped}", file=sys.stderr)
    with TemporaryDirectory(prefix="pm-report-") as folder:
        paper, tables = paper_params(arguments), TableFolder(Path(folder))
        replay = Replay(read_params(), None, paper=paper, tables=tables)
        asyncio.run(replay.run(inputs.found, "direct"))
        return load(folder)


def _shown(tables: Tables, wanted: str | None) -> str | None:
    """The window that is shown in detail: the one named, or that with the most fills."""
    if wanted is not None:
        if wanted not in set(tables.windows["slug"]):
            raise UsageError(f"--window {wanted}: no such window here")
        return wanted
    for frame in (tables.fills, tables.seconds):
        if frame.height:
            counts = frame.group_by("slug").len().sort("len", "slug", descending=[True, False])
            return str(counts["slug"][0])
    return None


def _write(path: Path, option: str, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{option} {path}: {error.strerror}") from error


def _write_csv(path: Path, figures: ReportFigures) -> None:
    try:
        with path.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("figure", "value"))
            writer.writerows(_flat("", msgspec.to_builtins(figures)))
    except OSError as error:
        raise UsageError(f"--csv {path}: {error.strerror}") from error


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Each figure with its path in the JSON."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}".strip("."), inner)
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _flat(f"{name}.{number}", inner)
    else:
        yield name, value
