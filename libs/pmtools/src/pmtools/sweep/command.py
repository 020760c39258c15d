"""`pm sweep GRID FILE...`: a grid of settings over recorded windows, on all cores, resumable."""

from __future__ import annotations

import argparse
import hashlib
import importlib
import multiprocessing
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from pmcore.model.latency import Latencies
from pmsim.queue.line import FillModel
from pmsim.recordings.kept_back import is_test_window
from pmsim.recordings.reader import Recording
from pmtools.errors import EXIT_OK, NEEDS_STUDY, STUDY_PACKAGES, UsageError
from pmtools.progress import followed
from pmtools.replay.inputs import expect_series, find_inputs
from pmtools.replay.latency import read_latencies
from pmtools.sweep.compare import compare
from pmtools.sweep.grid import BASE, Cell, read_grid
from pmtools.sweep.result import SweepResult, interval_text, said_of
from pmtools.sweep.table import write_rows
from pmtools.sweep.windows import Row, file_digest, row_key, sweep_file

ROWS, FIGURES, TEST_READS = "rows.jsonl", "figures.json", "test-reads.jsonl"
PARQUET, PAGE = "rows.parquet", "sweep.html"
_Work = tuple[Path, list[tuple[str, Cell]], Latencies]
_REPLAYING = ("pmcore", "pmsim", "pmtools.replay", "pmtools.sweep.windows")


def command(arguments: argparse.Namespace) -> int:
    """Run what is not known yet, then write and print the comparison."""
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
    reads = _test_reads(out / TEST_READS)
    if arguments.windows != "development":
        reads = _count_test_read(out / TEST_READS, arguments.grid, cells)
        console.print(f"the test windows were read {reads} times into {out}")
    with (out / ROWS).open("ab") as file:
        done = _run(work, jobs=arguments.jobs)
        for rows in followed(done, len(work), "recordings replayed"):
            for row in rows:
                known.setdefault(row.key, []).append(row)
            file.write(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
            file.flush()
    result = _result(arguments, cells, wanted, known, reads)
    (out / FIGURES).write_bytes(msgspec.json.format(msgspec.json.encode(result.figures)))
    if arguments.json:
        print(msgspec.json.encode(result.figures).decode())
    else:
        _show(console, result)
        console.print(f"rows: {out / ROWS}, figures: {out / FIGURES}", soft_wrap=True)
    _write_study(out, result)
    return EXIT_OK


def _result(
    arguments: argparse.Namespace,
    cells: list[Cell],
    wanted: Mapping[Path, list[tuple[str, Cell]]],
    known: Mapping[str, list[Row]],
    test_reads: int,
) -> SweepResult:
    """The comparison; of a window that is in several files, the last one counts."""
    rows = {
        (cell.name, row.slug): msgspec.structs.replace(row, cell=cell.name)  # it may be renamed
        for keyed in wanted.values()
        for key, cell in keyed
        for row in known.get(key, ())
    }
    names = {cell.name for cell in cells}
    return SweepResult(
        grid=arguments.grid.name,
        cells=cells,
        figures=compare(list(rows.values())),
        rows=list(rows.values()),
        windows_set=arguments.windows,
        test_reads=test_reads,
        others=len({row.cell for many in known.values() for row in many} - names),
    )


def _write_study(out: Path, result: SweepResult) -> None:
    """The page and the Parquet file; without their packages one line says so."""
    try:
        write_rows(out / PARQUET, result.cells, result.rows)
        page = importlib.import_module("pmtools.sweep.page").page
    except ModuleNotFoundError as error:
        if error.name not in STUDY_PACKAGES:
            raise
        print(f"pm sweep: no page: {NEEDS_STUDY}", file=sys.stderr)
        return
    except UsageError as error:
        print(f"pm sweep: no page and no {PARQUET}: {error}", file=sys.stderr)
        return
    (out / PAGE).write_text(page(result), encoding="utf-8")
    print(
        f"pm sweep: page: {out / PAGE}, a row a cell and window: {out / PARQUET}", file=sys.stderr
    )


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
    """Rows of earlier runs. What a kill cut off is run again: half a line is taken out of the
    file, and a key of which a window is missing does not count.
    """
    known: dict[str, list[Row]] = {}
    if path.exists():
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(path, whole)
        for line in data[:whole].splitlines():
            try:
                row = msgspec.json.decode(line, type=Row)
            except msgspec.DecodeError:
                continue
            known.setdefault(row.key, []).append(row)
    return {
        key: rows for key, rows in known.items() if len({row.slug for row in rows}) >= rows[0].of
    }


def _count_test_read(path: Path, grid: Path, cells: Sequence[Cell]) -> int:
    """Note that the test windows are looked at; return how often that was done."""
    with path.open("ab") as file:
        file.write(msgspec.json.encode({"grid": grid.name, "cells": len(cells)}) + b"\n")
    return _test_reads(path)


def _test_reads(path: Path) -> int:
    return len(path.read_bytes().splitlines()) if path.exists() else 0


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


def _show(console: Console, result: SweepResult) -> None:
    table = Table(title="dollars a window, with 95 % intervals over windows")
    for name in ("cell", "profit", "pessimistic", "optimistic", "less base", "less thinned base"):
        table.add_column(name, justify="left" if name == "cell" else "right")
    for name in ("¢ a share", "¢ at 5 s", "shares", "paired", "pair cost", "both rest"):
        table.add_column(name, justify="right")
    for one in result.figures:
        is_base = one.cell == BASE
        table.add_row(
            one.cell,
            interval_text(one.profit),
            interval_text(one.ledgers[FillModel.PESSIMISTIC]),
            interval_text(one.ledgers[FillModel.OPTIMISTIC]),
            "" if is_base else interval_text(one.against_base),
            "" if is_base else interval_text(one.against_thinning),
            f"{one.cents_a_share:+.2f}",
            interval_text(one.cents_at_5s),
            f"{one.shares:.1f}",
            f"{one.paired_part:.0%}",
            f"{one.pair_cost:.3f}",
            f"{one.both_rest_share:.1%}",
        )
    console.print(table)
    for sentence in said_of(result):
        console.print(sentence, soft_wrap=True)
