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
from support.desk import Desk, hash_of, quoting_desk

UP, DOWN = Outcome.UP, Outcome.DOWN
BOOKS = ("0.46/0.48", "0.51/0.53")
FIRST, SECOND = "r1.btc-updown-15m-1790766900.1", "r1.btc-updown-15m-1790766900.2"


def asking_desk() -> Desk:
    """Both bids asked for, nobody has answered."""
    desk = Desk()
    desk.start()
    desk.books(1.1, *BOOKS)
    return desk


def names(order_id: str) -> dict[str, object]:
    slug = Desk().window.slug
    return {
        "slug": slug,
        "client_order_id": order_id,
        "order_hash": hash_of(order_id),
        "ts_exec_ns": at(2),
    }


def test_a_failed_order_frees_its_slot_at_once() -> None:
    desk = asking_desk()
    desk.batch(2, desk.failed(FIRST, Reason.BALANCE))
    assert desk.resting(UP) is None
    assert desk.engine.counters.orders_rejected == {"balance": 1}
    assert [n.reason for n in desk.notices(NoticeKind.ORDER_REJECTED)] == ["balance"]
    desk.books(2.9, *BOOKS)
    assert desk.submits == []  # backs off
    desk.books(3, *BOOKS)
    assert [s.outcome for s in desk.submits] == [UP]


def test_an_expired_order_is_simply_placed_again() -> None:
    desk = asking_desk()
    desk.batch(2, desk.failed(FIRST, Reason.EXPIRED))
    assert [s.outcome for s in desk.submits] == [UP]


