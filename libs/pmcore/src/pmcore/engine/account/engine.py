"""The account's step: what the user channel and REST say in; messages, reads and alarms out.

Synchronous and deterministic, as the other engines. Every fill goes out once for each status. The
account is UP only while the channel is connected and has answered, REST was read after the answer
and after everything that made the view doubtful, and no trade is overdue.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import assert_never

import msgspec

from pmcore.engine.account.dedup import Dedup
from pmcore.engine.account.io import (
    AccountEvent,
    AccountNotice,
    AccountNoticeKind,
    AccountOutput,
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
    ReconnectChannel,
)
from pmcore.engine.account.positions import PositionsReading
from pmcore.machines.balance_check import BalanceCheck
from pmcore.machines.fill_watch import FillWatch
from pmcore.messages.timers import Tick
from pmcore.messages.user import (
    FillReported,
    OrderUpdated,
    PositionsRead,
    TradeStatus,
    UserChannelChanged,
    UserChannelState,
)
from pmcore.model.check import invariant
from pmcore.model.units import NS_PER_MS, NS_PER_S, format_qty

DOUBT_NS = NS_PER_S
MISSED_AFTER_NS = 10 * NS_PER_S
FIRST_BACKOFF_NS = 250 * NS_PER_MS
MAX_BACKOFF_NS = 10 * NS_PER_S
MAX_LOOKBACK_DOUBLINGS = 5
FALL_STAYS_NS = 60 * NS_PER_S
BALANCE_LAG_NS = 180 * NS_PER_S
"""The venue's own count of the balance may be old; nothing says by how much (docs/venue.md)."""
UNREADABLE = "a frame about our own trades could not be read"
OWED = "shares were matched and their trades were not told"
TOOK = "an order of ours took liquidity: look at it, then resume"
MISSED = "the channel missed fills that REST shows"


class AccountParams(msgspec.Struct, frozen=True, kw_only=True):
    """`lookback_s`: how old the trades are that REST is asked for; `reconcile_ns`: how often."""

    lookback_s: int
    reconcile_ns: int


class AccountCounters(msgspec.Struct, kw_only=True):
    """Totals of one engine."""

    connects: int = 0
    fills: dict[TradeStatus, int] = msgspec.field(default_factory=dict)
    doubts: int = 0
    taken: int = 0
    missed: int = 0
    pulls: int = 0
    reads_done: int = 0
    reads_failed: int = 0
    positions_read: int = 0
    positions_failed: int = 0
    balance_read: int = 0
    balance_failed: int = 0
    balance_falls: int = 0


