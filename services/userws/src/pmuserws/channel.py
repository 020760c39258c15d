"""The shell of `AccountEngine`: socket and REST in, the account's stream out, a journal beside it.

Decides nothing. What the engine says is published in order and at least once; also what Redis had
and lost (`told`).
"""

from __future__ import annotations

import asyncio
from functools import partial

import msgspec

from pmcore.engine.account.engine import AccountParams
from pmcore.engine.account.io import (
    AccountEvent,
    AccountNotice,
    AccountNoticeKind,
    AccountRead,
    AccountReadFailed,
    BalanceAnswered,
    ChannelAnswered,
    ChannelConnected,
    ChannelHeard,
    ChannelLost,
    OperatorResumed,
    PositionsAnswered,
    PositionsReadFailed,
    ReadAccount,
    ReadPositions,
    ReconnectChannel,
)
from pmcore.engine.account.journal import (
    ACCOUNT_JOURNAL,
    AccountJournalEntry,
    AccountJournalHeader,
)
from pmcore.engine.journal import JournalEnd
from pmcore.messages.timers import Tick
from pmcore.messages.user import UserChannelState, UserMessage
from pmcore.model.errors import Cause, MalformedInputError, Sent, TransportError
from pmcore.model.units import NS_PER_S, SHARE_U6
from pmcore.shell.clock import monotonic_s
from pmcore.shell.engine_journal import EngineJournal
from pmcore.shell.http import JsonReader
from pmcore.shell.service.process import ServiceContext
from pmcore.shell.service.tasks import answered_at_once
from pmcore.shell.service.views import ChannelView
from pmcore.shell.websocket import Frame, SocketAnswered, SocketDown, SocketUp, WebSocketClient
from pmcore.venue.l2_auth import ApiCredentials
from pmcore.venue.user_frames import UserFrameParser
from pmcore.wire import keys
from pmcore.wire.ports import Outgoing
from pmuserws.metrics import UserwsMetrics
from pmuserws.reconcile import AccountReader, UnreadableTradeError
from pmuserws.settings import UserwsSettings
from pmuserws.told import ToldMessages

TURN_S = 0.1
BUS_RETRY_S = 0.25
LOOK_S = 1.0
"""How often, without a message, it is seen whether Redis still has the last one."""
MAX_UNPUBLISHED = 50_000
_CHANNEL = "user channel"
_ERRORS = (
    AccountNoticeKind.OWN_TRADE_UNREADABLE,
    AccountNoticeKind.OWN_ORDER_TOOK,
    AccountNoticeKind.FILLS_MISSED_BY_CHANNEL,
    AccountNoticeKind.BALANCE_FELL,
)
_WARNINGS = (
    AccountNoticeKind.FILLS_MISSING,
    AccountNoticeKind.RECONCILE_FAILED,
    AccountNoticeKind.POSITIONS_FAILED,
    AccountNoticeKind.BALANCE_FAILED,
)


