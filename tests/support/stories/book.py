"""All stories by name, and the files that keep their answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import zstandard

from support.stories import machines
from support.stories.executing import executing
from support.stories.market import books
from support.stories.trading import trading
from support.tree import ROOT

FOLDER = ROOT / "tests/replay/stories"
STORIES: dict[str, Callable[[], Iterator[str]]] = {
    "books": books,
    "budgets": machines.budgets,
    "executing": executing,
    "feeds": machines.feeds,
    "flows": machines.flows,
    "heartbeats": machines.heartbeats,
    "modes": machines.modes,
    "placement": machines.placement,
    "quoting": machines.quoting,
    "risk": machines.risk,
    "trading": trading,
    "windows": machines.windows,
}


def read(name: str) -> list[str]:
    """The lines kept; none when the story is new."""
    path = FOLDER / f"{name}.txt.zst"
    if not path.exists():
        return []
    return zstandard.ZstdDecompressor().decompress(path.read_bytes()).decode().splitlines()


def write(name: str, lines: Sequence[str]) -> None:
    """Keep these lines."""
    FOLDER.mkdir(exist_ok=True)
    text = "\n".join(lines) + "\n"
    path = FOLDER / f"{name}.txt.zst"
    path.write_bytes(zstandard.ZstdCompressor(level=19).compress(text.encode()))