def test_a_crossing_refusal_steps_away_and_waits_twice_as_long_each_time() -> None:
    desk = asking_desk()
    side = desk.session.sides[UP]
    waits = []
    t = 2.0
    for _ in range(6):
        order = desk.session.orders.slot(UP)
        assert order
        desk.batch(t, desk.failed(order.client_order_id, Reason.POST_ONLY_CROSSES))
        waits.append(side.backoff_ns // 1_000_000)
        t += side.backoff_ns / 1e9
        desk.books(t, *BOOKS)
    assert waits == [250, 500, 1000, 2000, 2000, 2000]
    assert side.extra_ticks == 5
    desk.accept(t)
    assert side.backoff_ns == 0
    desk.batch(t + 10)
    assert side.extra_ticks == 0


def refused_until(desk: Desk, reason: Reason, times: int) -> list[float]:
    """Every order is refused with one reason; how long each was waited for before the next."""
    waits, t = [], 2.0
    for _ in range(times):
        slots = [o for outcome in (UP, DOWN) if (o := desk.session.orders.slot(outcome))]
        desk.batch(t, desk.failed(slots[0].client_order_id, reason, t))
        if len(slots) > 1:
            desk.batch(t, desk.failed(slots[1].client_order_id, Reason.EXPIRED, t))
        refused_at = t
        while desk.session.orders.slot(slots[0].outcome) is None and t < refused_at + 40:
            t += 0.5
            desk.books(t, *BOOKS)
        waits.append(t - refused_at)
    return waits


def test_a_page_of_the_edge_is_waited_out_and_never_the_end_of_the_window() -> None:
    desk = asking_desk()
    assert refused_until(desk, Reason.EDGE_PAGE, 8) == [1, 2, 4, 8, 16, 30, 30, 30]
    assert desk.engine.view()["refused"] == ""
    assert desk.engine.counters.orders_rejected["edge_page"] == 8
    desk.accept(124, *desk.submits)
    assert desk.session.refused_in_a_row == 0


def test_a_refusal_in_unknown_words_ends_the_window_only_when_it_repeats() -> None:
    desk = asking_desk()
    waits = refused_until(desk, Reason.REFUSED, 6)
    assert waits[:5] == [1, 2, 4, 8, 16]
    assert waits[5] >= 40
    assert desk.engine.view()["refused"] == "the venue refuses orders: refused why"


@pytest.mark.parametrize(
    "reason", [Reason.AUTH, Reason.BANNED, Reason.VERSION_MISMATCH, Reason.REGION_BLOCKED]
)
def test_a_refusal_for_good_stops_the_window(reason: Reason) -> None:
    desk = asking_desk()
    desk.batch(2, desk.failed(FIRST, reason))
    assert desk.cancels == [SECOND]
    assert reason.value in str(desk.engine.view()["refused"])


def test_an_unknown_outcome_keeps_the_slot_and_the_worst_case() -> None:
    desk = asking_desk()
    desk.batch(2, OrderUnknown(reason=Reason.TIMEOUT, **names(FIRST)))  # type: ignore[arg-type] # shared names
    assert desk.resting(UP)
    desk.batch(2.1, OrderAccepted(**names(FIRST)))  # type: ignore[arg-type] # shared names
    assert desk.session.orders.slot(UP).state == "resting"  # type: ignore[union-attr] # asserted above


def test_a_fill_may_come_before_any_answer() -> None:
    desk = asking_desk()
    desk.batch(2, desk.filled(2, FIRST, UP, "5", "0.47"))
    assert desk.resting(UP)  # nobody named the order yet
    desk.batch(2.1, OrderSubmitting(**names(FIRST)))  # type: ignore[arg-type] # shared names
    assert desk.resting(UP) is None
    desk.batch(2.2, OrderAccepted(**names(FIRST)))  # type: ignore[arg-type] # shared names
    assert desk.notices(NoticeKind.INVALID_TRANSITION) == []
    assert desk.session.inventory.working.up.qty_u6 == 5_000_000


def test_a_partial_fill_shrinks_its_slot() -> None:
    desk = quoting_desk()
    desk.batch(2, desk.filled(2, FIRST, UP, "2", "0.47"))
    order = desk.session.orders.slot(UP)
    assert order
    assert order.leaves_u6 == 3_000_000
    early = asking_desk()
    early.batch(2, OrderSubmitting(**names(FIRST)))  # type: ignore[arg-type] # shared names
    early.batch(2.1, early.filled(2.1, FIRST, UP, "2", "0.47"))
    assert early.session.orders.slot(UP).state == "resting"  # type: ignore[union-attr] # just seen


def test_the_user_channel_alone_can_end_an_order() -> None:
    desk = quoting_desk()
    gone = desk.user_order(2, FIRST, OrderUpdateKind.CANCELLATION, matched=0)
    desk.batch(2, gone)
    assert desk.submits  # the slot is free, nothing can come of the old order
    placed = quoting_desk()
    placed.batch(2, placed.user_order(2, FIRST, OrderUpdateKind.PLACEMENT))
    placed.batch(2, placed.user_order(2, FIRST, OrderUpdateKind.UPDATE, matched=1))
    placed.batch(2, placed.user_order(2, "unheard of", OrderUpdateKind.CANCELLATION))
    assert placed.resting(UP)


def test_order_events_of_other_markets_are_not_ours() -> None:
    desk = quoting_desk()
    event = desk.user_order(2, FIRST, OrderUpdateKind.CANCELLATION, matched=0)
    other = replace(event, condition_id="0xother")
    desk.batch(2, other)
    assert desk.resting(UP)


def test_matched_but_unreported_shares_count_until_patience_ends() -> None:
    desk = quoting_desk()
    desk.books(2, "0.48/0.50", "0.49/0.51")
    cancelled = OrderCancelled(filled_u6=2_000_000, **names(FIRST))  # type: ignore[arg-type] # shared names
    desk.batch(2.1, cancelled)
    assert next(e.qty_u6 for e in desk.session.orders.exposures()) in (2_000_000, 5_000_000)
    desk.batch(2.2, desk.user_order(2.2, FIRST, OrderUpdateKind.CANCELLATION, matched=3_000_000))
    assert desk.session.orders.get(FIRST).venue_filled_u6 == 3_000_000  # type: ignore[union-attr] # placed by the desk


def test_unseen_fills_that_never_come_count_for_ever_and_are_told() -> None:
    desk = quoting_desk()
    desk.batch(2, OrderCancelled(filled_u6=2_000_000, **names(FIRST)))  # type: ignore[arg-type] # shared names
    desk.books(11.9, *BOOKS)
    assert not desk.notices(NoticeKind.UNACCOUNTED)
    desk.books(12, *BOOKS)
    assert desk.cancels == [SECOND]
    assert "not accounted for" in str(desk.engine.view()["hold"])
    desk.batch(600)
    assert [n.reason for n in desk.notices(NoticeKind.UNACCOUNTED)] == ["entered"]
    assert [e.qty_u6 for e in desk.session.orders.owed()] == [2_000_000]


@pytest.mark.parametrize("reason", [Reason.NOT_FOUND, Reason.ALREADY_MATCHED])
def test_a_cancel_that_finds_nothing_means_gone(reason: Reason) -> None:
    desk = quoting_desk()
    desk.books(2, "0.48/0.50", "0.49/0.51")
    failed = CancelFailed(
        slug=desk.window.slug, client_order_id=FIRST, reason=reason, ts_exec_ns=at(2)
    )
    desk.batch(2.1, failed)
    assert desk.resting(UP) is None


def test_a_cancel_that_failed_is_sent_again() -> None:
    desk = quoting_desk()
    desk.books(2, "0.48/0.50", "0.49/0.51")
    assert desk.cancels == [FIRST, SECOND]
    failed = CancelFailed(
        slug=desk.window.slug, client_order_id=FIRST, reason=Reason.TIMEOUT, ts_exec_ns=at(2)
    )
    desk.batch(2.1, failed)
    assert desk.cancels == [FIRST]


def test_a_cancel_without_an_answer_is_sent_again() -> None:
    desk = quoting_desk()
    desk.books(2, "0.48/0.50", "0.49/0.51")
    desk.books(6.9, "0.48/0.50", "0.49/0.51")
    assert desk.cancels == []
    desk.books(7, "0.48/0.50", "0.49/0.51")
    assert desk.cancels == [FIRST, SECOND]


def test_an_order_nobody_answered_for_is_cancelled() -> None:
    desk = asking_desk()
    desk.books(6.1, *BOOKS)
    assert desk.cancels == [FIRST, SECOND]
    desk.books(7, "0.49/0.51", "0.48/0.50")
    assert desk.cancels == []


def test_answers_of_others_and_contradictions_are_told_not_believed() -> None:
    desk = quoting_desk()
    foreign = OrderAccepted(**{**names(FIRST), "slug": "other"})  # type: ignore[arg-type] # shared names
    old_run = OrderAccepted(**names("r0.btc-updown-15m-1790766900.9"))  # type: ignore[arg-type] # shared names
    ghost = OrderAccepted(**names("r1.btc-updown-15m-1790766900.99"))  # type: ignore[arg-type] # shared names
    desk.batch(2, foreign, old_run, ghost)
    assert len(desk.notices(NoticeKind.UNKNOWN_ORDER)) == 1
    desk.batch(2.1, desk.failed(FIRST, Reason.TICK))
    desk.batch(2.2, OrderSubmitting(**names(FIRST)))  # type: ignore[arg-type] # shared names
    assert len(desk.notices(NoticeKind.INVALID_TRANSITION)) == 1


def test_a_flat_report_closes_what_is_left() -> None:
    desk = quoting_desk(params(cancel_before_close_ns=5 * 10**9))
    stray = type(desk.flat(2))(slug="other", ts_exec_ns=at(2))
    desk.batch(2, stray, desk.flat(2))  # nobody asked: ignored
    assert desk.resting(UP)
    desk.batch(895)
    assert desk.asked_flat
    unseen = OrderCancelled(filled_u6=2_000_000, **names(SECOND))  # type: ignore[arg-type] # shared names
    desk.batch(895.1, unseen, desk.found(895.1, FIRST, 0), desk.flat(895.1))
    assert desk.resting(UP) is None
    assert [o.client_order_id for o in desk.session.orders.alive()] == [SECOND]
    assert len(desk.session.orders) == 2
    assert desk.session.orders.exposures(slots_only=True) == []


def test_an_answer_for_another_window_changes_nothing_though_it_names_our_order() -> None:
    desk = asking_desk()
    before = [(order.client_order_id, order.state) for order in desk.session.orders.alive()]
    assert [order_id for order_id, _ in before] == [FIRST, SECOND]
    other = replace(desk.failed(FIRST, Reason.BALANCE), slug="another")
    desk.batch(2, other, replace(OrderAccepted(**names(SECOND)), slug="another"))  # type: ignore[arg-type] # a dict
    assert [(o.client_order_id, o.state) for o in desk.session.orders.alive()] == before
