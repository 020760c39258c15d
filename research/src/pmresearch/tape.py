"""What the statistics of a market are taken from: one window as samples, prints and book frames.

Everything is put in Up terms, because the two tokens' books are mirrors: a taker who buys Down
pushes down. Books are sampled once a second, so that sources of very different rates compare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from pmcore.messages.market_data import BookDelta, BookSnapshot, Level, TradePrinted
from pmcore.model.errors import MalformedInputError
from pmcore.model.market import BookSide, Outcome, TakerSide, Window, window_times_ns
from pmcore.model.units import DOLLAR_E8, NS_PER_S, complement_e4
from pmcore.venue.fields import (
    JsonObject,
    as_list,
    as_object,
    decode_json,
    price_e4_of,
    qty_u6_of,
    text_of,
)
from pmcore.venue.market_frames import MarketFrameParser
from pmsim.recordings.bytes import whole_file
from pmsim.recordings.infer_window import slug_in
from pmsim.recordings.reader import Recording
from pmsim.recordings.rows import receive_ns
from pmsim.run.synthetic import SyntheticVenue
from pmsim.venue.ports import MarketFrame

NEAR_LEVELS = 5
_STALE_NS = 5 * NS_PER_S
_MAX_FILE_BYTES = 64 * 1024 * 1024


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """The Up book at a full second. Depths are of both sides; zero where the source has none."""

    at_ns: int
    bid_e4: int
    ask_e4: int
    touch_u6: tuple[int, int] | None = None
    near_u6: tuple[int, int] | None = None

    @property
    def spread_e4(self) -> int:
        """Ask less bid."""
        return self.ask_e4 - self.bid_e4

    @property
    def mid_e4(self) -> float:
        """Halfway."""
        return (self.bid_e4 + self.ask_e4) / 2


class Print(msgspec.Struct, frozen=True, kw_only=True):
    """A trade. `direction` is 1 when the taker pushed Up, -1 when Down, 0 when not known."""

    at_ns: int
    direction: int
    size_u6: int


class Tape(msgspec.Struct, kw_only=True):
    """One window. `frame_ns` are arrivals of book frames, `touch_ns` those that moved the touch;
    `one_sided_ns` are the full seconds without bids or without offers.
    """

    name: str
    open_ns: int
    close_ns: int
    samples: list[Sample] = msgspec.field(default_factory=list)
    prints: list[Print] = msgspec.field(default_factory=list)
    frame_ns: list[int] = msgspec.field(default_factory=list)
    touch_ns: list[int] = msgspec.field(default_factory=list)
    one_sided_ns: list[int] = msgspec.field(default_factory=list)


Ladders = Mapping[BookSide, Mapping[int, int]]


class TapeWriter:
    """Builds a tape from events in order of arrival; what lies outside the window is left out."""

    def __init__(self, name: str, open_ns: int, close_ns: int) -> None:
        self.tape = Tape(name=name, open_ns=open_ns, close_ns=close_ns)
        self._next_ns = open_ns
        self._book_ns = 0
        self._touch: tuple[int, int] | None = None
        self._book: Ladders | None = None

    def touch(self, at_ns: int, bid_e4: int, ask_e4: int, book: Ladders | None = None) -> None:
        """Take a new state of the book, or of its touch only.

        A caller that changes `book` in place calls `sample_until` before it does.
        """
        self.sample_until(at_ns)
        self._book, self._book_ns = book, at_ns
        if self._inside(at_ns):
            self.tape.frame_ns.append(at_ns)
            if self._touch is not None and (bid_e4, ask_e4) != self._touch:
                self.tape.touch_ns.append(at_ns)
        self._touch = (bid_e4, ask_e4)

    def no_touch(self, at_ns: int) -> None:
        """A side is empty now."""
        self.sample_until(at_ns)
        self._touch, self._book_ns = None, at_ns

    def trade(self, at_ns: int, direction: int, size_u6: int) -> None:
        """Take a print."""
        if self._inside(at_ns):
            self.tape.prints.append(Print(at_ns=at_ns, direction=direction, size_u6=size_u6))

    def end(self) -> Tape:
        """Sample the rest of the window."""
        self.sample_until(self.tape.close_ns)
        return self.tape

    def _inside(self, at_ns: int) -> bool:
        return self.tape.open_ns <= at_ns < self.tape.close_ns

    def sample_until(self, at_ns: int) -> None:
        """Note the state that held at each full second before a time."""
        while self._next_ns < min(at_ns, self.tape.close_ns):
            if self._next_ns - self._book_ns <= _STALE_NS:
                if self._touch is not None:
                    self._sample(self._next_ns, *self._touch)
                else:
                    self.tape.one_sided_ns.append(self._next_ns)
            self._next_ns += NS_PER_S

    def _sample(self, at_ns: int, bid_e4: int, ask_e4: int) -> None:
        if bid_e4 >= ask_e4:
            return
        touch_u6 = near_u6 = None
        if self._book is not None:
            bids, asks = (self._book[side] for side in BookSide)
            touch_u6 = (bids[bid_e4], asks[ask_e4])
            near_u6 = (
                sum(bids[price] for price in sorted(bids, reverse=True)[:NEAR_LEVELS]),
                sum(asks[price] for price in sorted(asks)[:NEAR_LEVELS]),
            )
        self.tape.samples.append(
            Sample(at_ns=at_ns, bid_e4=bid_e4, ask_e4=ask_e4, touch_u6=touch_u6, near_u6=near_u6)
        )


class FrameReader:
    """Feeds a tape from venue frames. One token's books suffice: the other one's are mirrors."""

    def __init__(self, window: Window) -> None:
        self.writer = TapeWriter(window.slug, window.open_ns, window.close_ns)
        self._parser = MarketFrameParser(window)
        self._sides: dict[BookSide, dict[int, int]] = {side: {} for side in BookSide}

    def read(self, at_ns: int, text: str) -> None:
        """Take one frame."""
        self.writer.sample_until(at_ns)
        for message in self._parser.parse(text, ts_recv_ns=at_ns):
            if isinstance(message, BookSnapshot):
                for side, levels in (
                    (BookSide.BID, message.bids),
                    (BookSide.ASK, message.asks),
                ):
                    self._replace(message.outcome, side, levels)
                self._tell(at_ns)
            elif isinstance(message, BookDelta):
                for change in message.changes:
                    if change.outcome is Outcome.UP:
                        self._put(change.side, change.price_e4, change.size_u6)
                self._tell(at_ns)
            elif isinstance(message, TradePrinted):
                up = (message.outcome is Outcome.UP) is (message.taker_side is TakerSide.BUY)
                self.writer.trade(message.ts_event_ns, 1 if up else -1, message.size_u6)

    def _replace(self, outcome: Outcome, side: BookSide, levels: Sequence[Level]) -> None:
        if outcome is Outcome.DOWN:
            side = BookSide.ASK if side is BookSide.BID else BookSide.BID
            levels = [(complement_e4(price_e4), size_u6) for price_e4, size_u6 in levels]
        self._sides[side] = dict(levels)

    def _put(self, side: BookSide, price_e4: int, size_u6: int) -> None:
        if size_u6:
            self._sides[side][price_e4] = size_u6
        else:
            self._sides[side].pop(price_e4, None)

    def _tell(self, at_ns: int) -> None:
        bids, asks = (self._sides[side] for side in BookSide)
        if bids and asks:
            book = {BookSide.BID: bids, BookSide.ASK: asks}
            self.writer.touch(at_ns, max(bids), min(asks), book)
        else:
            self.writer.no_touch(at_ns)


def recorded_tapes(path: Path) -> list[Tape]:
    """The windows of a recording, whichever kind. Raise `MalformedInputError` for another file."""
    if is_polybot(path):
        return [_polybot(path)]
    if path.name.startswith("bwijn_"):
        return [_bwijn(path)]
    recording = Recording(path)
    readers = [FrameReader(window) for window in recording.windows()]
    for frame in recording.frames():
        for reader in readers:
            reader.read(frame.recv_ns, frame.raw)
    return [reader.writer.end() for reader in readers]


class TakesFrames(Protocol):
    """What reads the frames of one window."""

    def read(self, at_ns: int, text: str) -> None:
        """Take one frame."""


ReaderT = TypeVar("ReaderT", bound=TakesFrames)


def read_windows(
    venue: SyntheticVenue, windows: int, make_reader: Callable[[Window], ReaderT]
) -> Iterator[ReaderT]:
    """Readers of the next whole windows of a synthetic world, each when its window has closed."""
    reading: dict[str, tuple[Window, ReaderT]] = {}
    done = 0
    while done < windows:
        for listing in venue.listings():
            window = listing.window
            if window.condition_id not in reading and window.open_ns >= venue.now_ns:
                reader = make_reader(window)
                reading[window.condition_id] = window, reader
                dump = venue.initial_dump([window.up_token_id, window.down_token_id])
                reader.read(venue.now_ns, dump or "[]")
        for event in venue.advance(venue.now_ns + NS_PER_S):
            if isinstance(event, MarketFrame) and event.condition_id in reading:
                reading[event.condition_id][1].read(event.at_ns, event.text)
        for key, (window, reader) in list(reading.items()):
            if done < windows and window.close_ns <= venue.now_ns:
                del reading[key]
                done += 1
                yield reader


def synthetic_tapes(venue: SyntheticVenue, windows: int) -> Iterator[Tape]:
    """The next whole windows of a synthetic world's first series."""
    for reader in read_windows(venue, windows, FrameReader):
        yield reader.writer.end()