class AccountEngine:
    """The decisions of one account. `step` is the only input; everything else is for reading."""

    def __init__(self, params: AccountParams) -> None:
        self.state = UserChannelState.DOWN
        self.reason = "not connected yet"
        self.counters = AccountCounters()
        self._params = params
        self._dedup = Dedup()
        self._watch = FillWatch()
        self._at_ns = 0
        self._hash = hashlib.sha256()
        self._out: list[AccountOutput] = []
        self._said = False
        self._connected = False
        self._answered = False
        self._took = False
        self._reading = 0
        self._last_read = 0
        self._read_at_ns = 0
        self._after_s = 0
        self._doubt_from_s: int | None = None
        self._doubted_ns = 0
        self._positions = PositionsReading(params.reconcile_ns)
        self.balance_u6: int | None = None
        self._balance = BalanceCheck(FALL_STAYS_NS, BALANCE_LAG_NS)
        self._failures = 0
        self._trade_ids: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """SHA-256 over every output so far with its time."""
        return self._hash.hexdigest()

    @property
    def repeats(self) -> int:
        """Messages that were said before."""
        return self._dedup.repeats

    @property
    def owed_orders(self) -> int:
        """Orders with matched shares that no trade told."""
        return self._watch.owed_orders

    def step(self, at_ns: int, event: AccountEvent) -> list[AccountOutput]:
        """Apply one input at a time that never runs backwards; raise nothing for a bad input."""
        invariant(at_ns >= self._at_ns, "time ran backwards")
        self._at_ns = at_ns
        if not self._said:
            self._said = True
            self._say()
        self._apply(event)
        self._mind_missing()
        self._read_when_due()
        self._read_positions_when_due()
        outputs, self._out = self._out, []
        for output in outputs:
            self._hash.update(b"%d " % at_ns + msgspec.json.encode(output) + b"\n")
        return outputs

    def _apply(self, event: AccountEvent) -> None:
        match event:
            case ChannelConnected():
                self.counters.connects += 1
                self._connected, self._answered = True, False
                self._failures = 0
                self._change(UserChannelState.RECONCILING, "connected")
            case ChannelAnswered():
                if self._connected and not self._answered:
                    self._answered = True
                    self._positions.want()
                    self._read_anew()
            case ChannelLost(reason=reason):
                self._positions.give_up()
                self._connected = self._answered = False
                self._reading = 0
                self._change(UserChannelState.DOWN, reason)
            case ChannelHeard():
                self._heard(event)
            case AccountRead():
                self._read(event)
            case AccountReadFailed():
                self._read_failed(event)
            case PositionsAnswered() | PositionsReadFailed():
                self._positions_answered(event)
            case BalanceAnswered():
                self._balance_answered(event)
            case OperatorResumed():
                self._resumed()
            case Tick():
                pass
            case _:
                assert_never(event)

    def _heard(self, event: ChannelHeard) -> None:
        self._take(event.messages, event.taken)
        if event.unusable:
            self._read_at_ns = min(self._read_at_ns, self._at_ns + DOUBT_NS)
        if event.doubts:
            self.counters.doubts += event.doubts
            self._notice(AccountNoticeKind.OWN_TRADE_UNREADABLE, count=event.doubts)
            self._reading = 0
            self._read_at_ns = self._at_ns + DOUBT_NS
            self._doubted_ns = self._at_ns
            self._distrust(UNREADABLE)

    def _take(self, messages: Sequence[OrderUpdated | FillReported], taken: Sequence[str]) -> None:
        for message in messages:
            self._watch.hear(self._at_ns, message)
            if not self._dedup.is_new(message):
                continue
            self._out.append(message)
            if isinstance(message, FillReported):
                self._balance.hear(self._at_ns, message)
                fills = self.counters.fills
                fills[message.status] = fills.get(message.status, 0) + 1
                if message.order_hash in taken:
                    self._alarm_of_taking(message)

    def _alarm_of_taking(self, fill: FillReported) -> None:
        self.counters.taken += 1
        self._notice(
            AccountNoticeKind.OWN_ORDER_TOOK,
            state=fill.status.value,
            reason="an order of this account took liquidity; the engine only rests orders",
            trade_ids=(fill.trade_id,),
            order_hashes=(fill.order_hash,),
        )
        self._took = True
        self._distrust(TOOK)

    def _resumed(self) -> None:
        if self._took:
            self._took = False
            self._read_anew()

    def _mind_missing(self) -> None:
        """Pull REST for trades that have to follow and do not; until then nothing is UP."""
        due = self._watch.due(self._at_ns)
        if due.order_hashes:
            self._distrust(OWED)
        if due.order_hashes or due.trade_ids:
            self._trade_ids = due.trade_ids
            self._read_at_ns = self._at_ns
            self.counters.pulls += 1
            self._notice(
                AccountNoticeKind.FILLS_MISSING,
                order_hashes=due.order_hashes[:3],
                trade_ids=due.trade_ids[:3],
                count=len(due.order_hashes) + len(due.trade_ids),
            )
        elif self.reason == OWED and not self._watch.overdue and not self._reading:
            self._read_at_ns = self._at_ns

    def _read_anew(self) -> None:
        self._reading = 0
        self._read_at_ns = self._at_ns

    def _read_when_due(self) -> None:
        if not self._answered or self._reading or self._at_ns < self._read_at_ns:
            return
        self._last_read += 1
        self._reading = self._last_read
        self._read_at_ns = self._at_ns + self._params.reconcile_ns
        doublings = min(self._watch.overdue, MAX_LOOKBACK_DOUBLINGS)
        lookback_s = self._params.lookback_s << doublings
        self._after_s = max(self._at_ns // NS_PER_S - lookback_s, 0)
        if self._doubt_from_s is not None:  # it must not become too old to be asked for
            self._after_s = min(self._after_s, self._doubt_from_s)
        trade_ids, self._trade_ids = self._trade_ids, ()
        self._out.append(ReadAccount(self._reading, self._after_s, trade_ids))

    def _read_positions_when_due(self) -> None:
        """The fills that are known now were published before: so a reader has booked them."""
        if not self._answered:
            return
        request = self._positions.when_due(self._at_ns)
        if request is not None:
            self._out.append(request)

    def _positions_answered(self, event: PositionsAnswered | PositionsReadFailed) -> None:
        asked_ns = self._positions.answered(event.read_id)
        if asked_ns is None:
            return
        if isinstance(event, PositionsReadFailed):
            self.counters.positions_failed += 1
            self._notice(AccountNoticeKind.POSITIONS_FAILED, reason=event.text)
            return
        self.counters.positions_read += 1
        self._out.append(PositionsRead(held=event.held, asked_ns=asked_ns, ts_recv_ns=self._at_ns))

    def _balance_answered(self, event: BalanceAnswered) -> None:
        """Tell a fall that no fill explains. It stops nothing: the owner may withdraw."""
        asked_ns = self._positions.asked_ns(event.read_id)
        if asked_ns is None:
            return
        if event.balance_u6 is None:
            self.counters.balance_failed += 1
            self._notice(AccountNoticeKind.BALANCE_FAILED, reason=event.text)
            return
        self.counters.balance_read += 1
        self.balance_u6 = event.balance_u6
        left_u6 = self._balance.read(asked_ns, event.balance_u6)
        if left_u6:
            self.counters.balance_falls += 1
            text = f"{format_qty(left_u6)} dollars left the wallet, and no fill explains it"
            self._notice(AccountNoticeKind.BALANCE_FELL, reason=text)

    def _read_failed(self, event: AccountReadFailed) -> None:
        if event.read_id != self._reading:
            return
        self._reading = 0
        self.counters.reads_failed += 1
        self._notice(AccountNoticeKind.RECONCILE_FAILED, reason=event.text)
        if event.unreadable:
            self._doubt_from_s = self._after_s
            self._doubted_ns = self._at_ns
            self._distrust(UNREADABLE)
        wait_ns = min(FIRST_BACKOFF_NS << min(self._failures, 10), MAX_BACKOFF_NS)
        self._failures += 1
        self._read_at_ns = self._at_ns + wait_ns

    def _read(self, event: AccountRead) -> None:
        """Publish what REST knows and the channel did not tell; then, and only then, be UP."""
        if event.read_id != self._reading:
            return
        self._reading = 0
        self._failures = 0
        self.counters.reads_done += 1
        self._doubt_from_s = None
        was_up = self.state is UserChannelState.UP
        missed = sum(
            1
            for fill in event.fills
            if fill.ts_event_ns < fill.ts_recv_ns - MISSED_AFTER_NS
            and not self._dedup.knows_fill(fill)
        )
        news = [fill for fill in event.fills if self._dedup.is_news(fill)]
        self._take([*event.orders, *news], event.taken)
        if missed and was_up:
            self.counters.missed += missed
            self._notice(AccountNoticeKind.FILLS_MISSED_BY_CHANNEL, count=missed)
            self._out.append(ReconnectChannel(MISSED))
            self._answered = False  # the old connection's answer says nothing of the next one
            return
        if not was_up:
            self._notice(
                AccountNoticeKind.RECONCILED,
                open_orders=len(event.orders),
                fills=len(event.fills),
                count=len(news),
            )
        if self._took:
            self._distrust(TOOK)
        elif self._watch.overdue:
            self._distrust(OWED)
        elif was_up:
            self._say()
        else:
            self._change(UserChannelState.UP, "")

    def _distrust(self, reason: str) -> None:
        """While connected: not UP before REST was read anew."""
        if self._connected:
            self._change(UserChannelState.RECONCILING, reason)

    def _change(self, state: UserChannelState, reason: str) -> None:
        if (state, reason) == (self.state, self.reason):
            return
        self.state, self.reason = state, reason
        self._notice(AccountNoticeKind.USER_CHANNEL, state=state.value, reason=reason)
        self._say()

    def _say(self) -> None:
        """Publish the state, and repeat it: late readers must find it before it is trimmed."""
        self._out.append(
            UserChannelChanged(
                state=self.state,
                reason=self.reason,
                doubted_ns=self._doubted_ns,
                ts_recv_ns=self._at_ns,
            )
        )

    def _notice(
        self,
        kind: AccountNoticeKind,
        *,
        state: str = "",
        reason: str = "",
        count: int = 0,
        open_orders: int = 0,
        fills: int = 0,
        trade_ids: tuple[str, ...] = (),
        order_hashes: tuple[str, ...] = (),
    ) -> None:
        self._out.append(
            AccountNotice(
                kind=kind,
                state=state,
                reason=reason,
                count=count,
                open_orders=open_orders,
                fills=fills,
                trade_ids=trade_ids,
                order_hashes=order_hashes,
            )
        )
