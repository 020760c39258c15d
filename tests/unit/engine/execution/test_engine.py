"""Halts and other orders to the engine, its clock, and what it shows."""

from __future__ import annotations

from pmcore.engine.execution.io import (
    AllCancelled,
    CancelAll,
    CancelAllFailed,
    DeleteOrders,
    ListOpenOrders,
    OpenOrdersAnswered,
    PlacingGate,
    SignOrder,
    Stop,
)
from pmcore.messages.control import Halt, Resume
from pmcore.messages.execution import FailureStage, OrderCancelled, OrderFailed, WindowFlat
from pmcore.messages.notices import Notice, NoticeKind
from pmcore.model.errors import Reason
from pmcore.model.units import NS_PER_S
from support.builders import window
from support.executions import SLUG, Bench, hash_of


def _list(bench: Bench, *orders: str) -> None:
    bench.step(OpenOrdersAnswered(SLUG, tuple(hash_of(order) for order in orders)))


def _denied(bench: Bench, reason: Reason) -> OrderFailed:
    failed = bench.one(OrderFailed)
    assert (failed.stage, failed.reason) == (FailureStage.DENIED, reason)
    assert not bench.got(SignOrder)
    return failed


def test_time_that_runs_backwards_stands_still() -> None:
    bench = Bench()
    bench.at_ns -= NS_PER_S
    bench.place(expires_s=0.5)
    _denied(bench, Reason.EXPIRED)


def test_an_order_that_may_be_there_after_the_close_outlives_its_window() -> None:
    bench, close_ns = Bench(), window().close_ns
    bench.rest()
    assert [bench.engine.outliving(at_ns) for at_ns in (close_ns - 1, close_ns)] == [0, 1]
    bench.cancel("a")
    bench.answer_cancel("a")
    assert bench.engine.outliving(close_ns) == 0


def test_the_view_names_what_lives() -> None:
    bench = Bench()
    bench.rest()
    view = bench.engine.view()
    assert view["open_orders"] == 1
    assert view["windows"] == {SLUG: {"live": {"a": "resting"}, "remembered": 1, "sweeping": False}}
    assert bench.engine.slugs == (SLUG,)
    assert not bench.got(ListOpenOrders)


def test_while_halted_nothing_is_placed_and_after_resume_it_is() -> None:
    bench = Bench()
    bench.step(Halt(reason="fire", by="me", ts_recv_ns=0))
    bench.place()
    assert _denied(bench, Reason.HALTED).text == "fire"
    bench.step(Resume(by="me", ts_recv_ns=0))
    assert bench.engine.refuses == ""
    bench.place("b")
    _denied(bench, Reason.NOT_FLAT)  # until the halt's sweep has its answer


def test_a_halt_cancels_by_id_and_all_and_verifies() -> None:
    bench = Bench()
    bench.rest()
    bench.step(Halt(reason="fire", by="me", ts_recv_ns=0))
    assert bench.got(CancelAll)
    assert bench.one(DeleteOrders).order_hashes == (hash_of("a"),)
    assert bench.engine.refuses == "fire"
    bench.answer_cancel("a")
    _list(bench)
    assert bench.got(WindowFlat)


def test_a_stop_places_nothing_more_and_ends_flat() -> None:
    bench = Bench()
    bench.rest()
    bench.step(Stop())
    assert bench.got(CancelAll)
    assert bench.engine.refuses == "stopping"
    bench.place("b")
    assert bench.one(OrderFailed).reason is Reason.SHUTTING_DOWN
    assert not bench.engine.flat
    bench.answer_cancel("a")
    _list(bench)
    assert not bench.engine.flat
    bench.step(AllCancelled(1, ()))
    assert bench.engine.flat


