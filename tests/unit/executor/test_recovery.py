"""What becomes of commands and orders that an earlier run left."""

from __future__ import annotations

import pytest

from pmcore.engine.execution.io import Abandoned, Adopted, Command, MergeAbandoned, MergeAdopted
from pmcore.messages.execution import (
    CancelFailed,
    FailureStage,
    OrderAccepted,
    OrderCancelled,
    OrderFailed,
    OrderSubmitting,
    WindowFlat,
)
from pmcore.messages.orders import CancelWindow, MergePairs
from pmcore.model.errors import Reason
from pmcore.model.units import NS_PER_MS
from pmcore.wire import keys
from pmcore.wire.ports import Outgoing
from pmexecutor import recovery
from pmexecutor.recovery import GROUP, LOOK_BACK_MS, Trace, Traces, note, read_traces, take_up
from pmsim.bus.memory_bus import MemoryBus, MemoryStore
from support.executions import SLUG, submit
from support.merges import FAILED, MERGED, UNKNOWN, merge_report
from support.messages import SERIES


def _traces(*messages: object) -> Traces:
    traces: Traces = {}
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


EXE = keys.exe(SERIES)


async def _bus(*at_ms: tuple[int, str]) -> MemoryBus:
    """`exe` with one order recorded at each time."""
    now = [0]
    bus = MemoryBus(MemoryStore(lambda: now[0] * NS_PER_MS), source="executor", run_id="r")
    for ms, order in at_ms:
        now[0] = ms
        await bus.publish([Outgoing(EXE, _submitting(order))])
    return bus


async def test_the_traces_begin_a_little_before_the_entry_of_the_window() -> None:
    since_ms = 1_000_000
    bus = await _bus(
        (since_ms - LOOK_BACK_MS, "old"), (since_ms - LOOK_BACK_MS + 1, "early"), (since_ms, "late")
    )
    traces = await read_traces(bus, EXE, "one", f"{since_ms}-5")
    assert set(traces) == {"early", "late"}
    assert traces["late"] == Trace(SLUG, "0xlate")


async def test_an_entry_of_the_first_seconds_of_a_redis_begins_at_its_start() -> None:
    bus = await _bus((1, "a"))
    assert set(await read_traces(bus, EXE, "one", "5-0")) == {"a"}


async def test_reading_the_traces_leaves_no_group_and_minds_none_that_was_left() -> None:
    bus = await _bus((20_000, "a"))
    await bus.create_group(GROUP, [EXE], start="$", announce=None)
    assert set(await read_traces(bus, EXE, "one", "20000-0")) == {"a"}
    assert set(await read_traces(bus, EXE, "one", "20000-0")) == {"a"}
    assert await bus.groups(EXE) == []


async def test_a_stream_without_entries_has_no_traces() -> None:
    assert await read_traces(await _bus(), EXE, "one", "20000-0") == {}


async def test_an_endless_stream_is_read_to_a_bound_over_several_pages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entries = [(20_000 + number, f"o{number}") for number in range(1_200)]
    bus = await _bus(*entries)
    assert len(await read_traces(bus, EXE, "one", "20000-0")) == 1_200
    monkeypatch.setattr(recovery, "MAX_ENTRIES", 1_000)
    assert len(await read_traces(bus, EXE, "one", "20000-0")) == 1_000
    monkeypatch.setattr(recovery, "MAX_ENTRIES", 400)
    assert len(await read_traces(bus, EXE, "one", "20000-0")) == 500


def test_an_order_is_followed_from_its_recording_and_never_back() -> None:
    traces = _traces(_accepted("ghost"), _submitting(), _accepted(), _failed(), _accepted())
    assert traces == {"a": Trace(SLUG, "0xa", accepted=True, ended=True)}


def _merge() -> MergePairs:
    return MergePairs(merge_id="m1", slug=SLUG, size_u6=5, expires_at_ns=1, ts_step_ns=1)


def test_a_merge_without_a_final_answer_is_never_submitted_again() -> None:
    assert take_up([("t", _merge())], {}) == ([MergeAbandoned("t", _merge())], [])
    doubted = merge_report(status=UNKNOWN)
    events, answered = take_up([("t", _merge())], _traces(doubted))
    assert events == [MergeAdopted(doubted), MergeAbandoned("t", _merge())]
    assert not answered


def test_a_merge_that_has_its_final_answer_is_only_acknowledged() -> None:
    merged = merge_report(status=MERGED)
    traces = _traces(merge_report(status=UNKNOWN), merged, merge_report(status=FAILED))
    assert take_up([("t", _merge())], traces) == ([MergeAdopted(merged)], ["t"])
