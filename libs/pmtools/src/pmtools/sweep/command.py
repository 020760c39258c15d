"""`pm sweep GRID FILE...`: a grid of settings over recorded windows, on all cores, resumable."""

from __future__ import annotations

import argparse
import hashlib
import importlib
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import track
from rich.table import Table

from pmcore.model.latency import Latencies
from pmsim.queue.line import FillModel
from pmsim.recordings.kept_back import is_test_window
from pmsim.recordings.reader import Recording
from pmtools.errors import EXIT_OK, UsageError
from pmtools.replay.inputs import expect_series, find_inputs
from pmtools.replay.latency import read_latencies
from pmtools.sweep.compare import Figures, Interval, compare
from pmtools.sweep.grid import BASE, Cell, read_grid
from pmtools.sweep.windows import Row, file_digest, row_key, sweep_file

ROWS, FIGURES, TEST_READS = "rows.jsonl", "figures.json", "test-reads.jsonl"
_Work = tuple[Path, list[tuple[str, Cell]], Latencies]
_REPLAYING = ("pmcore", "pmsim", "pmtools.replay", "pmtools.sweep.windows")


def command(arguments: argparse.Namespace) -> int:
    """Run what is not known yet, then print the comparison."""
    cells = read_grid(arguments.grid)
    out: Path = arguments.out or Path("var/sweeps") / arguments.grid.stem
    console = Console(stderr=arguments.json)
    files = _chosen_files(arguments.files, arguments.windows, cells)
    out.mkdir(parents=True, exist_ok=True)
    known = _known_rows(out / ROWS)
    code = _code_digest()
    latencies = read_latencies(arguments.latency, arguments.latency_seed)
    wanted = {
        path: [(row_key(code, file_digest(path), cell.params, latencies), cell) for cell in cells]
        for path in files
    }
    missing = {
        path: [(key, cell) for key, cell in keyed if key not in known]
        for path, keyed in wanted.items()
    }
    work = [(path, keyed, latencies) for path, keyed in missing.items() if keyed]
    if arguments.windows != "development":
        reads = _count_test_read(out / TEST_READS, arguments.grid, cells)
        console.print(f"the test windows were read {reads} times into {out}")
    with (out / ROWS).open("ab") as file:
        done = _run(work, jobs=arguments.jobs)
        for rows in track(done, "replaying", total=len(work), console=Console(stderr=True)):
            for row in rows:
                known.setdefault(row.key, []).append(row)
                file.write(msgspec.json.encode(row) + b"\n")
            file.flush()
    # a cell may have been called otherwise when its row was written
    rows = [
        msgspec.structs.replace(row, cell=cell.name)
        for keyed in wanted.values()
        for key, cell in keyed
        for row in known.get(key, ())
    ]
    figures = compare(rows)
    (out / FIGURES).write_bytes(msgspec.json.format(msgspec.json.encode(figures)))
    if arguments.json:
        print(msgspec.json.encode(figures).decode())
    else:
        _show(console, figures, rows)
        console.print(f"rows: {out / ROWS}, figures: {out / FIGURES}")
    return EXIT_OK


def _chosen_files(paths: Sequence[Path], windows: str, cells: Sequence[Cell]) -> list[Path]:
    """The recordings whose windows belong to the chosen set."""
    found = [each for each in find_inputs(paths, None).found if isinstance(each, Recording)]
    for cell in cells:
        expect_series(cell.params, found)
    chosen = []
    for recording in found:
        kept_back = [is_test_window(window.slug) for window in recording.windows()]
        fits = {"development": not any(kept_back), "test": all(kept_back), "all": True}
        chosen += [recording.path] if fits[windows] else []
    if not chosen:
        raise UsageError(f"none of the {len(found)} recordings is in the {windows} set")
    return chosen


def _known_rows(path: Path) -> dict[str, list[Row]]:
    """Rows of earlier runs; a last line that was cut off is run again."""
    known: dict[str, list[Row]] = {}
    if path.exists():
        for line in path.read_bytes().splitlines():
            try:
                row = msgspec.json.decode(line, type=Row)
            except msgspec.DecodeError:
                continue
            known.setdefault(row.key, []).append(row)
    return known


def _count_test_read(path: Path, grid: Path, cells: Sequence[Cell]) -> int:
    """Note that the test windows are looked at; return how often that was done."""
    with path.open("ab") as file:
        file.write(msgspec.json.encode({"grid": grid.name, "cells": len(cells)}) + b"\n")
    return len(path.read_bytes().splitlines())


def _code_digest() -> str:
    """Of all code that a replay runs: rows of other code are not reused."""
    digest = hashlib.sha256()
    for name in _REPLAYING:
        source = Path(str(importlib.import_module(name).__file__))
        package = source.name == "__init__.py"
        for path in sorted(source.parent.rglob("*.py")) if package else [source]:
            digest.update(f"{name} {path.name} ".encode() + path.read_bytes())
    return digest.hexdigest()


def _run(work: Sequence[_Work], *, jobs: int | None) -> Iterator[list[Row]]:
    context = multiprocessing.get_context("spawn")
    with context.Pool(jobs or os.cpu_count(), maxtasksperchild=20) as pool:
        yield from pool.imap_unordered(_one, work)


def _one(task: _Work) -> list[Row]:
    return sweep_file(*task)


def _show(console: Console, figures: Sequence[Figures], rows: Sequence[Row]) -> None:
    table = Table(title="dollars a window, with 95 % intervals over windows")
    for name in ("cell", "profit", "pessimistic", "optimistic", "less base", "less thinned base"):
        table.add_column(name, justify="left" if name == "cell" else "right")
    for name in ("¢ a share", "¢ at 5 s", "shares", "paired", "pair cost", "both rest"):
        table.add_column(name, justify="right")
    for one in figures:
        is_base = one.cell == BASE
        table.add_row(
            one.cell,
            _text(one.profit),
            _text(one.ledgers[FillModel.PESSIMISTIC]),
            _text(one.ledgers[FillModel.OPTIMISTIC]),
            "" if is_base else _text(one.against_base),
            "" if is_base else _text(one.against_thinning),
            f"{one.cents_a_share:+.2f}",
            _text(one.cents_at_5s),
            f"{one.shares:.1f}",
            f"{one.paired_part:.0%}",
            f"{one.pair_cost:.3f}",
            f"{one.both_rest_share:.1%}",
        )
    console.print(table)
    marked = len({row.slug for row in rows if not row.settled})
    windows = len({row.slug for row in rows})
    console.print(f"{windows} windows, {marked} of them without a winner, marked at the last mid")
    if len(figures) > 1:
        console.print(
            f"{len(figures) - 1} cells were compared with the base: of so many, about "
            f"{(len(figures) - 1) * 0.05:.1f} differ by chance alone at 95 %"
        )


def _text(interval: Interval) -> str:
    return f"{interval.value:+.2f} [{interval.low:+.2f}, {interval.high:+.2f}]"
