from __future__ import annotations

import pytest
from msgspec.structs import replace

from pmcore.messages.execution import (
    CancelFailed,
    OrderAccepted,
    OrderCancelled,
    OrderSubmitting,
    OrderUnknown,
)
from pmcore.messages.notices import NoticeKind
from pmcore.messages.user import OrderUpdateKind
from pmcore.model.errors import Reason
from pmcore.model.market import Outcome
from support.builders import at, params
from support.engine_driver import EngineDriver, hash_of, quoting_driver

UP, DOWN = Outcome.UP, Outcome.DOWN
BOOKS = ("0.46/0.48", "0.51/0.53")
FIRST, SECOND = "r1.btc-updown-15m-1790766900.1", "r1.btc-updown-15m-1790766900.2"


def asking_driver() -> EngineDriver:
    """Both bids asked for, nobody has answered."""
    driver = EngineDriver()
    driver.start()
    driver.books(1.1, *BOOKS)
    return driver


def names(order_id: str) -> dict[str, object]:
    slug = EngineDriver().window.slug
    return {
        "slug": slug,
        "client_order_id": order_id,
        "order_hash": hash_of(order_id),
        "ts_exec_ns": at(2),
    }


def test_a_failed_order_frees_its_slot_at_once() -> None:
    driver = asking_driver()
    driver.batch(2, driver.failed(FIRST, Reason.BALANCE))
    assert driver.resting(UP) is None
    assert driver.engine.counters.orders_rejected == {"balance": 1}
    assert [n.reason for n in driver.notices(NoticeKind.ORDER_REJECTED)] == ["balance"]
    driver.books(2.9, *BOOKS)
    assert driver.submits == []  # backs off
    driver.books(3, *BOOKS)
    assert [s.outcome for s in driver.submits] == [UP]


def test_an_expired_order_is_simply_placed_again() -> None:
    driver = asking_driver()
    driver.batch(2, driver.failed(FIRST, Reason.EXPIRED))
    assert [s.outcome for s in driver.submits] == [UP]


