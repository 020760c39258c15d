"""Deliberate defects, each put into the real code by a patch, and the law that must break.

`python -m support.defects` looks for the first seed that catches each; `tests/simulation` runs it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import msgspec
import pytest

from pmcore.engine.execution import merging
from pmcore.engine.execution.engine import ExecutionEngine
from pmcore.engine.execution.io import Command, MergeAnswered
from pmcore.engine.execution.state import ExecutionState
from pmcore.engine.strategy.session import MarketSession
from pmcore.machines.dead_man_switch import DeadManSwitch
from pmcore.machines.feed import FeedAction, FeedSession
from pmcore.machines.inventory import Inventory
from pmcore.machines.merge_ledger import MergeLedger
from pmcore.machines.order_lifecycle import OrderState, OwnOrder
from pmcore.machines.positions_check import PositionsCheck
from pmcore.messages.execution import MergeStatus
from pmcore.messages.orders import SubmitOrder
from pmcore.messages.user import TradeStatus
from pmcore.model.units import NS_PER_S
from pmexecutor.publisher import Publisher
from pmexecutor.windows import SeriesWindows
from pmtools.simulate.checkers import Breach
from pmtools.simulate.faults import draw_schedule
from pmtools.simulate.trial import SECONDS, Trial, try_seed

HOUR_NS = 3_600 * NS_PER_S
IN_FLIGHT = (OrderState.REQUESTED, OrderState.SUBMITTING, OrderState.UNKNOWN)


@dataclass(frozen=True)
class Defect:
    """What is broken, with which faults, the laws of which one must break, and a seed that does."""

    put_in: Callable[[pytest.MonkeyPatch], None]
    faults: tuple[str, ...]
    laws: tuple[str, ...]
    seed: int
    seconds: float = SECONDS
    merging: bool = False


def _positions_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PositionsCheck, "compare", lambda *_: None)


def _dedupe_off(patch: pytest.MonkeyPatch) -> None:
    apply, numbers = Inventory.apply, count()

    def each_is_new(self: Inventory, fill: Any, outcome: Any) -> Any:
        trade_id = f"{fill.trade_id}/{next(numbers)}"
        return apply(self, msgspec.structs.replace(fill, trade_id=trade_id), outcome)

    patch.setattr(Inventory, "apply", each_is_new)


def _not_recorded_first(patch: pytest.MonkeyPatch) -> None:
    put = Publisher.put

    def done_already(self: Publisher, *args: Any) -> asyncio.Future[None]:
        put(self, *args)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    patch.setattr(Publisher, "put", done_already)


def _not_counted(forgotten: Callable[[OwnOrder], bool]) -> Callable[[pytest.MonkeyPatch], None]:
    exposure: Callable[[OwnOrder], int] = vars(OwnOrder)["exposure_u6"].fget

    def put_in(patch: pytest.MonkeyPatch) -> None:
        counted = property(lambda order: 0 if forgotten(order) else exposure(order))
        patch.setattr(OwnOrder, "exposure_u6", counted)

    return put_in


def _lost_merge_failed(patch: pytest.MonkeyPatch) -> None:
    """What may have been merged is reported as not merged."""
    answered = merging.answered

    def sure(state: ExecutionState, event: MergeAnswered) -> None:
        unknown = event.status is MergeStatus.UNKNOWN
        status = MergeStatus.FAILED if unknown else event.status
        answered(state, msgspec.structs.replace(event, status=status))

    patch.setattr(merging, "answered", sure)


def _freed_twice(patch: pytest.MonkeyPatch) -> None:
    freed_e4u6 = MergeLedger.freed_e4u6
    patch.setattr(MergeLedger, "freed_e4u6", lambda *args: 2 * freed_e4u6(*args))


def _failed_ignored(patch: pytest.MonkeyPatch) -> None:
    apply = Inventory.apply

    def never_failed(self: Inventory, fill: Any, outcome: Any) -> Any:
        if fill.status is TradeStatus.FAILED:
            fill = msgspec.structs.replace(fill, status=TradeStatus.CONFIRMED)
        return apply(self, fill, outcome)

    patch.setattr(Inventory, "apply", never_failed)


def _heartbeat_not_gated(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(DeadManSwitch, "placing_allowed", lambda _self, _at_ns: True)


def _expiry_ignored(patch: pytest.MonkeyPatch) -> None:
    step = ExecutionEngine.step

    def never_expires(self: ExecutionEngine, at_ns: int, event: Any) -> Any:
        if isinstance(event, Command) and isinstance(event.message, SubmitOrder):
            later_ns = event.message.expires_at_ns + HOUR_NS
            message = msgspec.structs.replace(event.message, expires_at_ns=later_ns)
            event = msgspec.structs.replace(event, message=message)
        return step(self, at_ns, event)

    patch.setattr(ExecutionEngine, "step", never_expires)


def _stale_book_trusted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MarketSession, "book_fresh", lambda *_: True)


def _late_data_trusted(patch: pytest.MonkeyPatch) -> None:
    real = FeedSession.on_data

    def on_data(
        self: FeedSession, at_ns: int, *, usable: bool, event_ns: int | None = None
    ) -> list[FeedAction]:
        del event_ns
        return real(self, at_ns, usable=usable)

    patch.setattr(FeedSession, "on_data", on_data)


def _left_windows_joined(patch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> bool:
        return False

    patch.setattr(SeriesWindows, "_was_left", never)


LIMITS = ("net limit", "executor's limits")
"""The executor refuses what a strategy with a defect asks for, so the venue seldom sees it."""
BELIEF = ("belief", "belief at rest", "exposure", *LIMITS)
DEFECTS: dict[str, Defect] = {
    "positions ignored": Defect(_positions_ignored, ("positions-disagree",), ("positions",), 5),
    "dedupe off": Defect(_dedupe_off, (), BELIEF, 1),
    "id not recorded first": Defect(_not_recorded_first, (), ("record first",), 1),
    "unconfirmed cancel not counted": Defect(
        _not_counted(lambda order: order.cancel_requested_ns is not None),
        ("late-frames", "slow-link", "lose-answers", "redis-slow"),
        BELIEF,
        1,
    ),
    "in flight not counted": Defect(
        _not_counted(lambda order: order.state in IN_FLIGHT),
        ("slow-link", "lose-answers", "redis-slow"),
        BELIEF,
        103,
    ),
    "FAILED ignored": Defect(_failed_ignored, ("failed-trades",), BELIEF, 1),
    "heartbeat not gated": Defect(
        _heartbeat_not_gated,
        ("edge-503", "edge-429", "kill-9", "refuse"),
        ("heartbeat",),
        1,
    ),
    "expiry ignored": Defect(_expiry_ignored, ("freeze",), ("expiry",), 85, 15.0),
    "stale book trusted": Defect(_stale_book_trusted, ("freeze",), ("stale book",), 7),
    "late data trusted": Defect(
        _late_data_trusted, ("kill-9", "late-frames", "silent"), ("stale book",), 19
    ),
    "lost answer means not merged": Defect(
        _lost_merge_failed, ("lose-answers",), ("merges",), 42, merging=True
    ),
    "merge frees twice its cost": Defect(_freed_twice, (), ("value limit",), 3, merging=True),
    "left windows joined": Defect(_left_windows_joined, ("kill-9-leaving",), ("up at rest",), 11),
}


def trial_of(defect: Defect, seed: int) -> Trial:
    """The seed's trial, with whatever is in the code now."""
    schedule = draw_schedule(seed, defect.faults, defect.seconds)
    return try_seed(seed, schedule, seconds=defect.seconds, merging=defect.merging)


@contextmanager
def broken(defect: Defect) -> Iterator[None]:
    """The code with the defect in it."""
    with pytest.MonkeyPatch.context() as patch:
        defect.put_in(patch)
        yield


def catches(defect: Defect, seed: int) -> list[Breach]:
    """Which of the defect's laws the seed sees broken."""
    with broken(defect):
        trial = trial_of(defect, seed)
    return [breach for breach in trial.problems if breach.law in defect.laws]


def search(defects: Mapping[str, Defect]) -> None:
    """Print the first seed that catches each, and is clean without it."""
    for name, defect in defects.items():
        for seed in range(1, 201):
            if (found := catches(defect, seed)) and not trial_of(defect, seed).problems:
                print(f"{name}: seed {seed}: {found[0]}", flush=True)
                break
        else:
            print(f"{name}: not caught in 200 seeds", flush=True)


if __name__ == "__main__":
    search(DEFECTS)
