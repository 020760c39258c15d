"""The user channel: authenticated socket, reconciled by REST, to the account's stream."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import msgspec

from pmcore.machines.fill_watch import FillWatch
from pmcore.messages.user import (
    FillReported,
    OrderUpdated,
    UserChannelChanged,
    UserChannelState,
    UserMessage,
)
from pmcore.model.errors import Cause, MalformedInputError, Sent, TransportError
from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import monotonic_s
from pmcore.shell.http import JsonReader
from pmcore.shell.service.process import ServiceContext
from pmcore.shell.service.tasks import Backoff, answered_at_once
from pmcore.shell.settings.common import Mode
from pmcore.shell.websocket import Frame, SocketDown, SocketUp, WebSocketClient
from pmcore.venue.l2_auth import ApiCredentials
from pmcore.venue.user_frames import UserFrameParser
from pmcore.wire import keys
from pmcore.wire.ports import Outgoing
from pmuserws.credentials import find_credentials, stay_with
from pmuserws.dedup import Dedup
from pmuserws.reconcile import AccountReader
from pmuserws.settings import UserwsSettings

TURN_S = 0.1
BUS_RETRY_S = 0.25
DOUBT_S = 1.0
MAX_UNPUBLISHED = 50_000
MISSED_AFTER_NS = 10 * NS_PER_S
UNREADABLE = "a frame about our own trades could not be read"
_CHANNEL, _CREDENTIALS = "user channel", "API credentials"

Reconciled = tuple[list[OrderUpdated], list[FillReported]]


class UserwsService:
    """See `pmcore.shell.service.process.Service`. In dry mode it has nothing to do, and says so."""

    name = "userws"

    def __init__(self, context: ServiceContext[UserwsSettings]) -> None:
        self._context = context
        self._settings = context.settings
        self._clock = context.clock
        self._log = context.log
        self._stream = keys.user(context.settings.account)
        self._rest = JsonReader(context.settings.rest_url)
        self._channel: _Channel | None = None

    async def run(self) -> None:
        """Follow the channel until cancelled."""
        if self._settings.mode is Mode.DRY:
            self._log.info("idle", why="dry mode: the executor's paper venue reports fills")
            await asyncio.Event().wait()
        health = self._context.health
        health.set_trouble(_CREDENTIALS, Cause.WAITING, "waiting for API credentials")
        credentials = await find_credentials(self._settings, self._log)
        health.clear_trouble(_CREDENTIALS)
        self._channel = _Channel(self._context, self._rest, credentials)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._channel.run())
            if self._settings.api_key is None:
                tasks.create_task(stay_with(credentials, self._settings))

    async def stop(self) -> None:
        """Tell the readers that nothing more will come, and close."""
        if self._channel is not None:
            await self._channel.say_down("userws stopped")
        await self._rest.close()

    def readiness(self) -> list[str]:
        """Ready means: connected and reconciled, or nothing to do."""
        if self._settings.mode is Mode.DRY:
            return []
        if self._channel is None:
            return ["waiting for API credentials"]
        return self._channel.problems()

    def state(self) -> dict[str, object]:
        """Return the channel's state and counts."""
        mode = self._settings.mode
        if self._channel is None:
            channel = "idle (dry mode)" if mode is Mode.DRY else "waiting for API credentials"
            return {"channel": channel, "fills": 0, "frames": 0, "unusable": {}, "mode": mode}
        return {**self._channel.state(), "mode": mode}

    async def on_halt(self, reason: str) -> None:
        """Facts flow on: a halt is about orders."""

    async def on_resume(self) -> None:
        """Nothing was stopped."""


