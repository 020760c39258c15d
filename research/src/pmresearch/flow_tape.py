"""What order flow is judged on: the takers of one window and the mids around them.

A trade stands with the price that its maker got, in Up terms. Where a recording has whole books
after each trade and no prints (`market_books`), a trade is what left the touch of the side that
the book's hash names; its size is then an upper estimate, because cancels are in it too. `bwijn`
has trades by the second and no book; its mid is halfway between the newest price that pushed Up
and the newest that pushed Down.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from pmcore.machines.book import WindowBooks
from pmcore.messages.market_data import (
    BookDelta,
    BookSnapshot,
    FeedStatusChanged,
    SnapshotOrigin,
    TickSizeChanged,
    TradePrinted,
    UnderlyingPriced,
)
from pmcore.model.market import BookSide, Outcome, TakerSide, Window, window_times_ns
from pmcore.model.units import complement_e4
from pmcore.venue.fields import as_list, as_object, decode_json, price_e4_of, qty_u6_of, text_of
from pmcore.venue.market_frames import MarketFrameParser
from pmsim.queue.depth import MergedDepth, spans, swept, up_key
from pmsim.recordings.bytes import whole_file
from pmsim.recordings.infer_window import slug_in
from pmsim.recordings.reader import Recording
from pmsim.recordings.rows import receive_ns

_MAX_FILE_BYTES = 64 * 1024 * 1024
_CENT_E4 = 100


class Taken(msgspec.Struct, frozen=True):
    """A taker's trade. `price_e4` is Up's; `pushed` is 1 when it pushed Up, else -1."""

    at_ns: int
    outcome: Outcome
    side: TakerSide
    size_u6: int
    price_e4: int

    @property
    def pushed(self) -> int:
        """1: towards Up. -1: towards Down."""
        return 1 if (self.outcome is Outcome.UP) is (self.side is TakerSide.BUY) else -1


class FlowTape(msgspec.Struct, kw_only=True):
    """One window. `mids` are times with twice Up's mid, None while a side is empty."""

    slug: str
    open_ns: int
    close_ns: int
    tick_e4: int
    taken: list[Taken] = msgspec.field(default_factory=list)
    mids: list[tuple[int, int | None]] = msgspec.field(default_factory=list)


class FlowReader:
    """Makes a tape from venue frames in order of arrival."""

    def __init__(self, window: Window) -> None:
        self.tape = FlowTape(
            slug=window.slug,
            open_ns=window.open_ns,
            close_ns=window.close_ns,
            tick_e4=window.tick_e4,
        )
        self._parser = MarketFrameParser(window)
        self._books = WindowBooks(window)
        self._depth = MergedDepth()

    def read(self, at_ns: int, text: str) -> None:
        """Take one frame."""
        for message in self._parser.parse(text, ts_recv_ns=at_ns):
            match message:
                case BookSnapshot():
                    self._whole(at_ns, message)
                case BookDelta():
                    self._books.apply(message)
                    self._depth.change(message)
                    self._note(at_ns)
                case TickSizeChanged():
                    self._books.apply(message)
                case FeedStatusChanged() | UnderlyingPriced():
                    pass
                case TradePrinted():
                    self._books.apply(message)
                    up_e4 = message.price_e4
                    if message.outcome is Outcome.DOWN:
                        up_e4 = complement_e4(up_e4)
                    self.tape.taken.append(
                        Taken(at_ns, message.outcome, message.taker_side, message.size_u6, up_e4)
                    )

    def _whole(self, at_ns: int, book: BookSnapshot) -> None:
        unseen_e4 = self._books.apply(book).unseen_trade_e4
        before = self._depth.levels if self._depth.known else None
        if book.damaged or not self._depth.replace(book):
            return
        if before is not None and unseen_e4 is not None and book.origin is SnapshotOrigin.TRADE:
            sweeps = {side: swept(before[side], self._depth.levels[side]) for side in BookSide}
            hit = [side for side, sweep in sweeps.items() if spans(sweep, unseen_e4)]
            if len(hit) == 1:
                side = TakerSide.SELL if hit[0] is BookSide.BID else TakerSide.BUY
                best, size_u6 = sweeps[hit[0]][0][0], sum(size for _, size in sweeps[hit[0]])
                self.tape.taken.append(Taken(at_ns, Outcome.UP, side, size_u6, abs(best)))
        self._note(at_ns)

    def _note(self, at_ns: int) -> None:
        bid, ask = self._depth.best(BookSide.BID), self._depth.best(BookSide.ASK)
        if bid is None or ask is None or self._depth.crossed():
            self.tape.mids.append((at_ns, None))
        else:
            self.tape.mids.append((at_ns, bid - ask))


def flow_tapes(path: Path) -> Iterator[FlowTape]:
    """The windows of a recording. Raise `MalformedInputError` for a file of another kind."""
    if path.name.startswith("bwijn_"):
        yield _bwijn(path)
        return
    recording = Recording(path)
    readers = [FlowReader(window) for window in recording.windows()]
    for frame in recording.frames():
        for reader in readers:
            reader.read(frame.recv_ns, frame.raw)
    yield from (reader.tape for reader in readers)


def _bwijn(path: Path) -> FlowTape:
    document = as_object(decode_json(whole_file(path, _MAX_FILE_BYTES)))
    up_token, slug = text_of(document, "up_token"), slug_in(path.name)
    open_ns, close_ns = window_times_ns(slug) or (0, 0)
    tape = FlowTape(slug=slug, open_ns=open_ns, close_ns=close_ns, tick_e4=_CENT_E4)
    newest: dict[int, int] = {}
    rows = [as_list(row) for row in as_list(document["trades"])]
    for row in sorted(rows, key=lambda row: receive_ns(row[0])):
        at_ns, bought = receive_ns(row[0]), str(row[1]).upper() == "BUY"
        outcome = Outcome.UP if str(row[4]) == up_token else Outcome.DOWN
        hit = BookSide.ASK if bought else BookSide.BID
        _, key = up_key(outcome, hit, price_e4_of(_rounded(row[2], 4)))
        taken = Taken(
            at_ns,
            outcome,
            TakerSide.BUY if bought else TakerSide.SELL,
            qty_u6_of(_rounded(row[3], 6)),
            abs(key),
        )
        tape.taken.append(taken)
        newest[taken.pushed] = abs(key)
        tape.mids.append((at_ns, sum(newest.values()) if len(newest) == len(BookSide) else None))
    return tape


def _rounded(value: object, digits: int) -> object:
    return round(value, digits) if isinstance(value, float) else value
