"""Rows of the recordings we know, to (receive time, frame) pairs.

Books and trades of collections without frames become frames as the venue would have written
them, without hashes.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

import msgspec

from pmcore.messages.market_data import Level
from pmcore.model.errors import MalformedInputError
from pmcore.model.market import Outcome, Window
from pmcore.model.units import NS_PER_MS, NS_PER_S
from pmcore.venue.encode import to_text, trade_book_frame, trade_frame
from pmcore.venue.fields import (
    JsonObject,
    as_list,
    as_object,
    decode_json,
    decode_json_as,
    is_absent,
    optional_text,
    price_e4_of,
    qty_u6_of,
    time_ns_of,
)
from pmcore.venue.market_values import taker_side_of

_TIME_KEYS = ("recv_ns", "recv", "recv_wall_ts", "capturedAt", "receivedAt")
_FRAME_KEYS = ("raw", "payload", "payloadUtf8")
_NS_LEAST = 10**18
_OUR_SOURCE = "polymarket_clob"
_SIDES = {"UP": Outcome.UP, "DOWN": Outcome.DOWN}


class RawFrame(msgspec.Struct, frozen=True):
    """A WebSocket frame (or REST book) as text, and when it was received.

    `slug` is the market's where the row names it.
    """

    recv_ns: int
    raw: str
    slug: str = ""


class _UsualLine(msgspec.Struct, forbid_unknown_fields=True):
    raw: str
    recv_ns: int | None = None
    recv: int | float | None = None
    slug: str = ""


def usual_line(record: bytes) -> RawFrame | None:
    """A line of a frame and its time and nothing else, decoded by a schema; None for any other.

    Then `envelope_frame` says what it is; it gives the same for a usual line.
    """
    try:
        line = decode_json_as(record, _UsualLine)
        stamp = line.recv if line.recv_ns is None else line.recv_ns
        return None if stamp is None else RawFrame(receive_ns(stamp), line.raw, line.slug)
    except MalformedInputError:
        return None


def stand_in_id(*parts: str) -> str:
    """A decimal token id for a recording that has none; the same on every run."""
    digest = hashlib.sha1(":".join(parts).encode(), usedforsecurity=False).hexdigest()
    return str(int(digest, 16))


def receive_ns(value: object) -> int:
    """Seconds (also fractions), milliseconds or nanoseconds by magnitude, or ISO text."""
    if isinstance(value, float):
        moment = Decimal(repr(value))
        return int(moment * (NS_PER_S if moment < 100_000_000_000 else NS_PER_MS))
    if isinstance(value, int) and _NS_LEAST <= value < 10 * _NS_LEAST:
        return value  # as `time_ns_of` says, and the recorder writes it so
    return time_ns_of(value)


def envelope_frame(row: object) -> RawFrame | None:
    """One JSON line: an envelope with a frame inside, or the frame itself.

    None for a row of another source or of market metadata. Raise `MalformedInputError`
    (`no_frame`, `no_time`) for one that is of no use.
    """
    if isinstance(row, list):
        return RawFrame(_own_time(row), msgspec.json.encode(row).decode())
    item = as_object(row, "no_frame")
    if item.get("source", _OUR_SOURCE) != _OUR_SOURCE or isinstance(item.get("market"), dict):
        return None
    frame = next((item[key] for key in _FRAME_KEYS if key in item), None)
    if frame is None:
        if "market" not in item:
            raise MalformedInputError("no_frame", str(sorted(item))[:80])
        frame = item
    stamp = next((item[key] for key in _TIME_KEYS if not is_absent(item.get(key))), None)
    raw = frame if isinstance(frame, str) else msgspec.json.encode(frame).decode()
    recv_ns = _own_time(frame) if stamp is None else receive_ns(stamp)
    return RawFrame(recv_ns, raw, optional_text(item, "slug"))


def text_frame(raw: str) -> RawFrame:
    """A bare frame; its receive time is the time that it carries."""
    return RawFrame(_own_time(raw), raw)


def _own_time(frame: object) -> int:
    """The time stamp inside a frame, when the time of receipt was not recorded."""
    decoded = decode_json(frame) if isinstance(frame, str) else frame
    first = decoded[0] if isinstance(decoded, list) and decoded else decoded
    if not isinstance(first, dict) or "timestamp" not in first:
        raise MalformedInputError("no_time", str(first)[:80])
    return time_ns_of(first["timestamp"])


def _unhashed_book(
    window: Window,
    outcome: Outcome,
    bids: Sequence[Level],
    asks: Sequence[Level],
    ts_event_ns: int,
) -> JsonObject:
    return trade_book_frame(
        window,
        outcome,
        bids=bids,
        asks=asks,
        ts_event_ns=ts_event_ns,
        tick_e4=window.tick_e4,
        last_trade=None,
    )


def book_row_frame(row: object, window: Window) -> RawFrame:
    """One row of `books_1hz`: {ts, side, bids, asks} with [price, size] pairs, best first."""
    item = as_object(row, "no_frame")
    outcome = _SIDES.get(str(item.get("side")))
    if outcome is None:
        raise MalformedInputError("bad_side", str(item.get("side"))[:40])
    ts_ns = time_ns_of(item.get("ts"))
    book = _unhashed_book(
        window, outcome, _pairs(item.get("bids")), _pairs(item.get("asks")), ts_ns
    )
    del book["event_type"]  # asked for each second, as by REST: no trade caused it
    return RawFrame(ts_ns, to_text(book))


def _pairs(value: object) -> list[tuple[int, int]]:
    """Levels of binary floats; sizes are rounded to the millionth that they stand for."""
    levels = []
    for entry in as_list(value):
        pair = as_list(entry)
        if len(pair) != 2:
            raise MalformedInputError("bad_shape", str(entry)[:40])
        size = round(pair[1], 6) if isinstance(pair[1], float) else pair[1]
        levels.append((price_e4_of(pair[0]), qty_u6_of(size)))
    return levels


def _caio_book(item: JsonObject, window: Window, outcome: Outcome) -> str:
    sides = []
    for key in ("bids", "asks"):
        levels = [as_object(level) for level in as_list(item.get(key))]
        sides.append(
            [(price_e4_of(level.get("price")), qty_u6_of(level.get("size"))) for level in levels]
        )
    ts_event_ns = time_ns_of(item.get("timestamp"))
    return to_text(_unhashed_book(window, outcome, sides[0], sides[1], ts_event_ns))


def _caio_trade(item: JsonObject, window: Window, outcome: Outcome) -> str:
    return to_text(
        trade_frame(
            window,
            outcome,
            taker_side=taker_side_of(item),
            price_e4=price_e4_of(item.get("price")),
            size_u6=qty_u6_of(item.get("size")),
            ts_event_ns=time_ns_of(item.get("timestamp")),
        )
    )


def caio_frames(
    parts: Iterable[tuple[str, Outcome, list[object]]], window: Window
) -> Iterator[RawFrame | MalformedInputError]:
    """Books and trades of both outcomes merged by receive time; a bad row comes as its error."""

    def one_part(
        kind: str, outcome: Outcome, rows: list[object]
    ) -> list[tuple[int, RawFrame | MalformedInputError]]:
        write = _caio_book if kind == "orderbooks" else _caio_trade
        entries: list[tuple[int, RawFrame | MalformedInputError]] = []
        for row in rows:
            recv_ns = entries[-1][0] if entries else 0
            try:
                item = as_object(row, "no_frame")
                recv_ns = time_ns_of(item.get("local_timestamp"))
                entries.append((recv_ns, RawFrame(recv_ns, write(item, window, outcome))))
            except MalformedInputError as error:
                entries.append((recv_ns, error))
        return sorted(entries, key=lambda entry: entry[0])

    merged = heapq.merge(*(one_part(*part) for part in parts), key=lambda entry: entry[0])
    return (entry for _, entry in merged)
