"""The executor's own limits: the worst case of all its orders and of the user channel's trades."""

from __future__ import annotations

import msgspec
import pytest

from pmcore.engine.execution.io import (
    DeleteOrders,
    LookUpOrder,
    LookUpResult,
    OpenOrdersAnswered,
    OrderLookedUp,
    PostRejected,
    PostUnknown,
    SignOrder,
    WindowEnded,
)
from pmcore.engine.execution.records import MAX_POSTS_PER_WINDOW, MAX_REMEMBERED_PER_WINDOW
from pmcore.messages.execution import CancelFailed, FailureStage, OrderFailed
from pmcore.messages.notices import Notice, NoticeKind
from pmcore.messages.user import FillReported, OrderUpdated, OrderUpdateKind, TradeStatus
from pmcore.model.errors import Reason
from pmcore.model.market import Outcome
from pmcore.model.params import OrderCaps
from pmcore.model.units import SHARE_U6
from support.builders import window
from support.executions import SLUG, Bench, hash_of

CAPS = OrderCaps(
    bid_size_u6=5 * SHARE_U6,
    max_position_value_u6=8 * SHARE_U6,
    pair_target_e4=9_900,
    max_net_diff_u6=10 * SHARE_U6,
    max_window_loss_u6=3 * SHARE_U6,
)
NET_FULL = "the net position could reach PM_MAX_NET_DIFF: 10000000"
MATCHED, MINED, FAILED = TradeStatus.MATCHED, TradeStatus.MINED, TradeStatus.FAILED


def fill(
    bench: Bench,
    order: str = "a",
    *,
    shares: int = 5,
    status: TradeStatus = MATCHED,
    outcome: Outcome = Outcome.UP,
    price_e4: int = 4_700,
) -> None:
    bench.step(
        FillReported(
            trade_id=f"t-{order}",
            order_hash=hash_of(order),
            condition_id=window().condition_id,
            token_id=window().token_id(outcome),
            price_e4=price_e4,
            size_u6=shares * SHARE_U6,
            status=status,
            ts_event_ns=bench.at_ns,
            ts_recv_ns=bench.at_ns,
        )
    )


def update(
    bench: Bench,
    order: str = "a",
    kind: OrderUpdateKind = OrderUpdateKind.CANCELLATION,
    *,
    matched_u6: int | None = 0,
    condition_id: str = window().condition_id,
    token_id: str = window().token_id(Outcome.UP),
) -> None:
    bench.step(
        OrderUpdated(
            kind=kind,
            order_hash=hash_of(order),
            condition_id=condition_id,
            token_id=token_id,
            price_e4=4_700,
            original_u6=5 * SHARE_U6,
            matched_u6=matched_u6,
            ts_event_ns=bench.at_ns,
            ts_recv_ns=bench.at_ns,
        )
    )


def refused(bench: Bench, order: str = "next", **changes: object) -> str:
    """Try one more order; the text of its refusal, or ""."""
    bench.place(order, **changes)
    if bench.got(SignOrder):
        return ""
    failed, notice = bench.one(OrderFailed), bench.one(Notice)
    assert (failed.stage, failed.reason) == (FailureStage.DENIED, Reason.RISK)
    assert (notice.kind, notice.reason) == (NoticeKind.COMMAND_REFUSED, "risk")
    assert notice.detail == failed.text
    assert bench.finished()
    return failed.text


def test_a_second_order_that_could_reach_the_net_limit_is_denied() -> None:
    bench = Bench(caps=CAPS)
    bench.rest()
    assert refused(bench) == NET_FULL


def test_a_smaller_one_that_stays_below_it_goes_out() -> None:
    bench = Bench(caps=CAPS, market=window(min_size="1"))
    bench.rest()
    assert not refused(bench, size_u6=4_990_000)


def test_an_order_that_only_waits_counts() -> None:
    bench = Bench(caps=CAPS)
    bench.place()
    assert refused(bench) == NET_FULL


def test_an_order_of_unknown_outcome_counts_and_a_refused_one_does_not() -> None:
    bench = Bench(caps=CAPS)
    bench.until_post()
    bench.step(PostUnknown("a", Reason.TIMEOUT))
    assert refused(bench, "b") == NET_FULL
    bench = Bench(caps=CAPS)
    bench.until_post()
    bench.step(PostRejected("a", Reason.BALANCE))
    assert not refused(bench)


