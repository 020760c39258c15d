"""What happened between two looks at the strategy."""

from __future__ import annotations

from typing import Any

import pytest

from pmconsole.changes import changes

SLUG = "btc-updown-60s-1800000000"


def state(window_state: str = "quoting", **up: Any) -> dict[str, Any]:
    return {"windows": {SLUG: {"state": window_state, "outcomes": {"up": up}}}}


def texts(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(each["kind"], each["side"], each["text"]) for each in changes(before, after)]


def test_nothing_happened_when_nothing_changed() -> None:
    assert changes(state(qty=1, quote=0.4), state(qty=6, quote=0.4)) == []


def test_the_first_look_is_no_event() -> None:
    assert changes({}, state(qty=1)) == []


def test_bids_that_come_move_and_go() -> None:
    none, low = state(quote=None), state(quote=0.4, leaves=5)
    high = state(quote=0.41, leaves=5)
    gone = state(quote=None, why="toxic order flow", obstacle="toxic")
    assert texts(none, low) == [("bid", "up", "bid 0.4 for 5 shares")]
    assert texts(low, high) == [("bid", "up", "bid moved from 0.4 to 0.41")]
    assert texts(high, gone) == [("no_bid", "up", "no bid: toxic order flow")]
    assert texts(high, none) == [("no_bid", "up", "no bid")]


def test_another_obstacle_is_told_and_another_figure_in_its_sentence_is_not() -> None:
    toxic = state(why="toxic: 50", obstacle="toxic")
    assert texts(toxic, state(why="toxic: 51", obstacle="toxic")) == []
    halted = state(why="halted", obstacle="halted")
    assert texts(toxic, halted) == [("no_bid", "up", "no bid: halted")]


def test_windows_come_change_their_phase_and_go() -> None:
    nothing: dict[str, Any] = {"windows": {}}
    assert texts(nothing, state("pre_open")) == [("phase", "", "joined: pre open")]
    assert texts(state("pre_open"), state("quoting")) == [("phase", "", "quoting")]
    assert texts(state(), nothing) == [("phase", "", "over")]
    won = {"windows": {}, "results_today": {SLUG: {"profit": 0.25}}}
    assert texts(state(), won) == [("phase", "", "over, profit +0.25")]
    open_ = {"windows": {}, "results_today": {SLUG: {"worst_case_profit": -1.5}}}
    assert texts(state(), open_) == [("phase", "", "over, winner unknown, worst case -1.50")]


@pytest.mark.parametrize("odd", [{}, {"windows": None}, {"windows": {SLUG: None}}])
def test_missing_fields_break_nothing(odd: dict[str, Any]) -> None:
    changes(state(qty=1, quote=0.4), odd)
    changes(odd, state(qty=1, quote=0.4))
    changes({"windows": {SLUG: {"outcomes": {"up": None}}}}, {"windows": {SLUG: {"outcomes": []}}})
