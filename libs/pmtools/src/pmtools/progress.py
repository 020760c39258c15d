"""How far a long command is: a bar on a terminal, plain lines elsewhere, both on stderr."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")
_LINES = 10
"""So many plain lines, at equal distances."""


def followed(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """The items as they come; `what` names them, as in "recordings replayed"."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield from _with_lines(items, total, what, console)
        return
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(what, total=total)
        for item in items:
            yield item
            progress.advance(task)


def _with_lines(items: Iterable[T], total: int, what: str, console: Console) -> Iterator[T]:
    for done, item in enumerate(items, start=1):
        yield item
        if done == total or done * _LINES // total > (done - 1) * _LINES // total:
            console.print(f"{what}: {done} of {total}", soft_wrap=True)
