"""Parquet files of the tables: one a window, in folders by day and series; and back as frames."""

from __future__ import annotations

import datetime
import importlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import msgspec

from pmcore.model.market import Window
from pmcore.model.units import NS_PER_S
from pmtools.errors import NEEDS_STUDY, UsageError
from pmtools.study.schema import PARTITIONS, TABLES, Column, ColumnKind
from pmtools.study.watch import Cell, TableRow

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
        self._path = path
        _polars()  # says at once when it is missing
        self._written: set[str] = set()

    def write(self, window: Window, rows: Mapping[str, Sequence[TableRow]]) -> None:
        """One file in each table. A reader never meets half a file."""
        if window.slug in self._written:
            raise UsageError(
                f"--tables {self._path}: {window.slug} is in two of the files, such as a recording "
                "and its journal: name one of them"
            )
        self._written.add(window.slug)
        place = Path(f"day={day_of(window)}", f"series={window.series}", f"{window.slug}.parquet")
        for table, columns in TABLES.items():
            file = self._path / table / place
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                write_frame(file, columns, rows[table])
            except OSError as error:
                raise UsageError(f"--tables {self._path}: {error.strerror or error}") from error


def day_of(window: Window) -> str:
    """The UTC day in which it opened, as in 2026-11-27."""
    return utc_day_of(window.open_ns)


def utc_day_of(at_ns: int) -> str:
    """The UTC day of a time since 1970, as in 2026-11-27."""
    return datetime.datetime.fromtimestamp(at_ns // NS_PER_S, datetime.UTC).date().isoformat()


def made_at_ns(folder: Path, day: str, slug: str) -> int | None:
    """When the oldest of a window's tables was written; None while one is missing."""
    made_ns = []
    for table in TABLES:
        files = list((folder / table / f"day={day}").glob(f"series=*/{slug}.parquet"))
        if not files:
            return None
        made_ns.append(files[0].stat().st_mtime_ns)
    return min(made_ns)


def is_table_folder(path: Path) -> bool:
    """Whether `pm replay --tables` wrote into it."""
    return all((path / table).is_dir() for table in TABLES)


def load(path: str | Path, day: str | None = None) -> Tables:
    """Read a folder that `pm replay --tables` or `pm run` wrote, or one UTC day (YYYY-MM-DD) of it.

    Raise `UsageError` for any other folder.
    """
    folder, polars = Path(path), _polars()
    if not is_table_folder(folder):
        raise UsageError(f"{folder} holds no tables: write them with pm replay --tables {folder}")
    return Tables(**{name: _read(polars, folder, name, day) for name in TABLES})


def _polars() -> ModuleType:
    """The package that reads and writes Parquet, loaded when it is first needed."""
    try:
        return importlib.import_module("polars")
    except ModuleNotFoundError as error:
        raise UsageError(NEEDS_STUDY) from error


def together(named: Mapping[str, Tables]) -> Tables:
    """The windows of several engines; one that several of them traded is told apart by a name."""
    frames = _polars()
    counts = Counter(slug for one in named.values() for slug in one.windows["slug"])
    several = [slug for slug, count in counts.items() if count > 1]
    slug = frames.col("slug")

    def of_engine(name: str, frame: polars.DataFrame) -> polars.DataFrame:
        told = frames.when(slug.is_in(several)).then(slug + f" ({name})").otherwise(slug)
        return frame.with_columns(told.alias("slug")) if several else frame

    return Tables(
        **{
            table: _in_order(
                table,
                frames.concat(
                    [of_engine(name, getattr(one, table)) for name, one in named.items()]
                ),
            )
            for table in TABLES
        }
    )


def _read(polars: ModuleType, folder: Path, table: str, day: str | None) -> Any:
    schema = _types(polars, TABLES[table])
    partitions = _types(polars, PARTITIONS)
    try:
        frames = polars.scan_parquet(
            folder / table / "**/*.parquet", hive_partitioning=True, hive_schema=partitions
        )
        frame = (frames if day is None else frames.filter(day=day)).collect()
    except (polars.exceptions.PolarsError, OSError) as error:
        said = str(error).splitlines()[0]
        raise UsageError(f"{folder / table} cannot be read: {said}") from error
    if dict(frame.schema) != {**schema, **partitions}:
        raise UsageError(
            f"{folder / table} has other columns than this version: remove {folder} and write the "
            "tables anew"
        )
    return _in_order(table, frame)


def _in_order(table: str, frame: Any) -> Any:
    order = ["open_ns" if table == "windows" else "slug"]
    order += [name for name in ("at_ns", "from_ns") if name in frame.columns]
    return frame.sort(order, maintain_order=True)


def write_frame(path: Path, columns: Sequence[Column], rows: Sequence[Mapping[str, Cell]]) -> None:
    """One Parquet file, which no reader meets half written. Raise OSError."""
    polars = _polars()
    schema = _types(polars, columns)
    cells = [{column.name: row.get(column.name) for column in columns} for row in rows]
    part = path.with_suffix(".part")
    polars.DataFrame(cells, schema=schema).write_parquet(part)
    os.replace(part, path)


def _types(polars: ModuleType, columns: Sequence[Column]) -> dict[str, Any]:
    kinds = {
        ColumnKind.TEXT: polars.String,
        ColumnKind.INTEGER: polars.Int64,
        ColumnKind.FLAG: polars.Boolean,
    }
    return {column.name: kinds[column.kind] for column in columns}