def test_a_fill_counts_in_place_of_its_order() -> None:
    bench = Bench(caps=CAPS)
    bench.rest()
    fill(bench)
    assert refused(bench, "b") == NET_FULL
    fill(bench, status=FAILED)
    assert not refused(bench, "c")


def test_what_the_other_side_has_counts_once_the_chain_took_it() -> None:
    bench = Bench(caps=CAPS)
    bench.rest()
    fill(bench)
    bench.rest("down", outcome=Outcome.DOWN, price_e4=4_800)
    fill(bench, "down", outcome=Outcome.DOWN, price_e4=4_800)
    assert refused(bench, "b") == NET_FULL
    fill(bench, "down", outcome=Outcome.DOWN, price_e4=4_800, status=MINED)
    assert not refused(bench, "c")


def test_an_order_counts_until_its_last_share_is_accounted_for() -> None:
    bench = Bench(caps=CAPS)
    bench.rest()
    bench.cancel("a")
    bench.answer_cancel("a")
    assert refused(bench, "b") == NET_FULL
    update(bench, matched_u6=0)
    assert not refused(bench, "c")


def test_matched_shares_count_before_their_trade_is_told() -> None:
    bench = Bench(caps=CAPS, market=window(min_size="1"))
    bench.rest()
    bench.cancel("a")
    bench.answer_cancel("a")
    update(bench, matched_u6=2 * SHARE_U6)
    assert not refused(bench, "b", size_u6=5 * SHARE_U6)
    assert refused(bench, "c", size_u6=3 * SHARE_U6) == NET_FULL


def test_an_order_that_never_got_in_counts_when_its_match_is_told() -> None:
    bench = Bench(caps=CAPS)
    bench.until_post()
    bench.step(PostRejected("a", Reason.BALANCE))
    update(bench, "a", OrderUpdateKind.UPDATE, matched_u6=5 * SHARE_U6)
    assert refused(bench) == NET_FULL


def test_it_asks_how_much_was_matched_of_an_order_that_ended() -> None:
    bench = Bench(caps=CAPS)
    bench.rest()
    bench.cancel("a")
    bench.answer_cancel("a")
    bench.wait(2_990)
    assert not bench.got(LookUpOrder)
    bench.wait(10)
    assert bench.one(LookUpOrder).order_hash == hash_of("a")
    bench.step(OrderLookedUp(hash_of("a"), LookUpResult.ABSENT))
    assert bench.one(CancelFailed).filled_u6 is None
    bench.wait(3_000)
    assert not bench.got(LookUpOrder)
    bench.wait(3_000)
    assert bench.one(LookUpOrder)
    assert refused(bench, "b") == NET_FULL
    bench.step(OrderLookedUp(hash_of("a"), LookUpResult.CANCELED, 0))
    assert bench.one(CancelFailed).filled_u6 == 0
    bench.wait(60_000)
    assert not bench.got(LookUpOrder)
    assert not refused(bench, "c")


def test_it_asks_nothing_without_limits_or_while_the_window_is_cancelled() -> None:
    bench = Bench()
    bench.rest()
    bench.cancel("a")
    bench.answer_cancel("a")
    bench.wait(4_000)
    assert not bench.got(LookUpOrder)
    bench = Bench(caps=CAPS)
    bench.rest()
    bench.cancel_window()
    assert bench.got(DeleteOrders)
    bench.answer_cancel("a")
    bench.wait(4_000)
    assert not bench.got(LookUpOrder)
    bench.step(OpenOrdersAnswered(SLUG, ()))
    bench.step(WindowEnded(SLUG))
    bench.wait(4_000)
    assert not bench.got(LookUpOrder)


def test_the_value_of_a_side_is_limited() -> None:
    caps = msgspec.structs.replace(CAPS, max_net_diff_u6=None)
    bench = Bench(caps=caps)
    bench.rest(price_e4=8_000)
    assert refused(bench, "b", price_e4=8_000) == (
        "the position could cost PM_MAX_POSITION_VALUE: 8000000"
    )
    assert not refused(bench, "c", price_e4=7_990)


