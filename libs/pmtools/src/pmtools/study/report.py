"""`pm report FILE...|FOLDER`: what replays earned, as a page, as JSON, as CSV."""

from __future__ import annotations

import argparse
import asyncio
import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from pmtools.errors import EXIT_OK, UsageError
from pmtools.replay.command import Replay, paper_params, read_params
from pmtools.replay.inputs import find_inputs
from pmtools.study.figures import ReportFigures, figures_of
from pmtools.study.page import page
from pmtools.study.tables import TableFolder, Tables, is_table_folder, load


def command(arguments: argparse.Namespace) -> int:
    """Read or make the tables, then write what was asked for."""
    tables = _tables(arguments)
    if not tables.windows.height:
        raise UsageError("there is no window in these tables")
    slug = _shown(tables, arguments.window)
    figures = figures_of(tables)
    _write(arguments.out, "--out", page(figures, tables, slug))
    print(f"pm report: {figures.windows} windows in {arguments.out}", file=sys.stderr)
    if arguments.csv:
        _write_csv(arguments.csv, figures)
    if arguments.json:
        print(msgspec.json.encode(figures).decode())
    return EXIT_OK


def _tables(arguments: argparse.Namespace) -> Tables:
    paths: list[Path] = arguments.files
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