def test_cancel_all_is_repeated_until_the_venue_lists_nothing() -> None:
    bench = Bench()
    bench.step(Halt(reason="fire", by="me", ts_recv_ns=0))
    _list(bench)
    bench.step(CancelAllFailed(1, Reason.RATE_LIMITED, "429"))
    notice = bench.one(Notice)
    assert (notice.kind, notice.reason) == (NoticeKind.CANCEL_ALL_REPEATED, Reason.RATE_LIMITED)
    assert not bench.got(CancelAll)
    bench.wait(100)
    assert bench.got(CancelAll)
    bench.step(AllCancelled(1, ("0xstray",)))
    assert not bench.got(Notice)  # it was told once
    bench.wait(100)
    assert not bench.got(CancelAll)
    bench.wait(100)
    assert bench.got(CancelAll)
    assert not bench.engine.flat
    assert (bench.engine.view()["flat"], bench.engine.open_orders) == (False, 0)
    bench.step(AllCancelled(1, ()))
    assert bench.engine.flat
    assert bench.engine.view()["flat"] is True
    bench.wait(10_000)
    assert not bench.got(CancelAll)


def test_the_answer_of_an_earlier_halt_does_not_end_the_cancel_all_of_this_one() -> None:
    bench = Bench()
    bench.step(Halt(reason="fire", by="me", ts_recv_ns=0))
    bench.step(Resume(by="me", ts_recv_ns=0))
    bench.step(Halt(reason="again", by="me", ts_recv_ns=0))
    assert bench.one(CancelAll).number == 2
    _list(bench)
    bench.step(AllCancelled(1, ()))
    assert not bench.engine.flat
    bench.step(AllCancelled(2, ()))
    assert bench.engine.flat


def test_what_a_cancel_all_left_open_is_told() -> None:
    bench = Bench()
    bench.step(Stop())
    bench.step(AllCancelled(1, ("0xstray",)))
    assert bench.one(Notice).detail == "1 orders are still open"


def test_one_cancel_all_at_a_time() -> None:
    bench = Bench()
    bench.step(Halt(reason="fire", by="me", ts_recv_ns=0))
    bench.step(Halt(reason="again", by="me", ts_recv_ns=0))
    bench.step(Stop())
    assert len([output for output in bench.all if isinstance(output, CancelAll)]) == 1


def test_after_a_resume_a_late_answer_to_cancel_all_starts_nothing() -> None:
    bench = Bench()
    bench.step(Halt(reason="fire", by="me", ts_recv_ns=0))
    bench.step(Resume(by="me", ts_recv_ns=0))
    bench.step(AllCancelled(1, ("0xa",)))
    bench.wait(5_000)
    assert not bench.got(CancelAll)


def test_a_closed_gate_takes_orders_back_and_denies_until_it_opens() -> None:
    bench = Bench()
    bench.rest()
    bench.step(PlacingGate(open=False))
    assert bench.one(DeleteOrders).order_hashes == (hash_of("a"),)
    assert not bench.got(CancelAll)
    bench.place("b")
    failed = bench.one(OrderFailed)
    assert (failed.reason, failed.text) == (Reason.NO_HEARTBEAT, "the placing gate is closed")
    bench.step(PlacingGate(open=True))
    bench.place("c")
    assert bench.got(SignOrder)


def test_a_gate_that_closes_during_a_sweep_or_a_cancel_changes_nothing_there() -> None:
    bench = Bench()
    bench.rest()
    bench.cancel("a")
    bench.step(PlacingGate(open=False, text="no heartbeat"))
    assert not bench.got(DeleteOrders)
    bench.answer_cancel("a")
    assert bench.got(OrderCancelled)


def test_a_halt_sends_cancel_all_behind_the_cancels_by_id() -> None:
    """The other way round each order is "not found" to the cancel by id, and must be looked up."""
    bench = Bench()
    bench.rest("a")
    bench.step(Halt(reason="fire", by="me", ts_recv_ns=0))
    asked = [type(out) for out in bench.out if isinstance(out, DeleteOrders | CancelAll)]
    assert asked == [DeleteOrders, CancelAll]