def test_a_price_above_the_pair_target_is_denied() -> None:
    bench = Bench(caps=CAPS)
    assert refused(bench, "a", price_e4=9_910) == "its price is above PM_PAIR_TARGET: 9900"
    assert not refused(bench, "b", price_e4=9_900)


def test_five_seconds_after_a_loss_only_a_hedge_goes_out() -> None:
    bench = Bench(caps=msgspec.structs.replace(CAPS, max_net_diff_u6=None))
    bench.rest(price_e4=6_000)
    fill(bench, price_e4=6_000)
    bench.wait(4_999)
    assert not refused(bench, "b", price_e4=1_000)
    bench.wait(1)
    assert refused(bench, "c", price_e4=1_000) == (
        "this window may lose PM_MAX_WINDOW_LOSS: 3000000"
    )
    assert not refused(bench, "d", price_e4=3_000, outcome=Outcome.DOWN)
    fill(bench, price_e4=6_000, status=FAILED)
    assert not refused(bench, "e", price_e4=1_000)


def test_the_loss_is_counted_from_its_beginning() -> None:
    bench = Bench(caps=msgspec.structs.replace(CAPS, max_net_diff_u6=None))
    bench.rest(price_e4=6_000)
    fill(bench, price_e4=6_000)
    bench.wait(3_000)
    fill(bench, price_e4=6_000, status=MINED)
    bench.wait(2_000)
    assert refused(bench, "c", price_e4=1_000)


def test_a_window_takes_only_so_many_orders() -> None:
    bench = Bench(caps=CAPS)
    for number in range(MAX_POSTS_PER_WINDOW):
        bench.place(f"n{number}", price_e4=4_705)
    text = f"more than {MAX_POSTS_PER_WINDOW} orders in this window"
    assert refused(bench, "last") == text


def test_an_order_that_is_forgotten_is_counted_no_more() -> None:
    bench = Bench()
    bench.rest()
    bench.cancel("a")
    bench.answer_cancel("a")
    for number in range(MAX_REMEMBERED_PER_WINDOW):
        bench.place(f"n{number}", price_e4=4_705)
    update(bench, matched_u6=0)
    assert not bench.out


@pytest.mark.parametrize("changes", [{"condition_id": "0xother"}, {"token_id": "7"}])
def test_other_markets_are_not_kept(changes: dict[str, str]) -> None:
    bench = Bench(caps=CAPS)
    bench.rest()
    bench.cancel("a")
    bench.answer_cancel("a")
    own = {"condition_id": window().condition_id, "token_id": window().token_id(Outcome.UP)}
    own |= changes
    update(bench, matched_u6=0, condition_id=own["condition_id"], token_id=own["token_id"])
    assert refused(bench) == NET_FULL


def test_a_trade_of_an_earlier_runs_order_counts() -> None:
    bench = Bench(caps=CAPS)
    fill(bench, "earlier")
    update(bench, "earlier", matched_u6=0)
    assert refused(bench) == NET_FULL


def test_without_limits_nothing_is_counted_against_an_order() -> None:
    bench = Bench()
    for order in ("a", "b", "c"):
        bench.rest(order)
    fill(bench, price_e4=6_000)
    assert not refused(bench)


def test_a_series_may_have_limits_of_its_own() -> None:
    wide = msgspec.structs.replace(CAPS, max_net_diff_u6=None, max_position_value_u6=10**9)
    for own, refusal in (({"btc-15m": wide}, ""), ({"btc-5m": wide}, NET_FULL)):
        bench = Bench(caps=CAPS, caps_by_series=own)
        bench.rest()
        assert refused(bench) == refusal


def test_a_series_may_have_a_loss_limit_of_its_own() -> None:
    wide = msgspec.structs.replace(CAPS, max_net_diff_u6=None, max_window_loss_u6=None)
    bench = Bench(
        caps=wide, caps_by_series={"btc-15m": msgspec.structs.replace(wide, max_window_loss_u6=1)}
    )
    bench.rest()
    fill(bench)
    bench.wait(6_000)
    assert (
        refused(bench, "b", size_u6=5_000_000, price_e4=1_000)
        == "this window may lose PM_MAX_WINDOW_LOSS: 1"
    )
