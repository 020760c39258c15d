"""Parquet files of the tables: one a window, in folders by day and series; and back as frames."""

from __future__ import annotations

import datetime
import importlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import msgspec

from pmcore.model.market import Window
from pmcore.model.units import NS_PER_S
from pmtools.errors import NEEDS_STUDY, UsageError
from pmtools.study.schema import PARTITIONS, TABLES, Column, ColumnKind
from pmtools.study.watch import TableRow

if TYPE_CHECKING:
    import polars


class Tables(msgspec.Struct, frozen=True):
    """All windows of a folder as Polars frames; `docs/tables.md` has the columns."""

    windows: polars.DataFrame
    ledgers: polars.DataFrame
    fills: polars.DataFrame
    intervals: polars.DataFrame
    seconds: polars.DataFrame


class TableFolder:
    """Writes windows into a folder; a window of an earlier command is replaced."""

    def __init__(self, path: Path) -> None:
        self._path, self._polars = path, _polars()
        self._written: set[str] = set()

    def write(self, window: Window, rows: Mapping[str, Sequence[TableRow]]) -> None:
        """One file in each table. A reader never meets half a file."""
        if window.slug in self._written:
            raise UsageError(
                f"--tables {self._path}: {window.slug} is in two of the files, such as a recording "
                "and its journal: name one of them"
            )
        self._written.add(window.slug)
        day = datetime.datetime.fromtimestamp(window.open_ns // NS_PER_S, datetime.UTC).date()
        for table, columns in TABLES.items():
            folder = self._path / table / f"day={day}" / f"series={window.series}"
            file = folder / f"{window.slug}.parquet"
            part = file.with_suffix(".part")
            frame = self._polars.DataFrame(
                [{column.name: row.get(column.name) for column in columns} for row in rows[table]],
                schema=_types(self._polars, columns),
            )
            try:
                folder.mkdir(parents=True, exist_ok=True)
                frame.write_parquet(part)
                os.replace(part, file)
            except OSError as error:
                raise UsageError(f"--tables {self._path}: {error.strerror or error}") from error


def is_table_folder(path: Path) -> bool:
    """Whether `pm replay --tables` wrote into it."""
    return all((path / table).is_dir() for table in TABLES)


def load(path: str | Path) -> Tables:
    """Read a folder that `pm replay --tables` wrote. Raise `UsageError` for any other."""
    folder, polars = Path(path), _polars()
    if not is_table_folder(folder):
        raise UsageError(f"{folder} holds no tables: write them with pm replay --tables {folder}")
    return Tables(**{name: _read(polars, folder, name) for name in TABLES})


def _polars() -> ModuleType:
    """The package that reads and writes Parquet, loaded when it is first needed."""
    try:
        return importlib.import_module("polars")
    except ModuleNotFoundError as error:
        raise UsageError(NEEDS_STUDY) from error


def _read(polars: ModuleType, folder: Path, table: str) -> Any:
    schema = _types(polars, TABLES[table])
    partitions = _types(polars, PARTITIONS)
    try:
        frame = polars.read_parquet(
            folder / table / "**/*.parquet", hive_partitioning=True, hive_schema=partitions
        )
    except (polars.exceptions.PolarsError, OSError) as error:
        said = str(error).splitlines()[0]
        raise UsageError(f"{folder / table} cannot be read: {said}") from error
    if dict(frame.schema) != {**schema, **partitions}:
        raise UsageError(
            f"{folder / table} has other columns than this version: write the tables anew"
        )
    order = ["open_ns" if table == "windows" else "slug"]
    order += [name for name in ("at_ns", "from_ns") if name in schema]
    return frame.sort(order, maintain_order=True)


def _types(polars: ModuleType, columns: Sequence[Column]) -> dict[str, Any]:
    kinds = {
        ColumnKind.TEXT: polars.String,
        ColumnKind.INTEGER: polars.Int64,
        ColumnKind.FLAG: polars.Boolean,
    }
    return {column.name: kinds[column.kind] for column in columns}
