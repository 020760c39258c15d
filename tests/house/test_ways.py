"""The ways of a price and of a fill in docs/ARCHITECTURE.md are those that the real services take.

One run of the simulated world is traced. Each function that a list names must be called there in
its process, from one that the list names before it, through no module that the list does not name.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import pytest

from pmtools.simulate.loop import LIFE
from pmtools.simulate.world import SeededWorld

pytestmark = pytest.mark.timeout(120)

MOST_MODULES = 8
SEED, SECONDS = 7, 28.0
_PAGE = Path(__file__).parents[2] / "docs/ARCHITECTURE.md"
_NAMED = re.compile(r"`(\w+)\.py`\s+\(`([\w.]+)`")
_QUEUE = re.compile(r";\s+(?=`\w+\.py`)")
_OURS = ("pmcore.", "pmfeed.", "pmstrategy.", "pmexecutor.", "pmuserws.")

Name = tuple[str, str]
Stack = tuple[Name, ...]
"""The named modules and functions that called one another, the last one called last."""


@dataclass(frozen=True)
class Way:
    """One numbered item: a process, and what it calls, divided where a queue or a task is."""

    process: str
    stretches: tuple[tuple[Name, ...], ...]

    @property
    def modules(self) -> list[str]:
        return [module for stretch in self.stretches for module, _ in stretch]


def _ways(title: str) -> list[Way]:
    section = _PAGE.read_text().split(f"## {title}\n")[1].split("\n## ")[0]
    ways = []
    for item in re.split(r"^\d+\. ", section, flags=re.MULTILINE)[1:]:
        stretches = tuple(tuple(_NAMED.findall(part)) for part in _QUEUE.split(item))
        if process := re.match(r"\*\*(\w+)\*\*", item):
            ways.append(Way(process[1], tuple(each for each in stretches if each)))
    return ways


PRICE, FILL = _ways("The way of one price"), _ways("The way of one fill")
WAYS = [pytest.param(way, id=f"{way.process}-{way.modules[-1]}") for way in [*PRICE, *FILL]]


@pytest.fixture(scope="module")
def calls() -> dict[tuple[str, Name], set[Stack]]:
    """Of each named function in each process: the stacks it was called with."""
    names = {name for way in [*PRICE, *FILL] for stretch in way.stretches for name in stretch}
    functions = {function for _, function in names}
    seen: dict[tuple[str, Name], set[Stack]] = {}

    def note(frame: FrameType, event: str, _: object) -> None:
        if event != "call" or frame.f_code.co_qualname not in functions:
            return
        life, name = LIFE.get(None), _name_of(frame)
        if life is not None and name in names:
            seen.setdefault((life.name, name), set()).add(_stack(frame))

    world = SeededWorld(SEED)
    try:
        world.start()
        sys.setprofile(note)
        world.run(SECONDS)
    finally:
        sys.setprofile(None)
        world.close()
    return seen


def _name_of(frame: FrameType) -> Name:
    return frame.f_globals["__name__"].rpartition(".")[2], frame.f_code.co_qualname


def _stack(frame: FrameType) -> Stack:
    stack: list[Name] = []
    at: FrameType | None = frame
    while at is not None:
        if str(at.f_globals.get("__name__")).startswith(_OURS):
            stack.append(_name_of(at))
        at = at.f_back
    return tuple(reversed(stack))


def _leads(stack: Stack, before: tuple[Name, ...]) -> bool:
    """Whether a function of `before` called the last one, through no other module."""
    starts = [index for index, name in enumerate(stack[:-1]) if name in before]
    known = {module for module, _ in (*before, stack[-1])}
    return bool(starts) and all(module in known for module, _ in stack[starts[-1] :])


@pytest.mark.parametrize("way", WAYS)
def test_each_named_function_is_called_by_one_named_before_it(
    way: Way, calls: dict[tuple[str, Name], set[Stack]]
) -> None:
    for stretch in way.stretches:
        for index, name in enumerate(stretch):
            stacks = calls.get((way.process, name), set())
            assert stacks, f"{way.process} never calls {name}"
            if index:
                before = stretch[:index]
                leads = any(_leads(stack, before) for stack in stacks)
                assert leads, f"{name} is not called by {before}, but so: {stacks}"


@pytest.mark.parametrize("way", WAYS)
def test_no_module_stands_twice_in_a_way(way: Way) -> None:
    assert len(way.modules) == len(set(way.modules)), way.modules


@pytest.mark.parametrize("ways", [PRICE, FILL], ids=["price", "fill"])
def test_a_process_has_at_most_eight_modules(ways: list[Way]) -> None:
    for process in {way.process for way in ways}:
        modules = {module for way in ways if way.process == process for module in way.modules}
        assert len(modules) <= MOST_MODULES, (process, modules)


def test_the_ways_go_from_the_socket_to_the_post_and_to_the_ledger() -> None:
    assert [way.process for way in PRICE] == ["feed", "strategy", "executor", "executor"]
    assert [way.process for way in FILL] == ["userws", "strategy"]
    assert PRICE[0].modules[0] == FILL[0].modules[0] == "websocket"
    assert PRICE[-1].modules[-1] == "clob_http"
    assert "inventory" in FILL[-1].modules