class _Channel:
    """One account's channel. What was read is published in order and at least once."""

    def __init__(
        self,
        context: ServiceContext[UserwsSettings],
        rest: JsonReader,
        credentials: ApiCredentials,
    ) -> None:
        settings = context.settings
        self._health = context.health
        self._bus = context.bus
        self._clock = context.clock
        self._log = context.log
        self._settings = settings
        self._credentials = credentials
        self._stream = keys.user(settings.account)
        addresses = {
            credentials.address,
            *([settings.funder_address] if settings.funder_address else []),
        }
        self._parser = UserFrameParser(
            api_key=credentials.api_key, maker_addresses=frozenset(addresses)
        )
        self._reader = AccountReader(rest, credentials, self._parser)
        self._dedup = Dedup()
        self._watch = FillWatch()
        self._trade_ids: tuple[str, ...] = ()
        self._socket = WebSocketClient(
            f"{settings.ws_base_url}/user", hello=self._subscription, now_ns=self._clock.now_ns
        )
        self._state = UserChannelState.DOWN
        self._reason = "not connected yet"
        self._connected = False
        self._unpublished: list[UserMessage] = []
        self._publishing = asyncio.Lock()
        self._reconciling: asyncio.Task[Reconciled] | None = None
        self._reconcile_at_s = 0.0
        self._backoff = Backoff(most_s=10.0)
        self._fills = 0
        self._counters = _Counters(context)

    async def run(self) -> None:
        socket = asyncio.create_task(self._socket.run())
        self._say()
        try:
            while not socket.done():
                await self._turn()
            socket.result()
        finally:
            socket.cancel()
            self._forget_reconciliation()
            await asyncio.wait({socket})

    async def say_down(self, reason: str) -> None:
        self._change(UserChannelState.DOWN, reason)
        await self._publish()

    def problems(self) -> list[str]:
        if self._state is UserChannelState.UP:
            return []
        return [f"user channel {self._state}: {self._reason}"]

    def state(self) -> dict[str, object]:
        return {
            "channel": self._state,
            "reason": self._reason,
            "fills": self._fills,
            "frames": self._parser.frames,
            "repeats": self._dedup.repeats,
            "unusable": dict(self._parser.unusable),
            "unpublished": len(self._unpublished),
            "orders_without_trades": self._watch.owed_orders,
        }

    def _subscription(self) -> str:
        """Subscribe to everything of the key, so that a rotation needs no message.

        See docs/venue.md 6.1.
        """
        auth = {
            "apiKey": self._credentials.api_key,
            "secret": self._credentials.secret,
            "passphrase": self._credentials.passphrase,
        }
        return msgspec.json.encode({"type": "user", "auth": auth}).decode()

    async def _turn(self) -> None:
        for event in await self._socket.next_batch(TURN_S):
            match event:
                case Frame():
                    self._take_frame(event)
                case SocketUp():
                    self._connected = True
                    self._counters.connects.inc()
                    self._backoff.reset()
                    self._reconcile_at_s = 0.0
                    self._change(UserChannelState.RECONCILING, "connected")
                case SocketDown():
                    self._connected = False
                    self._forget_reconciliation()
                    self._health.set_trouble(_CHANNEL, event.cause, f"user socket: {event.reason}")
                    self._change(UserChannelState.DOWN, event.reason)
        self._take_reconciled()
        self._mind_missing()
        if self._connected and self._reconciling is None and monotonic_s() >= self._reconcile_at_s:
            self._reconciling = asyncio.create_task(self._reconcile())
            self._reconciling.add_done_callback(lambda _: self._socket.poke())
        await self._publish()
        self._counters.update(self._parser, self._dedup)

    def _mind_missing(self) -> None:
        """Pull REST for trades that have to follow and do not (`FillWatch`)."""
        due = self._watch.due(self._clock.now_ns())
        if not (due.order_hashes or due.trade_ids):
            return
        self._trade_ids = due.trade_ids
        self._reconcile_at_s = 0.0
        self._counters.pulls.inc()
        self._log.warning(
            "fills_missing",
            orders_without_trades=list(due.order_hashes[:3]),
            unsettled_trades=list(due.trade_ids[:3]),
            count=len(due.order_hashes) + len(due.trade_ids),
        )

    def _take_frame(self, frame: Frame) -> None:
        """Publish what a frame says; one that cannot be read sends us to REST soon (6.3).

        If it may have told a fill of ours, the channel is not UP before REST was read anew.
        """
        parser = self._parser
        unusable, doubts = sum(parser.unusable.values()), parser.doubts
        self._take(parser.parse(frame.text, ts_recv_ns=frame.recv_ns))
        if sum(parser.unusable.values()) > unusable:
            self._reconcile_at_s = min(self._reconcile_at_s, monotonic_s() + DOUBT_S)
        if parser.doubts > doubts:
            self._counters.doubts.inc(parser.doubts - doubts)
            self._log.error("own_trade_unreadable", count=parser.doubts - doubts)
            self._forget_reconciliation()
            self._change(UserChannelState.RECONCILING, UNREADABLE)

    def _take(self, messages: Sequence[OrderUpdated | FillReported]) -> None:
        for message in messages:
            self._watch.hear(self._clock.now_ns(), message)
            if self._dedup.is_new(message):
                self._unpublished.append(message)
                if isinstance(message, FillReported):
                    self._fills += 1
                    if message.order_hash in self._parser.taken:
                        self._alarm_of_taking(message)
                    self._counters.fills.labels(message.status).inc()

    def _alarm_of_taking(self, fill: FillReported) -> None:
        self._counters.taken.inc()
        self._log.error(
            "own_order_took",
            why="an order of this account took liquidity; the engine only rests orders",
            trade_id=fill.trade_id,
            order_hash=fill.order_hash,
            status=fill.status,
        )

    async def _reconcile(self) -> Reconciled:
        now_ns = self._clock.now_ns()
        after_s = now_ns // NS_PER_S - self._settings.lookback_s
        trade_ids, self._trade_ids = self._trade_ids, ()
        orders = await self._reader.open_orders(now_ns)
        return orders, await self._reader.fills(max(after_s, 0), now_ns, trade_ids)

    def _take_reconciled(self) -> None:
        """Publish what REST knows and the channel did not tell; then, and only then, be UP."""
        task = self._reconciling
        if task is None or not task.done():
            return
        self._reconciling = None
        try:
            orders, fills = task.result()
        except (TransportError, MalformedInputError) as error:
            self._counters.reconciliations.labels("failed").inc()
            self._log.warning("reconcile_failed", detail=str(error))
            cause = error.cause if isinstance(error, TransportError) else Cause.SERVER_ERROR
            self._health.set_trouble(_CHANNEL, cause, f"orders and trades by REST: {error}")
            self._reconcile_at_s = monotonic_s() + self._backoff.next_s()
            return
        self._counters.reconciliations.labels("done").inc()
        self._backoff.reset()
        self._reconcile_at_s = monotonic_s() + self._settings.reconcile_s
        missed = self._missed(fills)
        news = [fill for fill in fills if self._dedup.is_news(fill)]
        self._take([*orders, *news])
        if missed and self._state is UserChannelState.UP:
            self._counters.missed.inc(missed)
            self._log.error("fills_missed_by_channel", count=missed)
            self._socket.reconnect("the channel missed fills that REST shows")
            return
        if self._state is not UserChannelState.UP:
            self._log.info("reconciled", open_orders=len(orders), fills=len(fills), news=len(news))
        if self._state is UserChannelState.UP:
            self._say()
        self._change(UserChannelState.UP, "")

    def _missed(self, fills: Sequence[FillReported]) -> int:
        """Count fills that the channel should have told some time ago."""
        old_ns = self._clock.now_ns() - int(MISSED_AFTER_NS * max(self._clock.speed, 1.0))
        return sum(
            1 for fill in fills if fill.ts_event_ns < old_ns and not self._dedup.knows_fill(fill)
        )

    def _forget_reconciliation(self) -> None:
        if self._reconciling is not None:
            self._reconciling.cancel()
            self._reconciling = None

    def _change(self, state: UserChannelState, reason: str) -> None:
        changed = state is not self._state
        self._state, self._reason = state, reason
        self._counters.up.set(state is UserChannelState.UP)
        if state is UserChannelState.UP:
            self._health.clear_trouble(_CHANNEL)
        if changed:
            self._log.info("user_channel", state=state, reason=reason)
            self._say()

    def _say(self) -> None:
        """Publish the state, and repeat it: late readers must find it before it is trimmed."""
        self._unpublished.append(
            UserChannelChanged(
                state=self._state, reason=self._reason, ts_recv_ns=self._clock.now_ns()
            )
        )

    async def _publish(self) -> None:
        async with self._publishing:
            await self._publish_in_order()

    async def _publish_in_order(self) -> None:
        if not self._unpublished:
            return
        if len(self._unpublished) > MAX_UNPUBLISHED:
            raise TransportError(
                f"{MAX_UNPUBLISHED} messages wait for Redis", retryable=False, sent=Sent.NO
            )
        batch = list(self._unpublished)
        entries = [Outgoing(self._stream, message) for message in batch]
        if await answered_at_once(partial(self._bus.publish, entries), self._note_bus_away):
            del self._unpublished[: len(batch)]
        else:
            await asyncio.sleep(BUS_RETRY_S)

    def _note_bus_away(self, error: TransportError) -> None:
        self._log.warning("publish_failed", waiting=len(self._unpublished), detail=str(error))


