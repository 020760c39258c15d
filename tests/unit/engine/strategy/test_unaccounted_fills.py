"""Fills that are known before, or without, their trades: each was seen to break the engine.

The venue matches at once; only the report of the trade is late, or never comes. What anybody says
of the match counts against the limits from that moment; inventory waits for the trade.
"""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from pmcore.engine.execution.io import (
    DeleteOrders,
    ListOpenOrders,
    LookUpOrder,
    LookUpResult,
    OpenOrdersAnswered,
    OrderLookedUp,
)
from pmcore.messages.execution import (
    CancelFailed,
    ExecutionMessage,
    OrderCancelled,
    OrderSubmitting,
)
from pmcore.messages.notices import NoticeKind
from pmcore.messages.orders import CancelOrders, SubmitOrder
from pmcore.messages.user import FillReported, OrderUpdated, OrderUpdateKind
from pmcore.model.errors import Reason
from pmcore.model.market import Outcome
from pmcore.model.params import LimitParams
from pmcore.venue.user_frames import UserFrameParser
from support.builders import at, params
from support.engine_driver import EngineDriver, hash_of, quoting_driver
from support.executions import SLUG, Bench

UP, DOWN = Outcome.UP, Outcome.DOWN
BOOKS = ("0.46/0.48", "0.51/0.53")
NEVER = 1e9


def matched_event(
    driver: EngineDriver, t: float, order_id: str, outcome: Outcome, matched_u6: int
) -> OrderUpdated:
    """The order's own event: UPDATE, MATCHED."""
    event = driver.user_order(t, order_id, OrderUpdateKind.UPDATE, matched=matched_u6)
    return replace(event, status="matched", token_id=driver.window.token_id(outcome))


