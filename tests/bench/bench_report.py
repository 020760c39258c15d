"""How long `pm report` takes for 500 windows of five minutes, from tables."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import polars as pl
from msgspec.structs import replace

from pmcore.model.units import NS_PER_S
from pmtools import study
from pmtools.cli import main
from pmtools.study.schema import TABLES
from pmtools.study.tables import TableFolder
from support.small_recording import recorded_window, write_recording

WINDOWS = 500


def copies(one: study.Tables, folder: Path) -> None:
    """The tables of one window again and again, each with a slug and a time of its own."""
    tables, window = TableFolder(folder), recorded_window()
    for number in range(WINDOWS):
        later_ns = number * 300 * NS_PER_S
        slug = f"btc-updown-5m-{(window.open_ns + later_ns) // NS_PER_S}"
        rows = {
            name: getattr(one, name)
            .with_columns(
                pl.lit(slug).alias("slug"),
                *(
                    pl.col(column.name) + later_ns
                    for column in TABLES[name]
                    if column.name in {"open_ns", "close_ns", "at_ns", "from_ns", "until_ns"}
                ),
            )
            .to_dicts()
            for name in TABLES
        }
        tables.write(replace(window, slug=slug, open_ns=window.open_ns + later_ns), rows)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        recording = write_recording(path / "one.jsonl", seconds=290)
        assert main(["replay", str(recording), "--json", "--tables", str(path / "one")]) == 0
        copies(study.load(path / "one"), path / "many")
        begun = time.perf_counter()
        assert main(["report", str(path / "many"), "--out", str(path / "r.html")]) == 0
        took_s = time.perf_counter() - begun
        size = (path / "r.html").stat().st_size
        fills = study.load(path / "many").fills.height
        print(f"{WINDOWS} windows, {fills} fills: {took_s:.1f} s, {size} bytes", file=sys.stderr)