def _times_ns(path: Path) -> tuple[int, int]:
    times = window_times_ns(slug_in(path.name))
    if times is None:
        raise MalformedInputError("no_market", f"{path.name} carries no updown slug")
    return times


def is_polybot(path: Path) -> bool:
    """Whether a file is of the kind that also holds an exchange's prices."""
    return path.name.startswith("polybot_")


def _polybot_window(path: Path) -> JsonObject:
    document = as_object(decode_json(whole_file(path, _MAX_FILE_BYTES)))
    return as_object(as_list(document["windows"])[0])


def polybot_prices(path: Path) -> tuple[list[tuple[int, int]], Outcome]:
    """The exchange's prices by their receipt, in 1e-8 dollars, and who won the window."""
    window = _polybot_window(path)
    rows = [as_list(entry) for entry in as_list(window["events"])]
    prices = [
        (receive_ns(row[0]), round(row[3] * DOLLAR_E8))
        for row in rows
        if row[1] == "s" and isinstance(row[3], float)
    ]
    up = as_object(window["label"])["resolved_up"] == 1
    return prices, Outcome.UP if up else Outcome.DOWN


def _polybot(path: Path) -> Tape:
    """Prints (without side) of a whole window and the touch of its last 90 s."""
    window = _polybot_window(path)
    up_token = text_of(window, "token_up")
    writer = TapeWriter(path.name, *_times_ns(path))
    for entry in as_list(window["events"]):
        row = as_list(entry)
        at_ns = receive_ns(row[0])
        if row[1] == "p":
            writer.trade(at_ns, 0, qty_u6_of(_rounded(row[4])))
        elif row[1] == "b" and row[2] == up_token and row[3] is not None and row[4] is not None:
            writer.touch(at_ns, price_e4_of(row[3]), price_e4_of(row[4]))
    return writer.end()