def test_a_crossing_refusal_steps_away_and_waits_twice_as_long_each_time() -> None:
    driver = asking_driver()
    side = driver.session.sides[UP]
    waits = []
    t = 2.0
    for _ in range(6):
        order = driver.session.orders.slot(UP)
        assert order
        driver.batch(t, driver.failed(order.client_order_id, Reason.POST_ONLY_CROSSES))
        waits.append(side.backoff_ns // 1_000_000)
        t += side.backoff_ns / 1e9
        driver.books(t, *BOOKS)
    assert waits == [250, 500, 1000, 2000, 2000, 2000]
    assert side.extra_ticks == 5
    driver.accept(t)
    assert side.backoff_ns == 0
    driver.batch(t + 10)
    assert side.extra_ticks == 0


def refused_until(driver: EngineDriver, reason: Reason, times: int) -> list[float]:
    """Every order is refused with one reason; how long each was waited for before the next."""
    waits, t = [], 2.0
    for _ in range(times):
        slots = [o for outcome in (UP, DOWN) if (o := driver.session.orders.slot(outcome))]
        driver.batch(t, driver.failed(slots[0].client_order_id, reason, t))
        if len(slots) > 1:
            driver.batch(t, driver.failed(slots[1].client_order_id, Reason.EXPIRED, t))
        refused_at = t
        while driver.session.orders.slot(slots[0].outcome) is None and t < refused_at + 40:
            t += 0.5
            driver.books(t, *BOOKS)
        waits.append(t - refused_at)
    return waits


def test_a_page_of_the_edge_is_waited_out_and_never_the_end_of_the_window() -> None:
    driver = asking_driver()
    assert refused_until(driver, Reason.EDGE_PAGE, 8) == [1, 2, 4, 8, 16, 30, 30, 30]
    assert driver.engine.view()["refused"] == ""
    assert driver.engine.counters.orders_rejected["edge_page"] == 8
    driver.accept(124, *driver.submits)
    assert driver.session.refusals.in_a_row == 0


def test_a_refusal_in_unknown_words_ends_the_window_only_when_it_repeats() -> None:
    driver = asking_driver()
    waits = refused_until(driver, Reason.REFUSED, 6)
    assert waits[:5] == [1, 2, 4, 8, 16]
    assert waits[5] >= 40
    assert driver.engine.view()["refused"] == "the venue refuses orders: refused why"


@pytest.mark.parametrize(
    "reason", [Reason.AUTH, Reason.BANNED, Reason.VERSION_MISMATCH, Reason.REGION_BLOCKED]
)
def test_a_refusal_for_good_stops_the_window(reason: Reason) -> None:
    driver = asking_driver()
    driver.batch(2, driver.failed(FIRST, reason))
    assert driver.cancels == [SECOND]
    assert reason.value in str(driver.engine.view()["refused"])


def test_an_unknown_outcome_keeps_the_slot_and_the_worst_case() -> None:
    driver = asking_driver()
    driver.batch(2, OrderUnknown(reason=Reason.TIMEOUT, **names(FIRST)))  # type: ignore[arg-type] # shared names
    assert driver.resting(UP)
    driver.batch(2.1, OrderAccepted(**names(FIRST)))  # type: ignore[arg-type] # shared names
    assert driver.session.orders.slot(UP).state == "resting"  # type: ignore[union-attr] # asserted above


def test_a_fill_may_come_before_any_answer() -> None:
    driver = asking_driver()
    driver.batch(2, driver.filled(2, FIRST, UP, "5", "0.47"))
    assert driver.resting(UP)  # nobody named the order yet
    driver.batch(2.1, OrderSubmitting(**names(FIRST)))  # type: ignore[arg-type] # shared names
    assert driver.resting(UP) is None
    driver.batch(2.2, OrderAccepted(**names(FIRST)))  # type: ignore[arg-type] # shared names
    assert driver.notices(NoticeKind.INVALID_TRANSITION) == []
    assert driver.session.inventory.working.up.qty_u6 == 5_000_000


def test_a_partial_fill_shrinks_its_slot() -> None:
    driver = quoting_driver()
    driver.batch(2, driver.filled(2, FIRST, UP, "2", "0.47"))
    order = driver.session.orders.slot(UP)
    assert order
    assert order.leaves_u6 == 3_000_000
    early = asking_driver()
    early.batch(2, OrderSubmitting(**names(FIRST)))  # type: ignore[arg-type] # shared names
    early.batch(2.1, early.filled(2.1, FIRST, UP, "2", "0.47"))
    assert early.session.orders.slot(UP).state == "resting"  # type: ignore[union-attr] # just seen


def test_the_user_channel_alone_can_end_an_order() -> None:
    driver = quoting_driver()
    gone = driver.user_order(2, FIRST, OrderUpdateKind.CANCELLATION, matched=0)
    driver.batch(2, gone)
    assert driver.submits  # the slot is free, nothing can come of the old order
    placed = quoting_driver()
    placed.batch(2, placed.user_order(2, FIRST, OrderUpdateKind.PLACEMENT))
    placed.batch(2, placed.user_order(2, FIRST, OrderUpdateKind.UPDATE, matched=1))
    placed.batch(2, placed.user_order(2, "unheard of", OrderUpdateKind.CANCELLATION))
    assert placed.resting(UP)


@pytest.mark.parametrize("kind", [OrderUpdateKind.UPDATE, OrderUpdateKind.PLACEMENT])
@pytest.mark.parametrize("status", ["canceled", "canceled_market_resolved", "invalid", "expired"])
def test_an_event_of_any_kind_that_says_ended_frees_the_slot(
    kind: OrderUpdateKind, status: str
) -> None:
    driver = quoting_driver()
    said = replace(driver.user_order(2, FIRST, kind, matched=0), status=status)
    driver.batch(2, said)
    assert driver.resting(UP) != (FIRST, 4700)
    driver.batch(3)
    assert driver.session.orders.get(FIRST).state.is_over  # type: ignore[union-attr] # it is known


def test_order_events_of_other_markets_are_not_ours() -> None:
    driver = quoting_driver()
    event = driver.user_order(2, FIRST, OrderUpdateKind.CANCELLATION, matched=0)
    other = replace(event, condition_id="0xother")
    driver.batch(2, other)
    assert driver.resting(UP)


def test_matched_but_unreported_shares_count_until_patience_ends() -> None:
    driver = quoting_driver()
    driver.books(2, "0.48/0.50", "0.49/0.51")
    cancelled = OrderCancelled(filled_u6=2_000_000, **names(FIRST))  # type: ignore[arg-type] # shared names
    driver.batch(2.1, cancelled)
    assert next(e.qty_u6 for e in driver.session.orders.exposures()) in (2_000_000, 5_000_000)
    driver.batch(
        2.2, driver.user_order(2.2, FIRST, OrderUpdateKind.CANCELLATION, matched=3_000_000)
    )
    assert driver.session.orders.get(FIRST).venue_filled_u6 == 3_000_000  # type: ignore[union-attr] # placed by the driver


def test_unseen_fills_that_never_come_count_for_ever_and_are_told() -> None:
    driver = quoting_driver()
    driver.batch(2, OrderCancelled(filled_u6=2_000_000, **names(FIRST)))  # type: ignore[arg-type] # shared names
    driver.books(11.9, *BOOKS)
    assert not driver.notices(NoticeKind.UNACCOUNTED)
    driver.books(12, *BOOKS)
    assert driver.cancels == [SECOND]
    assert "not accounted for" in str(driver.engine.view()["hold"])
    driver.batch(600)
    assert [n.reason for n in driver.notices(NoticeKind.UNACCOUNTED)] == ["entered"]
    assert [e.qty_u6 for e in driver.session.orders.owed()] == [2_000_000]


@pytest.mark.parametrize("reason", [Reason.NOT_FOUND, Reason.ALREADY_MATCHED])
def test_a_cancel_that_finds_nothing_means_gone(reason: Reason) -> None:
    driver = quoting_driver()
    driver.books(2, "0.48/0.50", "0.49/0.51")
    failed = CancelFailed(
        slug=driver.window.slug, client_order_id=FIRST, reason=reason, ts_exec_ns=at(2)
    )
    driver.batch(2.1, failed)
    assert driver.resting(UP) is None
    owed = sum(e.qty_u6 for e in driver.session.orders.owed())
    assert owed == (5_000_000 if reason is Reason.ALREADY_MATCHED else 0)


def test_a_cancel_that_failed_is_sent_again() -> None:
    driver = quoting_driver()
    driver.books(2, "0.48/0.50", "0.49/0.51")
    assert driver.cancels == [FIRST, SECOND]
    failed = CancelFailed(
        slug=driver.window.slug, client_order_id=FIRST, reason=Reason.TIMEOUT, ts_exec_ns=at(2)
    )
    driver.batch(2.1, failed)
    assert driver.cancels == [FIRST]


def test_a_cancel_without_an_answer_is_sent_again() -> None:
    driver = quoting_driver()
    driver.books(2, "0.48/0.50", "0.49/0.51")
    driver.books(6.9, "0.48/0.50", "0.49/0.51")
    assert driver.cancels == []
    driver.books(7, "0.48/0.50", "0.49/0.51")
    assert driver.cancels == [FIRST, SECOND]


def test_an_order_nobody_answered_for_is_cancelled() -> None:
    driver = asking_driver()
    driver.books(6.1, *BOOKS)
    assert driver.cancels == [FIRST, SECOND]
    driver.books(7, "0.49/0.51", "0.48/0.50")
    assert driver.cancels == []


def test_answers_of_others_and_contradictions_are_told_not_believed() -> None:
    driver = quoting_driver()
    foreign = OrderAccepted(**{**names(FIRST), "slug": "other"})  # type: ignore[arg-type] # shared names
    old_run = OrderAccepted(**names("r0.btc-updown-15m-1790766900.9"))  # type: ignore[arg-type] # shared names
    ghost = OrderAccepted(**names("r1.btc-updown-15m-1790766900.99"))  # type: ignore[arg-type] # shared names
    driver.batch(2, foreign, old_run, ghost)
    assert len(driver.notices(NoticeKind.UNKNOWN_ORDER)) == 1
    driver.batch(2.1, driver.failed(FIRST, Reason.TICK))
    driver.batch(2.2, OrderSubmitting(**names(FIRST)))  # type: ignore[arg-type] # shared names
    assert len(driver.notices(NoticeKind.INVALID_TRANSITION)) == 1


def test_a_flat_report_closes_what_is_left() -> None:
    driver = quoting_driver(params(cancel_before_close_ns=5 * 10**9))
    stray = type(driver.flat(2))(slug="other", ts_exec_ns=at(2))
    driver.batch(2, stray, driver.flat(2))  # nobody asked: ignored
    assert driver.resting(UP)
    driver.batch(895)
    assert driver.asked_flat
    unseen = OrderCancelled(filled_u6=2_000_000, **names(SECOND))  # type: ignore[arg-type] # shared names
    driver.batch(895.1, unseen, driver.found(895.1, FIRST, 0), driver.flat(895.1))
    assert driver.resting(UP) is None
    assert [o.client_order_id for o in driver.session.orders.alive()] == [SECOND]
    assert len(driver.session.orders) == 2
    assert driver.session.orders.exposures(slots_only=True) == []


def test_an_answer_for_another_window_changes_nothing_though_it_names_our_order() -> None:
    driver = asking_driver()
    before = [(order.client_order_id, order.state) for order in driver.session.orders.alive()]
    assert [order_id for order_id, _ in before] == [FIRST, SECOND]
    other = replace(driver.failed(FIRST, Reason.BALANCE), slug="another")
    driver.batch(2, other, replace(OrderAccepted(**names(SECOND)), slug="another"))  # type: ignore[arg-type] # a dict
    assert [(o.client_order_id, o.state) for o in driver.session.orders.alive()] == before
