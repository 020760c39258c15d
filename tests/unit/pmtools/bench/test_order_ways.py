"""From streams and times on the wire to the ways of single orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest
from redis import Redis

from pmcore.messages.execution import OrderSubmitting
from pmcore.messages.market_data import BookDelta
from pmcore.messages.orders import CancelOrders, SubmitOrder
from pmcore.messages.union import StreamMessage
from pmcore.model.market import Outcome
from pmcore.wire import keys
from pmcore.wire.codec import Stamper
from pmcore.wire.ports import Outgoing
from pmtools.bench.order_ways import CMD_TO_DELETE, EXE_TO_POST, FRAME_TO_FEED, read_ways
from pmtools.bench.wire_tap import TapRecord

SHIFT_NS = 1_000_000
SERIES = "btc-30m"


class Streams:
    """Only what `read_ways` asks of Redis."""

    def __init__(self) -> None:
        self._stamper = Stamper("test", "1")
        self._rows: dict[str, list[tuple[bytes, dict[bytes, bytes]]]] = {}

    def add(self, stream: str, message: StreamMessage, at_ns: int) -> None:
        entry = self._stamper.entry(Outgoing(stream, message), SHIFT_NS + at_ns)
        self._rows.setdefault(stream, []).append((b"1-1", entry))

    def xrange(self, stream: str) -> Sequence[Any]:
        return self._rows.get(stream, ())


def submit(order_id: str, cause_ns: int) -> SubmitOrder:
    return SubmitOrder(
        client_order_id=order_id,
        slug="w",
        outcome=Outcome.UP,
        price_e4=4_800,
        size_u6=5_000_000,
        tick_e4=100,
        expires_at_ns=10**18,
        ts_step_ns=SHIFT_NS + 130,
        ts_cause_ns=cause_ns,
    )


@pytest.fixture
def streams() -> Streams:
    """A frame written at 90 and one at 100, taken at 110, published at 120, stepped at 130."""
    made = Streams()
    received_ns = SHIFT_NS + 110
    delta = BookDelta(slug="w", changes=(), ts_event_ns=1, ts_recv_ns=received_ns)
    made.add(keys.md(SERIES), delta, 120)
    for number, order_id in enumerate(("a", "b", "never sent")):
        made.add(keys.cmd(SERIES), submit(order_id, received_ns), 140)
        told = OrderSubmitting(
            slug="w",
            client_order_id=order_id,
            order_hash=f"0x{number}",
            ts_exec_ns=SHIFT_NS + 150,
        )
        made.add(keys.exe(SERIES), told, 160)
    made.add(keys.cmd(SERIES), submit("of no frame", 0), 140)
    cancel = CancelOrders(
        slug="w",
        client_order_ids=("a",),
        order_hashes=("0x0",),
        reason="test",
        ts_step_ns=SHIFT_NS + 130,
        ts_cause_ns=received_ns,
    )
    made.add(keys.cmd(SERIES), cancel, 145)
    return made


def test_each_way_begins_at_the_last_frame_before_its_cause(streams: Streams) -> None:
    seen = TapRecord([90, 100, 200], {"0x0": 170, "0x1": 175}, {"0x0": 180})
    ways = read_ways(cast(Redis, streams), SERIES, seen, SHIFT_NS)
    assert [(way.frame_ns, way.place, way.took_ns) for way in ways.posts] == [
        (100, 0, 70),
        (100, 1, 75),
    ]
    assert [(way.frame_ns, way.took_ns) for way in ways.deletes] == [(100, 80)]


def test_hops_are_what_passed_between_the_notes(streams: Streams) -> None:
    seen = TapRecord([100], {"0x0": 175}, {"0x0": 180})
    ways = read_ways(cast(Redis, streams), SERIES, seen, SHIFT_NS)
    hops = ways.posts[0].hops_ns
    assert list(hops.values()) == [10, 10, 10, 10, 10, 10, 15]
    assert (hops[FRAME_TO_FEED], hops[EXE_TO_POST]) == (10, 15)
    assert ways.deletes[0].hops_ns[CMD_TO_DELETE] == 35
