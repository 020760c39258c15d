from __future__ import annotations

from pmcore.machines.rotation import WindowClock, WindowState
from pmcore.model.units import NS_PER_S
from support.builders import at, params, window

S = WindowState


def clock(length_s: int = 900) -> WindowClock:
    return WindowClock(window(length_s=length_s), params(settle_grace_ns=10 * NS_PER_S))


def test_the_whole_life() -> None:
    life = clock()
    assert not life.advance(at(-1))
    assert not life.may_quote
    assert life.advance(at(0))
    assert life.may_open
    assert life.advance(at(660))
    assert life.state is S.WINDING_DOWN
    assert life.may_quote
    assert not life.may_open
    assert life.advance(at(895))
    assert life.state is S.CANCELLING
    assert not life.advance(at(901))  # nobody said flat yet
    life.flat()
    assert life.advance(at(902))
    assert life.state is S.AWAITING_RESOLUTION
    life.resolved(at(950))
    life.resolved(at(990))  # repeats do not move it
    assert life.advance(at(950))
    assert life.state is S.SETTLED
    assert not life.advance(at(2000))


def test_a_flat_window_is_not_over_before_its_close() -> None:
    life = clock()
    life.advance(at(895))
    life.flat()
    life.advance(at(899.9))
    assert life.state is S.CANCELLING
    life.advance(at(900))
    assert life.state is S.AWAITING_RESOLUTION


def test_flat_before_the_end_does_not_end_the_window() -> None:
    life = clock()
    life.advance(at(0))
    life.flat()
    life.advance(at(895))
    life.advance(at(901))
    assert life.state is S.CANCELLING


def test_late_fills_have_their_time_after_an_early_resolution() -> None:
    life = clock()
    life.advance(at(896))
    life.flat()
    life.resolved(at(901))
    life.advance(at(905))
    assert life.state is S.AWAITING_RESOLUTION
    life.advance(at(910))
    assert life.state is S.SETTLED


def test_a_resolution_that_never_comes_ends_too() -> None:
    life = clock()
    life.advance(at(896))
    life.flat()
    life.advance(at(900 + 899))
    assert life.state is S.AWAITING_RESOLUTION
    life.advance(at(900 + 900))
    assert life.state is S.SETTLED


def test_joining_late_skips_ahead() -> None:
    life = clock()
    life.advance(at(700))
    assert life.state is S.WINDING_DOWN


def test_new_risk_ends_earlier_in_longer_windows() -> None:
    assert clock(300).stop_new_risk_ns == at(240)
    assert clock(900).stop_new_risk_ns == at(660)
    assert clock(60).stop_new_risk_ns == at(48)
    assert WindowClock(window(), params(stop_new_risk_ns=NS_PER_S)).stop_new_risk_ns == at(895)


def test_a_loss_limit_winds_down_once() -> None:
    life = clock()
    life.wind_down()
    assert life.state is S.PRE_OPEN
    life.advance(at(1))
    life.wind_down()
    assert life.state is S.WINDING_DOWN
