"""What the state learns beside an answer, and what it refuses to believe."""

from __future__ import annotations

import msgspec
import pytest

from pmcore.engine.execution.io import Posted, PostRejected, RateHeaders, SignOrder
from pmcore.engine.execution.records import OrderRecord, WindowRecord
from pmcore.engine.execution.state import ExecutionState
from pmcore.machines.outbox import OutboxState
from pmcore.machines.rate_budget import RateTier
from pmcore.messages.execution import VenueMode, VenueModeChanged
from pmcore.messages.rotation import WindowAnnounced
from pmcore.model.errors import InvariantError, Reason
from pmcore.model.units import NS_PER_S
from support.builders import window
from support.executions import Bench


def test_the_venues_headers_correct_the_budget_downward() -> None:
    bench = Bench()
    bench.until_post()
    bench.step(Posted("a", RateHeaders(1, None)))
    assert bench.engine.tokens(bench.at_ns)[0] == 1
    bench.until_post("b")
    bench.step(Posted("b", RateHeaders(0, bench.at_ns + NS_PER_S)))
    bench.place("c", expires_s=5)
    bench.wait(999)
    assert not bench.got(SignOrder)
    bench.wait(1)
    assert bench.got(SignOrder)


def test_a_reset_that_is_far_away_is_not_believed() -> None:
    bench = Bench()
    bench.until_post()
    bench.step(Posted("a", RateHeaders(0, bench.at_ns + 10**6 * NS_PER_S)))
    bench.place("b", expires_s=120)
    bench.wait(60_000)
    assert bench.got(SignOrder)


def test_an_answer_for_an_order_nobody_made_is_our_mistake() -> None:
    with pytest.raises(InvariantError):
        Bench().step(Posted("ghost"))


def test_two_answers_to_one_post_are_our_mistake() -> None:
    bench = Bench()
    bench.rest()
    with pytest.raises(InvariantError):
        bench.step(Posted("a"))


def test_a_new_window_is_told_of_the_mode() -> None:
    bench = Bench()
    bench.until_post()
    bench.step(PostRejected("a", Reason.RESTARTING, "", VenueMode.RESTARTING))
    other = msgspec.structs.replace(window(), slug="btc-updown-15m-1790767800")
    bench.step(WindowAnnounced(window=other, ts_recv_ns=0))
    assert bench.one(VenueModeChanged).slug == other.slug
    bench.step(WindowAnnounced(window=other, ts_recv_ns=0))
    assert not bench.out


def test_an_order_is_found_in_whichever_window_it_is_and_knows_since_when() -> None:
    state = ExecutionState(RateTier.STANDARD, 20, None)
    for slug in ("first", "second"):
        state.windows[slug] = WindowRecord(msgspec.structs.replace(window(), slug=slug), 0)
    state.at_ns = 7
    record = OrderRecord("a", "second", OutboxState.WAITING)
    state.remember(state.windows["second"], record)
    assert state.find("a") is record
    assert record.changed_ns == 7