class _Counters:
    """What userws counts."""

    def __init__(self, context: ServiceContext[UserwsSettings]) -> None:
        metrics = context.metrics
        self.frames = metrics.counter("frames_total", "Frames received")
        self.unusable = metrics.counter(
            "unusable_frames_total", "Frames that could not be used", ["reason"]
        )
        self.fills = metrics.counter("fills_total", "Fills published, by status", ["kind"])
        self.doubts = metrics.counter(
            "own_trades_unreadable_total", "Frames that may have told an own fill, not readable"
        )
        self.taken = metrics.counter(
            "own_takes_total", "Fills, by status, of own orders that took liquidity"
        )
        self.repeats = metrics.counter("repeats_total", "Messages that were said before")
        self.missed = metrics.counter(
            "fills_missed_total", "Fills that only REST told while the channel was up"
        )
        self.pulls = metrics.counter(
            "fills_pulled_total", "Times that REST was asked for trades the channel owes"
        )
        self.connects = metrics.counter("connects_total", "User sockets connected")
        self.reconciliations = metrics.counter(
            "reconciliations_total", "REST reconciliations by how they went", ["kind"]
        )
        self.up = metrics.gauge("channel_up", "1 while connected and reconciled")
        self._frames = 0
        self._repeats = 0
        self._unusable: dict[str, int] = {}

    def update(self, parser: UserFrameParser, dedup: Dedup) -> None:
        """Raise the counters to the totals."""
        self.frames.inc(parser.frames - self._frames)
        self.repeats.inc(dedup.repeats - self._repeats)
        self._frames, self._repeats = parser.frames, dedup.repeats
        if parser.unusable != self._unusable:
            for reason, total in parser.unusable.items():
                self.unusable.labels(reason).inc(total - self._unusable.get(reason, 0))
            self._unusable = dict(parser.unusable)