def bought_up_u6(
    told_after_s: float, *, events: bool, until_s: int = 90
) -> tuple[EngineDriver, int]:
    """Every Up bid is matched as soon as it rests; the price moves to and fro meanwhile."""
    driver = quoting_driver()
    matched: dict[str, float] = {}
    told: set[str] = set()
    read = len(driver.all)
    for half in range(4, 2 * until_s):
        t = half / 2
        for order_id, since in matched.items():
            if t >= since + told_after_s and order_id not in told:
                told.add(order_id)
                driver.batch(t, driver.filled(t, order_id, UP, "5", "0.47", trade_id=order_id))
        slot = driver.session.orders.slot(UP)
        if slot is not None and slot.state == "resting" and slot.client_order_id not in matched:
            matched[slot.client_order_id] = t
            if events:
                driver.batch(t, matched_event(driver, t, slot.client_order_id, UP, 5_000_000))
        shift = 2 * (half // 3 % 2)
        driver.books(t, f"0.{46 + shift}/0.{48 + shift}", f"0.{51 - shift}/0.{53 - shift}")
        while read < len(driver.all):
            output = driver.all[read]
            read += 1
            if isinstance(output, SubmitOrder):
                driver.accept(t, output)
            elif isinstance(output, CancelOrders):
                for order_id in output.client_order_ids:
                    answer_cancel(driver, t, order_id, matched=order_id in matched)
    return driver, 5_000_000 * len(matched)


def answer_cancel(driver: EngineDriver, t: float, order_id: str, *, matched: bool) -> None:
    """Cancelled, and the user channel says so; or already matched, nobody says how much."""
    if matched:
        driver.batch(t, driver.found(t, order_id, None))
    else:
        driver.confirm_cancel(t, order_id)


@pytest.mark.parametrize("events", [True, False], ids=["order events", "only answers to cancels"])
@pytest.mark.parametrize("told_after_s", [6, 40, NEVER])
def test_a_late_or_missing_trade_does_not_pass_the_net_limit(
    told_after_s: float, events: bool
) -> None:
    driver, bought_u6 = bought_up_u6(told_after_s, events=events)
    assert bought_u6 < LimitParams().max_net_diff_u6
    told = told_after_s < NEVER
    assert (driver.session.inventory.working.up.qty_u6 > 0) is told
    assert bool(driver.notices(NoticeKind.UNACCOUNTED)) is (told_after_s > 10)


def test_quoting_resumes_when_the_trade_is_told() -> None:
    driver, _ = bought_up_u6(NEVER, events=True, until_s=30)
    assert driver.session.decision.mode == "hold"
    assert "not accounted for" in driver.session.decision.hold_reason
    driver.batch(30, driver.filled(30, desk_first(driver), UP, "5", "0.47"))
    assert [s.outcome for s in driver.submits] == [DOWN]  # the hedge
    assert [n.reason for n in driver.notices(NoticeKind.UNACCOUNTED)] == ["entered", "left"]


def desk_first(driver: EngineDriver) -> str:
    return f"r1.{driver.window.slug}.1"


def test_a_hedge_that_is_matched_but_not_told_is_not_bought_again() -> None:
    driver = quoting_driver()
    driver.batch(2, driver.filled(2, desk_first(driver), UP, "5", "0.47"))
    down = driver.resting(DOWN)
    assert down
    driver.batch(2.1, matched_event(driver, 2.1, down[0], DOWN, 5_000_000))
    driver.books(2.5, *BOOKS)
    assert driver.submits == []
    assert "matched down shares" in driver.session.decision.hold_reason


@pytest.mark.parametrize("matched", [5_000_000, None], ids=["5 of 5", "no amount"])
def test_a_match_is_heard_before_the_order_has_a_name(matched: int | None) -> None:
    driver = EngineDriver()
    driver.start()
    driver.books(1.1, *BOOKS)
    up = driver.submits[0]
    said = matched_event(driver, 1.2, up.client_order_id, UP, 5_000_000)
    driver.batch(1.2, replace(said, matched_u6=matched))
    named = OrderSubmitting(
        slug=driver.window.slug,
        client_order_id=up.client_order_id,
        order_hash=hash_of(up.client_order_id),
        ts_exec_ns=at(1.3),
    )
    driver.batch(1.3, named)
    assert driver.resting(UP) is None
    assert [(e.outcome, e.qty_u6) for e in driver.session.orders.owed()] == [(UP, 5_000_000)]


def test_a_match_of_an_order_of_an_earlier_run_counts_until_its_trade_is_told() -> None:
    driver = EngineDriver()
    said = matched_event(driver, 0.5, "r0.order", UP, 5_000_000)
    driver.start()
    driver.batch(1, said)
    driver.books(1.1, *BOOKS)
    assert [s.outcome for s in driver.submits] == [DOWN]
    driver.batch(1.5, driver.filled(1.5, "r0.order", UP, "5", "0.47"))
    assert driver.session.orders.owed() == []
    assert driver.session.inventory.working.up.qty_u6 == 5_000_000


def test_an_order_of_an_earlier_run_counts_with_the_most_that_was_said() -> None:
    driver = EngineDriver()
    driver.start()
    event = matched_event(driver, 1, "r0.order", UP, 1_000_000)
    gone = replace(event, kind=OrderUpdateKind.CANCELLATION, matched_u6=2_000_000)
    proves_nothing = replace(gone, order_hash="0xother", matched_u6=5_000_000)
    driver.batch(1, event, gone, proves_nothing)
    assert [e.qty_u6 for e in driver.session.orders.owed()] == [2_000_000]
    driver.batch(2, driver.filled(2, "r0.order", UP, "2", "0.47"))
    assert driver.session.orders.alive() == ()


def test_proved_matches_count_in_the_loss_and_in_the_gate() -> None:
    limits = LimitParams(max_window_loss_u6=2_000_000, max_position_value_u6=2_000_000)
    driver = EngineDriver(params(limits=limits))
    driver.start()
    driver.batch(2, matched_event(driver, 2, "r0.order", UP, 5_000_000))
    assert driver.session.inventory.working.up.qty_u6 == 0
    assert not driver.session.can_open
    assert driver.notices(NoticeKind.LOSS_LIMIT)


# ---- dust ------------------------------------------------------------------------------------


def test_an_order_called_matched_frees_its_slot_however_little_is_missing() -> None:
    driver = quoting_driver()
    for outcome, price in ((UP, "0.47"), (DOWN, "0.52")):
        slot = driver.resting(outcome)
        assert slot
        trade = driver.filled(3, slot[0], outcome, "4.997714", price)
        driver.batch(3, trade, matched_event(driver, 3, slot[0], outcome, 4_997_714))
    assert (driver.session.orders.slot(UP), driver.session.orders.slot(DOWN)) == (None, None)
    assert driver.session.orders.alive() == ()
    assert driver.cancels == []


def test_matched_with_much_missing_frees_the_slot_counts_all_and_is_asked_about() -> None:
    driver = quoting_driver()
    slot = driver.resting(UP)
    assert slot
    trade = driver.filled(3, slot[0], UP, "2", "0.47")
    driver.batch(3, trade, matched_event(driver, 3, slot[0], UP, 2_000_000))
    assert driver.resting(UP) is None
    assert [e.qty_u6 for e in driver.session.orders.exposures() if e.outcome is UP] == [3_000_000]
    driver.books(4, *BOOKS)
    assert slot[0] in driver.cancels
    driver.batch(4.1, driver.found(4.1, slot[0], 2_000_000))
    order = driver.session.orders.get(slot[0])
    assert order
    assert order.state == "closed"
    assert [s.outcome for s in driver.submits] == [UP]


# ---- cancelled, and nobody said how much was filled -------------------------------------------


def test_a_cancelled_order_counts_until_somebody_says_how_much_was_filled() -> None:
    driver = quoting_driver()
    driver.books(2, "0.48/0.50", "0.49/0.51")
    old = driver.cancels
    driver.confirm_cancel(2.1, *old, user=False)
    driver.books(5, "0.48/0.50", "0.49/0.51")
    assert sum(e.qty_u6 for e in driver.session.orders.exposures()) == 10_000_000
    driver.batch(5.1, *(driver.found(5.1, order_id, 5_000_000) for order_id in old))
    assert sum(e.qty_u6 for e in driver.session.orders.owed()) == 10_000_000
    assert driver.session.inventory.working.up.qty_u6 == 0  # only a trade books


def test_a_cancellation_that_calls_all_of_it_matched_is_checked() -> None:
    """One was recorded so (docs/venue: order events); it proves neither a fill nor its absence."""
    driver = quoting_driver()
    slot = driver.resting(UP)
    assert slot
    driver.batch(2, driver.user_order(2, slot[0], OrderUpdateKind.CANCELLATION, matched=5_000_000))
    assert driver.session.orders.owed() == []
    driver.books(3, *BOOKS)
    assert driver.cancels == [slot[0]]
    driver.batch(3.1, driver.found(3.1, slot[0], 0))
    assert [s.outcome for s in driver.submits] == [UP]


def test_an_order_that_was_never_sent_needs_no_accounting() -> None:
    driver = EngineDriver()
    driver.start()
    driver.books(1.1, *BOOKS)
    up = driver.submits[0].client_order_id
    unknown = CancelFailed(
        slug=driver.window.slug,
        client_order_id=up,
        reason=Reason.NOT_FOUND,
        text="not known here",
        ts_exec_ns=at(7),
    )
    driver.books(7, *BOOKS)
    driver.batch(7.1, unknown)
    assert up not in [o.client_order_id for o in driver.session.orders.alive()]


# ---- vanished: executor and strategy together -------------------------------------------------


def end_in_unknown_words(order_id: str) -> list[OrderUpdated | FillReported]:
    """What the engine hears of an event whose kind it does not know: nothing."""
    frame = {
        "event_type": "order",
        "type": "EXPIRATION",
        "id": hash_of(order_id),
        "market": "0xc0",
        "asset_id": "111",
        "price": "0.47",
        "original_size": "5",
        "size_matched": "0",
        "status": "EXPIRED",
        "timestamp": "1790766902000",
    }
    parser = UserFrameParser(api_key="our-key", maker_addresses=frozenset())
    heard = parser.parse(json.dumps(frame), ts_recv_ns=at(2))
    assert parser.unusable == {"unknown_event": 1}
    return heard


@pytest.mark.parametrize("in_unknown_words", [False, True])
def test_a_bid_that_vanished_without_a_word_is_placed_again(*, in_unknown_words: bool) -> None:
    """Nobody tells of the end; the executor's comparison finds it, asks, and tells the strategy."""
    driver, bench = EngineDriver(), Bench()
    driver.start()
    driver.books(1.1, *BOOKS)
    driver.accept(1.2, *driver.submits)
    slot = driver.resting(UP)
    assert slot
    driver.batch(2, *(end_in_unknown_words(slot[0]) if in_unknown_words else ()))
    bench.rest(slot[0])
    said: list[ExecutionMessage] = []
    for _ in range(40):
        bench.wait(500)
        if bench.got(ListOpenOrders):
            bench.step(OpenOrdersAnswered(SLUG, ()))
        for look in bench.got(LookUpOrder):
            bench.step(OrderLookedUp(look.order_hash, LookUpResult.CANCELED, 0))
            said += [o for o in bench.out if isinstance(o, OrderCancelled)]
        assert not bench.got(DeleteOrders)
    assert [message.client_order_id for message in said] == [slot[0]]  # type: ignore[union-attr] # cancels
    driver.books(22, *BOOKS)
    driver.batch(22, *said)
    assert [s.outcome for s in driver.submits] == [UP]
    assert any(getattr(o, "kind", "") == NoticeKind.ORDER_VANISHED for o in bench.all)


@pytest.mark.parametrize("answers", [(None, 0), (0, None)], ids=["proof first", "proof last"])
def test_a_proved_match_is_not_disproved_by_a_look_up_that_finds_nothing(
    answers: tuple[int | None, ...],
) -> None:
    """The venue does not return an old matched order by its id: that was taken for unfilled."""
    driver = quoting_driver()
    up = driver.resting(UP)
    assert up
    for t, filled_u6 in enumerate(answers, 2):
        driver.batch(t, driver.found(t, up[0], filled_u6))
    driver.batch(3.1)
    assert [(e.outcome, e.qty_u6) for e in driver.session.orders.owed()] == [(UP, 5_000_000)]
    driver.batch(40, driver.filled(40, up[0], UP, "5", "0.47"))
    assert driver.session.orders.owed() == []
