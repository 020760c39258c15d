from __future__ import annotations

from pmcore.messages.execution import (
    CancelFailed,
    ExecutionMessage,
    FailureStage,
    OrderAccepted,
    OrderCancelled,
    OrderFailed,
    OrderSubmitting,
    WindowFlat,
)
from pmcore.messages.orders import CancelOrders, CancelWindow, SubmitOrder
from pmcore.model.errors import Reason
from pmcore.model.market import Outcome, Window
from pmcore.model.units import NS_PER_MS, SHARE_U6
from pmsim.run.direct import DirectExecutor, DirectParams
from pmsim.run.synthetic import SyntheticVenue
from support.sim_worlds import ME, synthetic

MS = NS_PER_MS


def accounts() -> tuple[SyntheticVenue, DirectExecutor, Window]:
    venue = synthetic()
    params = DirectParams(entry_latency_ms=40, answer_latency_ms=25)
    executor = DirectExecutor(venue, ME, params)
    window = venue.listings()[0].window
    executor.add_window(window)
    return venue, executor, window


def submit(
    window: Window, order_id: str, price_e4: int = 4_000, ttl_ms: int = 1_000
) -> SubmitOrder:
    return SubmitOrder(
        client_order_id=order_id,
        slug=window.slug,
        outcome=Outcome.UP,
        price_e4=price_e4,
        size_u6=5 * SHARE_U6,
        tick_e4=100,
        expires_at_ns=window.open_ns + ttl_ms * MS,
        ts_step_ns=0,
    )


def kinds(messages: list[ExecutionMessage]) -> list[type]:
    return [type(message) for message in messages]


def test_an_order_is_announced_before_it_travels_and_answered_when_it_is_back() -> None:
    venue, executor, window = accounts()
    now_ns = venue.now_ns
    [submitting] = executor.command(now_ns, submit(window, "a"))
    assert isinstance(submitting, OrderSubmitting)
    assert executor.advance(now_ns + 39 * MS) == []
    assert venue.order(submitting.order_hash) is None
    assert executor.advance(now_ns + 64 * MS) == []
    assert venue.order(submitting.order_hash) is not None
    assert executor.next_ns() == now_ns + 65 * MS
    [accepted] = executor.advance(now_ns + 65 * MS)
    assert isinstance(accepted, OrderAccepted)
    assert accepted.order_hash == submitting.order_hash


def test_the_venues_refusal_becomes_a_reason() -> None:
    venue, executor, window = accounts()
    executor.command(venue.now_ns, submit(window, "a", price_e4=9_900))
    executor.command(venue.now_ns, submit(window, "b", price_e4=4_050))
    answers = executor.advance(venue.now_ns + 100 * MS)
    assert [(a.reason, a.stage) for a in answers if isinstance(a, OrderFailed)] == [
        (Reason.POST_ONLY_CROSSES, FailureStage.REJECTED),
        (Reason.TICK, FailureStage.REJECTED),
    ]


def test_late_and_double_commands_are_denied() -> None:
    venue, executor, window = accounts()
    late = executor.command(venue.now_ns, submit(window, "a", ttl_ms=-1))
    executor.command(venue.now_ns, submit(window, "b"))
    double = executor.command(venue.now_ns, submit(window, "b"))
    reasons = [m.reason for m in (*late, *double) if isinstance(m, OrderFailed)]
    assert reasons == [Reason.EXPIRED, Reason.DUPLICATE_COMMAND]


def test_cancels_say_what_they_found() -> None:
    venue, executor, window = accounts()
    now_ns = venue.now_ns
    executor.command(now_ns, submit(window, "a"))
    executor.advance(now_ns + 100 * MS)
    cancel = CancelOrders(
        slug=window.slug, client_order_ids=("a", "z"), reason="requote", ts_step_ns=0
    )
    executor.command(now_ns + 100 * MS, cancel)
    answers = executor.advance(now_ns + 200 * MS)
    assert kinds(answers) == [OrderCancelled, CancelFailed]
    executor.command(now_ns + 200 * MS, cancel)
    again = executor.advance(now_ns + 300 * MS)
    assert [m.reason for m in again if isinstance(m, CancelFailed)] == [Reason.NOT_FOUND] * 2


def test_a_window_is_flat_after_everything_in_it_is_cancelled() -> None:
    venue, executor, window = accounts()
    now_ns = venue.now_ns
    executor.command(now_ns, submit(window, "a"))
    executor.command(now_ns, submit(window, "b", price_e4=3_900))
    flatten = CancelWindow(slug=window.slug, reason="end", ts_step_ns=0)
    executor.command(now_ns, flatten)
    answers = executor.advance(now_ns + 100 * MS)
    assert kinds(answers) == [
        OrderAccepted,
        OrderAccepted,
        OrderCancelled,
        OrderCancelled,
        WindowFlat,
    ]
    assert venue.open_orders(ME.owner) == []
