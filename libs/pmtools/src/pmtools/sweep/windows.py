"""One recorded window under many settings: read once, replayed for each."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from pmcore.engine.execution.engine import ExecutionEngine
from pmcore.engine.strategy.engine import WindowEngine
from pmcore.machines.book import BookEffect, WindowBooks
from pmcore.machines.markouts import HORIZONS_S
from pmcore.messages.market_data import (
    BookDelta,
    BookSnapshot,
    MarketDataMessage,
    TickSizeChanged,
    TradePrinted,
)
from pmcore.model.latency import Latencies
from pmcore.model.market import Window
from pmcore.model.params import SeriesParams
from pmcore.model.units import PRICE_ONE_E4, SHARE_U6
from pmcore.venue.market_frames import MarketFrameParser
from pmsim.queue.displayed import DisplayedMarket, QueueEvent
from pmsim.queue.paper_venue import PaperParams, PaperVenue
from pmsim.recordings.reader import Recording
from pmsim.recordings.winners import Winner, winners_in_frame
from pmsim.run.paper_executor import PaperExecutor
from pmtools.replay.command import TAIL_NS
from pmtools.replay.inputs import find_inputs
from pmtools.replay.settling import agreed, ledgers_of, results_of, winners_before
from pmtools.replay.transport import DirectConduit
from pmtools.replay.window import TICK_NS, WindowReplay
from pmtools.sweep.grid import Cell

TOGETHER = 16
"""Cells that are replayed side by side: they share the work on their books."""

_RUN_ID = "sweep"
_AT_5_S = HORIZONS_S.index(5)


class Row(msgspec.Struct, frozen=True):
    """What one cell did in one window. Dollars and shares."""

    key: str
    cell: str
    slug: str
    profit: float
    settled: bool
    fills: int
    shares: float
    paired: float
    pair_cost: float
    residual: float
    orders: int
    both_rest_share: float
    ledgers: dict[str, float]
    """The profit of the same orders by each fill model."""
    markouts_5s: tuple[tuple[float, float], ...] = ()
    """Cents a share and shares of each fill whose mid was known 5 s later."""
    of: int = 1
    """How many rows the key has, one a window of its recording; fewer were cut off."""


class RecordedWindow(msgspec.Struct, frozen=True):
    """A window and all that was recorded of it, in the order of arrival."""

    window: Window
    frames: list[tuple[int, list[MarketDataMessage]]]
    last_ns: int
    winner: Winner | None


def file_digest(path: Path) -> str:
    """Of a recording's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def row_key(code: str, file: str, params: SeriesParams, latencies: Latencies) -> str:
    """The same for the same code, recording, parameters and latencies: then the row is known."""
    told = f"{code} {file} ".encode() + msgspec.json.encode([params, latencies])
    return hashlib.sha256(told).hexdigest()[:32]


def sweep_file(path: Path, cells: Sequence[tuple[str, Cell]], latencies: Latencies) -> list[Row]:
    """The rows of all cells for the windows of one recording; a cell comes with its key."""
    (recording,) = find_inputs([path], None).found
    if not isinstance(recording, Recording):
        return []
    rows = [
        row
        for life in lives_of(recording)
        for first in range(0, len(cells), TOGETHER)
        for row in replay_together(life, cells[first : first + TOGETHER], latencies)
    ]
    windows = len({row.slug for row in rows})
    return [msgspec.structs.replace(row, of=windows) for row in rows]


def lives_of(recording: Recording) -> Iterator[RecordedWindow]:
    """Each window of a recording that has messages, read once."""
    windows = {window.slug: window for window in recording.windows()}
    parser = MarketFrameParser(*windows.values())
    frames: dict[str, list[tuple[int, list[MarketDataMessage]]]] = {slug: [] for slug in windows}
    winners, last_ns = winners_before(recording, None), 0
    for frame in recording.frames():
        last_ns = frame.recv_ns
        if told := winners_in_frame(frame.raw, windows.values()):
            winners = agreed(winners, told)
        by_slug: dict[str, list[MarketDataMessage]] = {}
        for message in parser.parse(frame.raw, ts_recv_ns=frame.recv_ns):
            by_slug.setdefault(message.slug, []).append(message)
        for slug, messages in by_slug.items():
            frames[slug].append((frame.recv_ns, messages))
    for slug, window in windows.items():
        if frames[slug]:
            yield RecordedWindow(window, frames[slug], last_ns, winners.get(slug))