def polybot_rates(path: Path) -> tuple[float, float, list[int]]:
    """Book messages and prints a second while books were recorded, and all sizes of prints."""
    window = _polybot_window(path)
    up_token = text_of(window, "token_up")
    books_ns: list[int] = []
    prints_ns: list[int] = []
    sizes_u6: list[int] = []
    for entry in as_list(window["events"]):
        row = as_list(entry)
        if row[1] == "p":
            prints_ns.append(receive_ns(row[0]))
            sizes_u6.append(qty_u6_of(_rounded(row[4])))
        elif row[1] == "b" and row[2] == up_token:
            books_ns.append(receive_ns(row[0]))
    seconds = (books_ns[-1] - books_ns[0]) / NS_PER_S
    prints = sum(books_ns[0] <= at_ns <= books_ns[-1] for at_ns in prints_ns)
    return len(books_ns) / seconds, prints / seconds, sizes_u6


def _bwijn(path: Path) -> Tape:
    """Trades with the taker's side, stamped by the second."""
    document = as_object(decode_json(whole_file(path, _MAX_FILE_BYTES)))
    up_token = text_of(document, "up_token")
    writer = TapeWriter(path.name, *_times_ns(path))
    for entry in as_list(document["trades"]):
        row = as_list(entry)
        up = (str(row[4]) == up_token) is (str(row[1]).upper() == "BUY")
        writer.trade(receive_ns(row[0]), 1 if up else -1, qty_u6_of(_rounded(row[3])))
    writer.tape.prints.sort(key=lambda trade: trade.at_ns)
    return writer.end()


def _rounded(value: object) -> object:
    """A binary float as the millionth that it stands for."""
    return round(value, 6) if isinstance(value, float) else value
