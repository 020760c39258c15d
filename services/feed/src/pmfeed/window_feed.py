"""The market data of one window: socket to parser to books to stream, in order of arrival."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec

from pmcore.machines.book import BookState, WindowBooks
from pmcore.machines.feed import AskBooks, DropSocket, FeedAction, FeedSession, SetStatus
from pmcore.messages.market_data import (
    BookCheckpoint,
    BookSnapshot,
    FeedState,
    FeedStatusChanged,
    MarketDataMessage,
    SnapshotOrigin,
    TickSizeChanged,
    UnderlyingPriced,
)
from pmcore.model.errors import Cause, Sent, TransportError
from pmcore.model.market import BookSide, Outcome, Window
from pmcore.model.units import NS_PER_MS, NS_PER_S
from pmcore.shell.causes import cause_of_status
from pmcore.shell.http import JsonReader
from pmcore.shell.service.process import ServiceContext
from pmcore.shell.service.tasks import answered_at_once
from pmcore.shell.websocket import (
    Frame,
    SocketAnswered,
    SocketDown,
    SocketEvent,
    SocketUp,
    WebSocketClient,
)
from pmcore.venue.encode import to_text
from pmcore.venue.exchange_frames import ExchangePrice, underlying_price_line
from pmcore.venue.market_frames import MarketFrameParser
from pmcore.wire import keys
from pmcore.wire.ports import Outgoing
from pmfeed.metrics import FeedCounters, FeedMetrics
from pmfeed.recorder import BYTES_PER_GB, Recorder
from pmfeed.settings import FeedSettings

TICK_MS = 100.0
MIN_TICK_S = 0.005
BUS_RETRY_S = 0.25
MIN_SILENT_REAL_MS = 500


class WindowFeed:
    """Feeds one window from before it opens until a while after it closed.

    `announce` is called again when Redis was away: it may have come back empty.
    """

    def __init__(
        self,
        context: ServiceContext[FeedSettings],
        metrics: FeedMetrics,
        rest: JsonReader,
        window: Window,
        announce: Callable[[], Awaitable[None]],
    ) -> None:
        settings = context.settings
        self.window = window
        self.parser = MarketFrameParser(window)
        self.books = WindowBooks(window)
        self.session = FeedSession(
            open_ns=window.open_ns,
            close_ns=window.close_ns,
            silent_ns=silent_ns(settings.silent_ms, context.clock.speed),
        )
        self._health = context.health
        self._trouble = f"market data of {window.slug}"
        self._bus = context.bus
        self._clock = context.clock
        self._log = context.log
        self._rest = rest
        self._announce = announce
        self._metrics = metrics
        self._counted = FeedCounters(metrics, window.series)
        self._stream = keys.md(window.series)
        self._md_max_entries = settings.md_max_entries
        self._end_ns = window.close_ns + int(settings.linger_s * NS_PER_S)
        self._socket = WebSocketClient(
            f"{settings.ws_base_url}/market", hello=self._subscription, now_ns=self._clock.now_ns
        )
        self._recorder = (
            Recorder(
                settings.data_dir,
                window,
                begins_ns=context.clock.now_ns(),
                max_bytes=int(settings.record_max_gb * BYTES_PER_GB),
                metrics=metrics,
                log=context.log,
            )
            if settings.record
            else None
        )
        self._out: list[MarketDataMessage] = []
        self._underlying: UnderlyingPriced | None = None
        self._bus_away = False
        self._answer: asyncio.Task[list[object]] | None = None
        self._last_entry_id = ""
        self._checkpoint_ns = settings.checkpoint_ms * NS_PER_MS
        self._checkpoint_due_ns = 0

    async def run(self) -> None:
        """Feed until the window is over."""
        socket = asyncio.create_task(self._socket.run())
        try:
            while (now_ns := self._clock.now_ns()) < self._end_ns:
                if socket.done():
                    socket.result()
                await self._turn(now_ns)
        finally:
            socket.cancel()
            if self._answer is not None:
                self._answer.cancel()
            await asyncio.wait({socket})
            if self._recorder is not None:
                self._recorder.close(self._clock.now_ns())
        await self.say_down("the window is over")
        self._health.clear_trouble(self._trouble)
        await self._put_checkpoint(None)

    async def say_down(self, reason: str) -> None:
        """Tell the readers that this feed will say no more."""
        self._do(self.session.on_disconnected(reason))
        await self._publish()

    async def _turn(self, now_ns: int) -> None:
        """Take what has come, decide, publish."""
        tick_s = max(self._clock.real_s(TICK_MS), MIN_TICK_S) if self._underlying is None else 0
        for event in await self._socket.next_batch(tick_s):
            self._take(event)
        now_ns = self._clock.now_ns()
        if now_ns >= self.window.close_ns:
            self._health.clear_trouble(self._trouble)
        self._take_answer(now_ns)
        self._do(self.session.on_tick(now_ns))
        self._take_underlying()
        await self._publish()
        if now_ns >= self._checkpoint_due_ns:
            self._checkpoint_due_ns = now_ns + self._checkpoint_ns
            await self._write_checkpoint(now_ns)
            self._count(now_ns)

    def hear_underlying(self, recv_ns: int, price: ExchangePrice) -> None:
        """Publish a price of the underlying as soon as may be; a newer one takes its place."""
        if recv_ns >= self.window.close_ns:
            return
        self._underlying = UnderlyingPriced(
            slug=self.window.slug,
            price_e8=price.price_e8,
            ts_event_ns=price.ts_event_ns,
            ts_recv_ns=recv_ns,
        )
        self._socket.poke()

    def _take_underlying(self) -> None:
        priced, self._underlying = self._underlying, None
        if priced is None:
            return
        self._out.append(priced)
        if self._recorder is not None:
            price = ExchangePrice(priced.price_e8, priced.ts_event_ns)
            line = underlying_price_line(self.window.condition_id, price)
            self._recorder.write(priced.ts_recv_ns, to_text(line))

    def _subscription(self) -> str:
        return msgspec.json.encode(
            {
                "assets_ids": [self.window.up_token_id, self.window.down_token_id],
                "type": "market",
                "custom_feature_enabled": True,
            }
        ).decode()

    def _take(self, event: SocketEvent) -> None:
        match event:
            case Frame():
                if self._recorder is not None:
                    self._recorder.write(event.recv_ns, event.text)
                messages = self.parser.parse(event.text, ts_recv_ns=event.recv_ns)
                if messages:
                    gap = self._apply(messages)
                    self._do(
                        self.session.on_data(
                            event.recv_ns, usable=self._usable(), event_ns=_newest_ns(messages)
                        )
                    )
                    if gap:
                        self._metrics.gaps.labels(gap).inc()
                        self._do(self.session.on_gap(event.recv_ns, f"gap: {gap}"))
            case SocketUp():
                self._metrics.connects.labels(self.window.series).inc()
                self.books.reset()
                self._do(self.session.on_connected(event.at_ns))
            case SocketAnswered():
                pass  # only who asks at once is told
            case SocketDown():
                self.books.reset()
                self._do(self.session.on_disconnected(event.reason))
                text = f"market socket {self._socket.url}: {event.reason}"
                self._set_trouble(event.cause, text)

    def _apply(self, messages: list[MarketDataMessage]) -> str:
        """Apply and queue messages; return why a book was lost, or ""."""
        gap = ""
        for message in messages:
            if isinstance(message, FeedStatusChanged | UnderlyingPriced):
                continue
            tick_e4 = self.books.tick_e4
            gap = self.books.apply(message).gap or gap
            if isinstance(message, TickSizeChanged) and self.books.tick_e4 < tick_e4:
                gap = gap or "tick_size"
            self._out.append(message)
        return gap

    def _usable(self) -> bool:
        return all(self.books.state(outcome) is BookState.LIVE for outcome in Outcome)

    def _do(self, actions: list[FeedAction]) -> None:
        for action in actions:
            match action:
                case SetStatus():
                    self._metrics.statuses.labels(action.state).inc()
                    self._log.info(
                        "feed_status",
                        slug=self.window.slug,
                        state=action.state,
                        reason=action.reason,
                    )
                    self._out.append(self._status())
                    self._tell(action.state, action.reason)
                    if self._recorder is not None:
                        self._recorder.note(self._clock.now_ns(), f"{action.state} {action.reason}")
                case AskBooks():
                    self._metrics.resyncs.labels(self.window.series).inc()
                    self._answer = asyncio.create_task(self._fetch_books())
                    self._answer.add_done_callback(lambda _: self._socket.poke())
                case DropSocket():
                    self._socket.reconnect(action.reason)

    def _set_trouble(self, cause: Cause, text: str) -> None:
        """After the close nobody needs the data: then nothing is in the way."""
        if self._clock.now_ns() < self.window.close_ns:
            self._health.set_trouble(self._trouble, cause, text)

    def _tell(self, state: FeedState, reason: str) -> None:
        """For `/state`: no data, until it flows again."""
        if state is FeedState.LIVE:
            self._health.clear_trouble(self._trouble)
        else:
            self._set_trouble(Cause.NO_DATA, reason or state.value)

    def _status(self) -> FeedStatusChanged:
        return FeedStatusChanged(
            slug=self.window.slug,
            state=self.session.state,
            reason=self.session.reason,
            ts_recv_ns=self._clock.now_ns(),
        )

    async def _fetch_books(self) -> list[object]:
        """Read both books; raise `TransportError` when either is not to be had."""
        answers = await asyncio.gather(
            *(
                self._rest.get("/book", {"token_id": self.window.token_id(outcome)})
                for outcome in Outcome
            )
        )
        for answer in answers:
            if not answer.ok:
                raise _refused(answer.status, answer.body)
        return [answer.body for answer in answers]

    def _take_answer(self, now_ns: int) -> None:
        if self._answer is None or not self._answer.done():
            return
        task, self._answer = self._answer, None
        try:
            bodies = task.result()
        except TransportError as error:
            self._log.warning("resync_failed", slug=self.window.slug, detail=str(error))
            self._set_trouble(error.cause, f"books by REST: {error}")
            self._do(self.session.on_books_failed(now_ns))
            return
        missed = False
        messages: list[MarketDataMessage] = []
        for body in bodies:
            raw = msgspec.json.encode(body).decode()
            if self._recorder is not None:
                self._recorder.write(now_ns, raw)
            messages += self.parser.parse(raw, ts_recv_ns=now_ns)
        snapshots = [message for message in messages if isinstance(message, BookSnapshot)]
        if len(snapshots) != len(Outcome):
            self._do(self.session.on_books_failed(now_ns))
            return
        missed = any(self._differs(snapshot) for snapshot in snapshots)
        self._apply(messages)
        self._do(self.session.on_books(now_ns, usable=self._usable(), missed=missed))

    def _differs(self, snapshot: BookSnapshot) -> bool:
        """Whether a REST book is newer than ours and has other levels."""
        ours = self.books.checkpoint(snapshot.outcome, snapshot.ts_recv_ns)
        if ours is None or snapshot.ts_event_ns <= ours.ts_event_ns:
            return False
        return any(
            sorted(theirs) != sorted(self.books.levels(snapshot.outcome, side))
            for side, theirs in ((BookSide.BID, snapshot.bids), (BookSide.ASK, snapshot.asks))
        )

    async def _publish(self) -> None:
        if not self._out:
            return
        out, self._out = self._out, []
        if self._bus_away:
            out = self._everything(self._clock.now_ns())
        if not await answered_at_once(partial(self._publish_now, out), self._note_bus_away):
            await asyncio.sleep(BUS_RETRY_S)
            return
        self._bus_away = False
        self._metrics.events.labels(self.window.series).inc(len(out))
        now_ns = self._clock.now_ns()
        for message in out:
            self._metrics.shell.hop("feed_parse", now_ns - message.ts_recv_ns)

    async def _publish_now(self, out: Sequence[MarketDataMessage]) -> None:
        if self._bus_away:
            await self._announce()
        ids = await self._bus.publish(
            [Outgoing(self._stream, message, self._md_max_entries) for message in out]
        )
        self._last_entry_id = ids[-1]

    def _note_bus_away(self, error: TransportError) -> None:
        if not self._bus_away:
            self._log.warning("publish_failed", slug=self.window.slug, detail=str(error))
        self._bus_away = True
        self._out.append(self._status())

    def _everything(self, now_ns: int) -> list[MarketDataMessage]:
        """What readers need who missed messages: a break, both books, the feed's state."""
        gone = FeedStatusChanged(
            slug=self.window.slug,
            state=FeedState.RESYNCING,
            reason="the bus was away",
            ts_recv_ns=now_ns,
        )
        books = [self.books.checkpoint(outcome, now_ns) for outcome in Outcome]
        return [gone, *(book for book in books if book is not None), self._status()]

    async def _write_checkpoint(self, now_ns: int) -> None:
        if self._recorder is not None:
            self._recorder.flush()
        if not self._last_entry_id or self._bus_away:
            return
        checkpoint = BookCheckpoint(
            slug=self.window.slug,
            entry_id=self._last_entry_id,
            up=self.books.checkpoint(Outcome.UP, now_ns),
            down=self.books.checkpoint(Outcome.DOWN, now_ns),
            state=self.session.state,
            tick_e4=self.books.tick_e4,
            ts_recv_ns=now_ns,
        )
        await self._put_checkpoint(msgspec.json.encode(checkpoint))

    async def _put_checkpoint(self, value: bytes | None) -> None:
        def on_away(error: TransportError) -> None:
            self._log.warning("checkpoint_failed", slug=self.window.slug, detail=str(error))

        key, slug = keys.checkpoints(self.window.series), self.window.slug
        await answered_at_once(partial(self._bus.put_field, key, slug, value), on_away)

    def _count(self, now_ns: int) -> None:
        series = self.window.series
        self._counted.frames(self.parser.frames)
        self._counted.unusable(self.parser.unusable)
        self._counted.books(self.books.counters)
        if self.window.open_ns <= now_ns < self.window.close_ns:
            age_ns = now_ns - self.session.last_data_ns
            self._metrics.book_age.labels(series).set(age_ns / NS_PER_S)
            if (delay_ns := self.session.delay_ns) is not None:
                self._metrics.delay.labels(series).set(delay_ns / NS_PER_S)
            self._metrics.live.labels(series).set(self.session.state is FeedState.LIVE)


def silent_ns(silent_ms: int, speed: float) -> int:
    """Return the bound of silence; in a fast run no less than half a real second.

    Scheduling and REST take real time, however fast the clock runs.
    """
    least_ms = MIN_SILENT_REAL_MS * speed if speed > 1 else 0
    return int(max(silent_ms, least_ms)) * NS_PER_MS


def _newest_ns(messages: Sequence[MarketDataMessage]) -> int | None:
    """When the newest event happened; a subscription's book has the stamp of its last change."""
    stamps = [
        message.ts_event_ns
        for message in messages
        if not isinstance(message, FeedStatusChanged)
        and not (isinstance(message, BookSnapshot) and message.origin is SnapshotOrigin.SUBSCRIBE)
    ]
    return max(stamps, default=None)


def _refused(status: int, body: object) -> TransportError:
    text = f"GET /book: {status} {str(body)[:100]}"
    cause = cause_of_status(status)
    return TransportError(text, retryable=True, sent=Sent.YES, cause=cause)