def replay_together(
    life: RecordedWindow, cells: Sequence[tuple[str, Cell]], latencies: Latencies
) -> list[Row]:
    """The rows of some cells for one window.

    They take the same messages one after the other, so its books are kept once for all of them.
    """
    slug = life.window.slug
    books, displayed = _SharedBooks(life.window), _SharedMarket()
    venues = [
        PaperVenue(PaperParams(latencies=latencies), displayed={slug: displayed}) for _ in cells
    ]
    replays = []
    for (_, cell), venue in zip(cells, venues, strict=True):
        params = cell.params.of(life.window.series)
        executor = PaperExecutor(
            ExecutionEngine(caps=params.order_caps()), venue, lambda _at, _out: None
        )
        engine = WindowEngine(life.window, params, _RUN_ID, books=books)
        replays.append(WindowReplay(engine, executor, DirectConduit(), lambda _at, _out: None))
    asyncio.run(_live(replays, life))
    rows = []
    for (key, cell), venue, replay in zip(cells, venues, replays, strict=True):
        ledgers = ledgers_of(venue.ledgers()[slug], replay.engine, life.winner)
        by_model = {
            model: told.get("profit", told.get("profit_marked", 0.0))
            for model, told in ledgers.items()
        }
        rows.append(_row(replay.engine, life, key, cell.name, by_model))
    return rows


async def _live(replays: Sequence[WindowReplay], life: RecordedWindow) -> None:
    for replay in replays:
        await replay.begin(life.frames[0][0] - TICK_NS)
    for at_ns, messages in life.frames:
        for replay in replays:
            await replay.reach(at_ns)
        for message in messages:
            for replay in replays:
                replay.take(message)
        for replay in replays:
            await replay.decide()
    for replay in replays:
        await replay.advance(life.last_ns + TAIL_NS)


class _SharedBooks(WindowBooks):
    """Books that many engines apply the same messages to: the first one does."""

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self._newest: object = None
        self._effect = BookEffect()

    def apply(self, event: BookSnapshot | BookDelta | TradePrinted | TickSizeChanged) -> BookEffect:
        if event is not self._newest:
            self._newest, self._effect = event, super().apply(event)
        return self._effect


class _SharedMarket(DisplayedMarket):
    """The same for the market that the queues of many paper venues see."""

    def __init__(self) -> None:
        super().__init__()
        self._newest: object = None
        self._event = QueueEvent()

    def apply(
        self, message: MarketDataMessage, *, unseen_trade_e4: int | None = None
    ) -> QueueEvent:
        if message is not self._newest:
            self._newest = message
            self._event = super().apply(message, unseen_trade_e4=unseen_trade_e4)
        return self._event


def _row(
    engine: WindowEngine, life: RecordedWindow, key: str, cell: str, ledgers: dict[str, float]
) -> Row:
    results = results_of(engine, life.winner)
    position, pairs = engine.session.inventory.working, engine.session.inventory.pairing.pairs
    paired_u6 = sum(pair.up.qty_u6 for pair in pairs)
    pair_cost = sum(pair.cost_e4 * pair.up.qty_u6 for pair in pairs)
    return Row(
        key=key,
        cell=cell,
        slug=life.window.slug,
        profit=results.get("profit", results.get("profit_marked", 0.0)),
        settled="profit" in results,
        fills=engine.counters.fills,
        shares=(position.up.qty_u6 + position.down.qty_u6) / SHARE_U6,
        paired=paired_u6 / SHARE_U6,
        pair_cost=pair_cost / paired_u6 / PRICE_ONE_E4 if paired_u6 else 0.0,
        residual=abs(position.net_diff_u6) / SHARE_U6,
        orders=engine.counters.orders_placed,
        both_rest_share=engine.session.quoting_time.both_rest_share,
        ledgers=ledgers,
        markouts_5s=tuple(
            (markout2_e4 / 200, fill.size_u6 / SHARE_U6)
            for fill in engine.session.markouts.fills
            if not fill.failed and (markout2_e4 := fill.markouts2_e4[_AT_5_S]) is not None
        ),
    )
