"""`python -m pmresearch.dashboards [--check] [--root FOLDER]`: write the dashboards, or compare."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from pmresearch.dashboards.execution import execution
from pmresearch.dashboards.making import making
from pmresearch.dashboards.money import money
from pmresearch.dashboards.overview import overview
from pmresearch.dashboards.page import DashboardPage
from pmresearch.dashboards.streams import streams

FOLDER = Path("grafana/dashboards")
PAGES = (overview, making, execution, money, streams)


def files() -> dict[str, str]:
    """The text of each dashboard by its file name."""
    return {f"{make.__name__}.json": _text(make()) for make in PAGES}


def stale(folder: Path) -> list[str]:
    """The names of files that are missing, are not what the code makes, or are too many."""
    made = files()
    there = {path.name for path in folder.glob("*.json")}
    return sorted(
        name
        for name in made.keys() | there
        if name not in made or name not in there or (folder / name).read_text() != made[name]
    )


def main(arguments: list[str] | None = None) -> int:
    """Return 0, or 1 when `--check` finds a file that is not what the code makes."""
    parser = argparse.ArgumentParser(prog="python -m pmresearch.dashboards")
    parser.add_argument("--check", action="store_true", help="change nothing")
    parser.add_argument("--root", type=Path, default=Path())
    options = parser.parse_args(arguments)
    folder = options.root / FOLDER
    if options.check:
        for name in (found := stale(folder)):
            print(f"{FOLDER / name} is stale: run `make dashboards`", file=sys.stderr)
        return 1 if found else 0
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.json"):
        path.unlink()
    for name, text in files().items():
        (folder / name).write_text(text)
    return 0


def _text(page: DashboardPage) -> str:
    return json.dumps(page.build(), cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.exit(main())
