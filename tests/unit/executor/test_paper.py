"""The paper venue behind the executor's port."""

from __future__ import annotations

from pmcore.shell.clock import Clock
from pmexecutor.paper import PaperClob
from pmexecutor.ports import HeartbeatAnswer
from support.builders import T0_NS, window
from support.executions import submit


def test_a_window_that_is_dropped_takes_its_orders_with_it() -> None:
    venue = PaperClob(0, Clock.starting_at(T0_NS, 1.0), lambda _: None)
    venue.add_window(window())
    kept = venue.sign(submit("b", slug="other"), window())
    for number in range(10):
        venue.sign(submit(str(number)), window())
    venue.drop_window(window().slug)
    assert vars(venue)["_hashes"] == {("other", "b"): kept.order_hash}
    assert list(vars(venue)["_orders"]) == [kept.order_hash]


async def test_a_paper_venue_takes_every_beat() -> None:
    venue = PaperClob(0, Clock.starting_at(T0_NS, 1.0), lambda _: None)
    assert not venue.has_heartbeat
    assert await venue.beat("x") == HeartbeatAnswer(accepted=True, heartbeat_id="x")
    assert await venue.all_open_orders() == ()
