"""What becomes of commands and orders that an earlier run left."""

from __future__ import annotations

from pmcore.engine.execution.io import Abandoned, Adopted, Command
from pmcore.messages.execution import (
    CancelFailed,
    FailureStage,
    OrderAccepted,
    OrderCancelled,
    OrderFailed,
    OrderSubmitting,
    WindowFlat,
)
from pmcore.messages.orders import CancelWindow
from pmcore.model.errors import Reason
from pmexecutor.recovery import Trace, note, take_up
from support.executions import SLUG, submit


def _traces(*messages: object) -> dict[str, Trace]:
    traces: dict[str, Trace] = {}
    for message in messages:
        note(traces, message)
    return traces


def _submitting(order: str = "a") -> OrderSubmitting:
    return OrderSubmitting(slug=SLUG, client_order_id=order, order_hash=f"0x{order}", ts_exec_ns=1)


def _accepted(order: str = "a") -> OrderAccepted:
    return OrderAccepted(slug=SLUG, client_order_id=order, order_hash=f"0x{order}", ts_exec_ns=1)


def _failed(order: str = "a") -> OrderFailed:
    return OrderFailed(
        slug=SLUG,
        client_order_id=order,
        stage=FailureStage.REJECTED,
        reason=Reason.BALANCE,
        ts_exec_ns=1,
    )


def test_a_submit_that_was_never_recorded_is_abandoned() -> None:
    events, answered = take_up([("t", submit())], {})
    assert events == [Abandoned("t", submit())]
    assert not answered


def test_a_submit_that_was_recorded_without_an_answer_is_adopted_with_its_command() -> None:
    events, answered = take_up([("t", submit())], _traces(_submitting()))
    assert events == [Adopted(SLUG, "a", "0xa", was_accepted=False, token="t")]
    assert not answered


def test_an_order_that_rested_is_adopted_and_its_command_has_its_answer() -> None:
    events, answered = take_up([("t", submit())], _traces(_submitting(), _accepted()))
    assert events == [Adopted(SLUG, "a", "0xa", was_accepted=True)]
    assert answered == ["t"]


def test_orders_that_ended_are_left_alone() -> None:
    cancelled = OrderCancelled(slug=SLUG, client_order_id="b", order_hash="0xb", ts_exec_ns=1)
    gone = CancelFailed(slug=SLUG, client_order_id="c", reason=Reason.ALREADY_MATCHED, ts_exec_ns=1)
    traces = _traces(
        *(_submitting(order) for order in "abc"), _failed("a"), cancelled, gone, _failed("ghost")
    )
    events, answered = take_up([("t", submit("a"))], traces)
    assert not events
    assert answered == ["t"]


def test_a_cancel_that_failed_for_another_reason_is_no_end() -> None:
    not_flat = CancelFailed(slug=SLUG, client_order_id="a", reason=Reason.NOT_FLAT, ts_exec_ns=1)
    flat = WindowFlat(slug=SLUG, ts_exec_ns=1)
    events, _ = take_up([], _traces(_submitting(), not_flat, flat))
    assert len(events) == 1


def test_cancels_are_repeated_behind_the_adopted_orders() -> None:
    cancel = CancelWindow(slug=SLUG, reason="x", ts_step_ns=1)
    events, _ = take_up([("t", cancel)], _traces(_submitting()))
    assert events == [Adopted(SLUG, "a", "0xa", was_accepted=False), Command("t", cancel)]


def test_two_entries_of_one_submit_are_one_order() -> None:
    events, answered = take_up([("t", submit()), ("u", submit())], _traces(_submitting()))
    assert len(events) == 1
    assert answered == ["u"]
