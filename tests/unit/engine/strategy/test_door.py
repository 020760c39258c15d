"""Every kind of event: one that names another window or market changes nothing."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest
from msgspec.structs import replace

from pmcore.messages.control import Halt, Resume
from pmcore.messages.execution import (
    CancelFailed,
    FailureStage,
    OrderAccepted,
    OrderCancelled,
    OrderFailed,
    OrderSubmitting,
    OrderUnknown,
    VenueMode,
    VenueModeChanged,
    WindowFlat,
)
from pmcore.messages.gate import PlacingGateChanged
from pmcore.messages.market_data import (
    BookDelta,
    FeedState,
    FeedStatusChanged,
    LevelChange,
    TickSizeChanged,
    UnderlyingPriced,
)
from pmcore.messages.prior_loss import PriorLossChanged
from pmcore.messages.rotation import WindowAnnounced, WindowResolved
from pmcore.messages.timers import BatchEnded, Tick
from pmcore.messages.union import EngineEvent
from pmcore.messages.user import OrderUpdated, OrderUpdateKind, PositionsRead, UserChannelChanged
from pmcore.model.errors import Reason
from pmcore.model.market import BookSide, Outcome, TakerSide
from support.builders import at, book, fill, trade, underlying, window
from support.engine_driver import EngineDriver, hash_of, quoting_driver
from support.merges import merge_report

UP = Outcome.UP
SLUG, CONDITION_ID, TOKEN_ID = window().slug, window().condition_id, window().token_id(UP)
FIRST = f"r1.{SLUG}.1"
NOW = at(2)
NAMES = {"slug": SLUG, "client_order_id": FIRST, "ts_exec_ns": NOW}
HASHED = {**NAMES, "order_hash": hash_of(FIRST)}

OF_A_WINDOW: tuple[EngineEvent, ...] = (
    book(UP, "0.10", "0.12", at_ns=NOW),
    BookDelta(
        slug=SLUG,
        changes=(LevelChange(UP, BookSide.BID, 4_700, 1_000_000),),
        ts_event_ns=NOW,
        ts_recv_ns=NOW,
    ),
    trade(UP, TakerSide.BUY, "7", at_ns=NOW),
    underlying("71000", at_ns=NOW),
    TickSizeChanged(slug=SLUG, outcome=UP, new_tick_e4=1, ts_event_ns=NOW, ts_recv_ns=NOW),
    FeedStatusChanged(slug=SLUG, state=FeedState.DOWN, ts_recv_ns=NOW),
    WindowResolved(slug=SLUG, winner=UP, ts_recv_ns=NOW),
    OrderSubmitting(**HASHED),  # type: ignore[arg-type] # shared names
    OrderAccepted(**HASHED),  # type: ignore[arg-type] # shared names
    OrderFailed(**NAMES, stage=FailureStage.REJECTED, reason=Reason.BALANCE),  # type: ignore[arg-type] # shared names
    OrderUnknown(**HASHED, reason=Reason.TIMEOUT),  # type: ignore[arg-type] # shared names
    OrderCancelled(**HASHED),  # type: ignore[arg-type] # shared names
    CancelFailed(**NAMES, reason=Reason.NOT_FOUND),  # type: ignore[arg-type] # shared names
    WindowFlat(slug=SLUG, ts_exec_ns=NOW),
    merge_report(),
    fill(UP, "5", "0.47", order_hash=hash_of(FIRST)),
    OrderUpdated(
        kind=OrderUpdateKind.CANCELLATION,
        order_hash=hash_of(FIRST),
        condition_id=CONDITION_ID,
        token_id=TOKEN_ID,
        price_e4=4_700,
        original_u6=5_000_000,
        matched_u6=0,
        ts_event_ns=NOW,
        ts_recv_ns=NOW,
    ),
)
OF_ALL = {
    PositionsRead,
    VenueModeChanged,
    WindowAnnounced,
    UserChannelChanged,
    Halt,
    Resume,
    PlacingGateChanged,
    PriorLossChanged,
    Tick,
    BatchEnded,
}


CHANGES_NOTHING_NOW = (OrderSubmitting, OrderUnknown, WindowFlat, UnderlyingPriced)
"""For an order that rests, when nobody asked, and with the rule off (test_underlying_rule.py)."""


def of_another(event: EngineEvent) -> EngineEvent:
    if hasattr(event, "condition_id"):
        return replace(event, condition_id="0xanother")
    return replace(event, slug="another")


def state_of(driver: EngineDriver) -> bytes:
    engine = driver.engine
    kept = (engine.view(), engine.counters, engine.fingerprint, engine.finished)
    held = [vars(order) if hasattr(order, "__dict__") else order for order in _orders(driver)]
    return msgspec.json.encode((*kept, repr(held), repr(driver.session.books.touch(UP))))


def _orders(driver: EngineDriver) -> list[object]:
    return [*driver.session.orders.alive(), *driver.session.orders.owed()]


def test_every_event_is_in_one_of_the_two_lists() -> None:
    named = {type(event) for event in OF_A_WINDOW}
    assert not named & OF_ALL
    assert named | OF_ALL == set(get_args(EngineEvent))


@pytest.mark.parametrize("event", OF_A_WINDOW, ids=lambda event: type(event).__name__)
def test_an_event_of_another_window_changes_nothing(event: EngineEvent) -> None:
    driver = quoting_driver()
    driver.engine.step(NOW, Tick())  # ages in the view are those of now
    before = state_of(driver)
    assert driver.engine.step(NOW, of_another(event)) == []
    assert state_of(driver) == before


@pytest.mark.parametrize(
    "event",
    [event for event in OF_A_WINDOW if not isinstance(event, CHANGES_NOTHING_NOW)],
    ids=lambda event: type(event).__name__,
)
def test_the_same_event_of_this_window_does_change_it(event: EngineEvent) -> None:
    driver = quoting_driver()
    driver.engine.step(NOW, Tick())  # ages in the view are those of now
    before = state_of(driver)
    driver.engine.step(NOW, event)
    assert state_of(driver) != before


def test_a_venue_mode_is_the_accounts_whatever_window_it_names() -> None:
    driver = quoting_driver()
    mode = VenueModeChanged(slug="another", mode=VenueMode.CANCEL_ONLY, ts_exec_ns=NOW)
    driver.engine.step(NOW, mode)
    assert driver.engine.view()["venue_mode"] == "cancel_only"