class AccountChannel:
    """One account's channel."""

    def __init__(
        self,
        context: ServiceContext[UserwsSettings],
        rest: JsonReader,
        data: JsonReader,
        credentials: ApiCredentials,
    ) -> None:
        settings = context.settings
        self._context = context
        self._health, self._bus, self._clock = context.health, context.bus, context.clock
        self._log, self._settings = context.log, settings
        self._stream = keys.user(settings.account)
        addresses = {credentials.address, *filter(None, [settings.funder_address])}
        self._parser = UserFrameParser(
            api_key=credentials.api_key, maker_addresses=frozenset(addresses)
        )
        self._reader = AccountReader(rest, credentials, self._parser)
        self._data, self._holder = data, settings.funder_address or credentials.address
        self._socket = WebSocketClient(
            f"{settings.ws_base_url}/user",
            hello=partial(_subscription, credentials),
            now_ns=self._clock.now_ns,
            ask_at_once=True,
        )
        params = AccountParams(
            lookback_s=settings.reach_s, reconcile_ns=int(settings.reconcile_s * NS_PER_S)
        )
        header = AccountJournalHeader(
            account=settings.account, run_id=context.run_id, params=params
        )
        self._engine = header.make_engine()
        self._journal: EngineJournal | None = None
        if settings.journal:
            stem, first = (
                f"account-{header.account}.{header.run_id}",
                ACCOUNT_JOURNAL.encode(header),
            )
            self._journal = EngineJournal(settings.data_dir / "journal", stem, first, context.log)
        self._at_ns = self._behind_ns = 0
        self._unpublished: list[UserMessage] = []
        self._told = ToldMessages()
        self._look_s = 0.0
        self._publishing = asyncio.Lock()
        self._reading: asyncio.Task[AccountRead] | None = None
        self._read_id = 0
        self._counting: asyncio.Task[tuple[AccountEvent, ...]] | None = None
        self._metrics = UserwsMetrics(context.metrics)

    async def run(self) -> None:
        """Follow the channel until cancelled."""
        socket = asyncio.create_task(self._socket.run())
        try:
            while not socket.done():
                await self._turn()
            socket.result()
        finally:
            socket.cancel()
            self._forget_reading()
            self._forget_counting()
            await asyncio.wait({socket})

    async def close(self, reason: str) -> None:
        """Tell the readers that nothing more will come, and end the journal."""
        self._step(ChannelLost(reason))
        await self._publish()
        if self._journal is not None:
            self._journal.close(ACCOUNT_JOURNAL.encode(JournalEnd(self._engine.fingerprint)))

    def resume(self) -> None:
        """An operator says: go on."""
        self._step(OperatorResumed())

    def problems(self) -> list[str]:
        """Why it is not ready."""
        if self._engine.state is UserChannelState.UP:
            return []
        return [f"user channel {self._engine.state}: {self._engine.reason}"]

    def state(self) -> ChannelView:
        """For /state."""
        balance_u6 = self._engine.balance_u6
        return {
            "channel": self._engine.state,
            "reason": self._engine.reason,
            "fills": sum(self._engine.counters.fills.values()),
            "frames": self._parser.frames,
            "repeats": self._engine.repeats,
            "unusable": dict(self._parser.unusable),
            "unpublished": len(self._unpublished),
            "orders_without_trades": self._engine.owed_orders,
            "positions_read": self._engine.counters.positions_read,
            "positions_failed": self._engine.counters.positions_failed,
            "balance": None if balance_u6 is None else balance_u6 / SHARE_U6,
            "balance_falls": self._engine.counters.balance_falls,
        }

    async def _turn(self) -> None:
        for event in await self._socket.next_batch(TURN_S):
            match event:
                case Frame():
                    self._step(self._read_frame(event))
                case SocketUp():
                    self._step(ChannelConnected())
                case SocketAnswered():
                    self._step(ChannelAnswered())
                case SocketDown():
                    self._forget_reading()
                    self._health.set_trouble(_CHANNEL, event.cause, f"user socket: {event.reason}")
                    self._step(ChannelLost(event.reason))
        if self._reading is not None and self._reading.done():
            self._step(self._answer_of(self._reading))
        if self._counting is not None and self._counting.done():
            task, self._counting = self._counting, None
            for answer in task.result():
                self._step(answer)
        self._step(Tick())
        await self._publish()
        self._metrics.update(self._parser, self._engine)

    def _now_ns(self) -> int:
        """The clock's time, going on from where it was when the clock steps back."""
        now_ns = self._clock.now_ns()
        self._behind_ns = max(self._behind_ns, self._at_ns - now_ns)
        self._at_ns = now_ns + self._behind_ns
        return self._at_ns

    def _step(self, event: AccountEvent) -> None:
        at_ns = self._now_ns()
        if self._journal is not None:
            self._journal.write(at_ns, ACCOUNT_JOURNAL.encode(AccountJournalEntry(at_ns, event)))
        for output in self._engine.step(at_ns, event):
            match output:
                case ReadAccount():
                    self._forget_reading()
                    self._read_id = output.read_id
                    self._reading = asyncio.create_task(self._read(output))
                    self._reading.add_done_callback(lambda _: self._socket.poke())
                case ReadPositions():
                    self._forget_counting()
                    self._counting = asyncio.create_task(self._count(output))
                    self._counting.add_done_callback(lambda _: self._socket.poke())
                case ReconnectChannel():
                    self._socket.reconnect(output.reason)
                case AccountNotice():
                    self._tell(output)
                case _:
                    self._unpublished.append(output)
        if self._engine.state is UserChannelState.UP:
            self._health.clear_trouble(_CHANNEL)

    def _read_frame(self, frame: Frame) -> ChannelHeard:
        parser = self._parser
        unusable, doubts = sum(parser.unusable.values()), parser.doubts
        messages = tuple(parser.parse(frame.text, ts_recv_ns=frame.recv_ns))
        return ChannelHeard(
            messages,
            sum(parser.unusable.values()) - unusable,
            parser.doubts - doubts,
            tuple(one.order_hash for one in messages if one.order_hash in parser.taken),
        )

    async def _read(self, request: ReadAccount) -> AccountRead:
        now_ns = self._clock.now_ns()
        orders = await self._reader.open_orders(now_ns)
        fills = await self._reader.fills(request.after_s, now_ns, request.trade_ids)
        taken = tuple(one.order_hash for one in fills if one.order_hash in self._parser.taken)
        return AccountRead(request.read_id, tuple(orders), tuple(fills), taken)

    def _answer_of(self, task: asyncio.Task[AccountRead]) -> AccountRead | AccountReadFailed:
        self._reading = None
        try:
            return task.result()
        except (TransportError, MalformedInputError) as error:
            cause = error.cause if isinstance(error, TransportError) else Cause.SERVER_ERROR
            self._health.set_trouble(_CHANNEL, cause, f"orders and trades by REST: {error}")
            unreadable = isinstance(error, UnreadableTradeError)
            return AccountReadFailed(self._read_id, str(error), unreadable)

    async def _count(self, request: ReadPositions) -> tuple[AccountEvent, ...]:
        balance, positions = await asyncio.gather(
            self._read_balance(request), self._read_positions(request)
        )
        return balance, positions

    async def _read_balance(self, request: ReadPositions) -> BalanceAnswered:
        try:
            balance_u6 = await self._reader.balance_u6(self._settings.signature_type)
        except TransportError as error:
            return BalanceAnswered(request.read_id, text=str(error))
        return BalanceAnswered(request.read_id, balance_u6)

    async def _read_positions(
        self, request: ReadPositions
    ) -> PositionsAnswered | PositionsReadFailed:
        try:
            held = await self._reader.positions(self._data, self._holder)
        except TransportError as error:
            return PositionsReadFailed(request.read_id, str(error))
        return PositionsAnswered(request.read_id, held)

    def _forget_counting(self) -> None:
        if self._counting is not None:
            self._counting.cancel()
            self._counting = None

    def _forget_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _tell(self, notice: AccountNotice) -> None:
        fields = msgspec.to_builtins(notice)
        said = {key: value for key, value in fields.items() if value and key not in _UNSAID}
        if notice.kind in _ERRORS:
            self._log.error(notice.kind.value, **said)
        elif notice.kind in _WARNINGS:
            self._log.warning(notice.kind.value, **said)
        else:
            self._log.info(notice.kind.value, **said)

    async def _publish(self) -> None:
        async with self._publishing:
            await self._publish_in_order()

    async def _publish_in_order(self) -> None:
        due = self._told and monotonic_s() >= self._look_s
        if not (self._unpublished or due):
            return
        if len(self._unpublished) > MAX_UNPUBLISHED:
            raise TransportError(
                f"{MAX_UNPUBLISHED} messages wait for Redis", retryable=False, sent=Sent.NO
            )
        if not await answered_at_once(self._look_and_publish, self._note_bus_away):
            await asyncio.sleep(BUS_RETRY_S)

    async def _look_and_publish(self) -> None:
        if self._told:
            self._say_lost_again(await self._bus.tail_id(self._stream))
            self._look_s = monotonic_s() + LOOK_S
        batch = list(self._unpublished)
        if batch:
            ids = await self._bus.publish([Outgoing(self._stream, message) for message in batch])
            self._told.note(ids, batch)
            del self._unpublished[: len(batch)]

    def _say_lost_again(self, tail_id: str) -> None:
        """Redis has less than it said: it was restarted, or a replica was promoted."""
        if lost := self._told.lost(tail_id):
            self._log.error("own_messages_lost", count=len(lost), tail=tail_id)
            self._unpublished[:0] = lost

    def _note_bus_away(self, error: TransportError) -> None:
        self._log.warning("publish_failed", waiting=len(self._unpublished), detail=str(error))


_UNSAID = ("type", "kind")


def _subscription(credentials: ApiCredentials) -> str:
    """Subscribe to everything of the key, so that a rotation needs no message.

    See docs/venue.md 6.1.
    """
    auth = {
        "apiKey": credentials.api_key,
        "secret": credentials.secret,
        "passphrase": credentials.passphrase,
    }
    return msgspec.json.encode({"type": "user", "auth": auth}).decode()
