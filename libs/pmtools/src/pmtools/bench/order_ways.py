"""From what the streams and the tap noted to the ways of single orders, in hops of nanoseconds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

import msgspec
from redis import Redis

from pmcore.messages.base import Envelope
from pmcore.messages.execution import OrderSubmitting
from pmcore.messages.market_data import BookDelta
from pmcore.messages.orders import CancelOrders, SubmitOrder
from pmcore.wire import codec, keys
from pmtools.bench.wire_tap import TapRecord

FRAME_TO_FEED = "frame written, taken by the feed"
FEED_TO_MD = "to the publishing of `md`"
MD_TO_STEP = "to the strategy's step"
STEP_TO_CMD = "to the publishing of `cmd`"
CMD_TO_SIGNED = "to the executor's step and signature"
SIGNED_TO_EXE = "to the publishing of `exe`"
EXE_TO_POST = "`exe` answered, to the POST's last byte"
CMD_TO_DELETE = "to the DELETE's last byte"


class OrderWay(msgspec.Struct, frozen=True):
    """One request to the venue, and the frame that led to it: real time, hops in their order.

    `place`: 0 for the first POST of a frame. Their sum is the whole way.
    """

    frame_ns: int
    place: int
    hops_ns: dict[str, int]

    @property
    def took_ns(self) -> int:
        """From the frame to the last byte of the request."""
        return sum(self.hops_ns.values())


class OrderWays(msgspec.Struct):
    """Those that a frame of market data led to."""

    posts: list[OrderWay] = msgspec.field(default_factory=list)
    deletes: list[OrderWay] = msgspec.field(default_factory=list)


def read_ways(redis: Redis, series: str, seen: TapRecord, shift_ns: int) -> OrderWays:
    """Put commands, requests and frames together. `shift_ns`: the run's time less real time.

    A command names the receive time of its market data; the frame is the last one that the tap
    had written by then.
    """
    published = {
        message.ts_recv_ns: envelope.ts_pub_ns
        for message, envelope in _entries(redis, keys.md(series))
        if isinstance(message, BookDelta)
    }
    submitting = {
        message.client_order_id: (message, envelope.ts_pub_ns)
        for message, envelope in _entries(redis, keys.exe(series))
        if isinstance(message, OrderSubmitting)
    }
    ways = OrderWays()
    places: dict[int, int] = {}
    for message, envelope in _entries(redis, keys.cmd(series)):
        if not isinstance(message, SubmitOrder | CancelOrders):
            continue
        at = bisect_right(seen.frames_ns, message.ts_cause_ns - shift_ns) - 1
        if at < 0 or message.ts_cause_ns not in published:
            continue
        frame_ns = seen.frames_ns[at]
        times = {
            FRAME_TO_FEED: message.ts_cause_ns,
            FEED_TO_MD: published[message.ts_cause_ns],
            MD_TO_STEP: message.ts_step_ns,
            STEP_TO_CMD: envelope.ts_pub_ns,
        }
        if isinstance(message, CancelOrders):
            wire_ns = seen.deletes_ns.get(message.order_hashes[0])
            if wire_ns is not None:
                times[CMD_TO_DELETE] = wire_ns + shift_ns
                ways.deletes.append(OrderWay(frame_ns, 0, _hops(frame_ns + shift_ns, times)))
            continue
        place = places[frame_ns] = places.get(frame_ns, -1) + 1
        signed, recorded_ns = submitting.get(message.client_order_id, (None, 0))
        wire_ns = seen.posts_ns.get(signed.order_hash) if signed is not None else None
        if signed is not None and wire_ns is not None:
            times[CMD_TO_SIGNED] = signed.ts_exec_ns
            times[SIGNED_TO_EXE] = recorded_ns
            times[EXE_TO_POST] = wire_ns + shift_ns
            ways.posts.append(OrderWay(frame_ns, place, _hops(frame_ns + shift_ns, times)))
    return ways


def _hops(from_ns: int, times: dict[str, int]) -> dict[str, int]:
    hops = {}
    for name, at_ns in times.items():
        hops[name] = at_ns - from_ns
        from_ns = at_ns
    return hops


def _entries(redis: Redis, stream: str) -> Iterator[tuple[object, Envelope]]:
    rows: Any = redis.xrange(stream)
    for _, fields in rows:
        envelope = msgspec.json.decode(fields[codec.FIELD_ENVELOPE], type=Envelope)
        yield codec.decode(fields[codec.FIELD_BODY]), envelope
