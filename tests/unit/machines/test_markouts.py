"""The mids at a fill and after it."""

from __future__ import annotations

from pmcore.machines.markouts import LATE_NS, MarkedFill, Markouts
from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_MS, NS_PER_S

UP, DOWN = Outcome.UP, Outcome.DOWN


def a_fill(at_s: float, outcome: Outcome = UP, price_e4: int = 4700, **more: object) -> MarkedFill:
    fields: dict[str, object] = {
        "trade_id": f"t{at_s}",
        "outcome": outcome,
        "price_e4": price_e4,
        "size_u6": 5_000_000,
        "at_ns": int(at_s * NS_PER_S),
        "since_open_ns": int(at_s * NS_PER_S),
        "hedge": False,
        "toxic": False,
        "ofi_score_u6": 0,
        "rested_ns": None,
    }
    return MarkedFill(**{**fields, **more})  # type: ignore[arg-type] # tests name fields


def add(markouts: Markouts, fill: MarkedFill, *, told_s: float | None = None) -> MarkedFill:
    at_ns = fill.at_ns if told_s is None else int(told_s * NS_PER_S)
    markouts.add(at_ns, "0xhash", fill)
    return fill


def test_each_horizon_gets_the_mid_of_its_time_and_down_gets_the_complement() -> None:
    markouts = Markouts(close_ns=300 * NS_PER_S)
    markouts.advance(10 * NS_PER_S, 9601)
    up = add(markouts, a_fill(10.5))
    down = add(markouts, a_fill(10.6, DOWN, 5100))
    assert (up.mid2_e4, down.mid2_e4) == (9601, 20_000 - 9601)
    assert up.markouts2_e4 == (None,) * 5
    for tenth in range(105, 800):
        markouts.advance(tenth * 100 * NS_PER_MS, 9000 + tenth)
    assert up.marks2_e4 == (9115, 9155, 9205, 9405, 9705)
    assert up.markouts2_e4 == (-285, -245, -195, 5, 305)
    assert down.markouts2_e4[0] == 20_000 - 9116 - 2 * 5100


def test_a_mid_that_is_not_known_at_its_time_stays_unknown() -> None:
    markouts = Markouts(close_ns=300 * NS_PER_S)
    fill = add(markouts, a_fill(1))
    assert fill.mid2_e4 is None  # no decision was made before
    markouts.advance(2 * NS_PER_S, None)
    markouts.advance(3 * NS_PER_S, 9600)
    markouts.advance(6 * NS_PER_S + LATE_NS, 9700)
    markouts.advance(11 * NS_PER_S, 9800)
    assert fill.marks2_e4 == (None, None, 9800)
    stale = add(markouts, a_fill(11 + LATE_NS / NS_PER_S))
    assert stale.mid2_e4 is None  # the last decision is too old
    markouts.advance(13 * NS_PER_S, 9800)
    late = add(markouts, a_fill(5), told_s=13)
    assert late.mid2_e4 is None  # it was told long after it happened
    markouts.advance(13 * NS_PER_S, 9800)
    assert late.marks2_e4 == (None, None)


def test_a_horizon_behind_the_close_has_no_mid() -> None:
    markouts = Markouts(close_ns=20 * NS_PER_S)
    markouts.advance(15 * NS_PER_S, 9600)
    fill = add(markouts, a_fill(15))
    for second in range(16, 100):
        markouts.advance(second * NS_PER_S, 9600)
    assert fill.marks2_e4 == (9600, 9600)
    assert fill.markouts2_e4 == (200, 200, None, None, None)


def test_a_failed_fill_is_kept_and_named() -> None:
    markouts = Markouts(close_ns=300 * NS_PER_S)
    fill = add(markouts, a_fill(1))
    markouts.fail(fill.trade_id, "0xhash")
    assert markouts.fills == [fill]
    assert fill.failed
