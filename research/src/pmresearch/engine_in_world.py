"""One strategy engine in one synthetic window, with a latency in everything that it hears and does.

No executor and no bus: a command reaches the venue, and an answer comes back, after half of
`latency_ms` each; market data and prices of the underlying are heard after the same half. So the
time from a move of the underlying to our cancel at the venue is `latency_ms`. Virtual time; a
function of its parameters.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

import msgspec

from pmcore.engine.strategy.engine import WindowEngine
from pmcore.messages.execution import (
    CancelFailed,
    FailureStage,
    OrderAccepted,
    OrderCancelled,
    OrderFailed,
    OrderSubmitting,
    WindowFlat,
)
from pmcore.messages.market_data import (
    BookDelta,
    LevelChange,
    MarketDataMessage,
    UnderlyingPriced,
)
from pmcore.messages.notices import Notice
from pmcore.messages.orders import CancelOrders, CancelWindow, CommandMessage, SubmitOrder
from pmcore.messages.timers import BatchEnded, Tick
from pmcore.messages.union import EngineEvent
from pmcore.messages.user import UserChannelChanged, UserChannelState
from pmcore.model.errors import Reason
from pmcore.model.market import Outcome, Window
from pmcore.model.params import StrategyParams
from pmcore.model.units import NS_PER_MS, NS_PER_S, SHARE_U6
from pmcore.venue.market_frames import MarketFrameParser
from pmcore.venue.user_frames import UserFrameParser
from pmsim.crowd.underlying import STEP_NS
from pmsim.run.synthetic import SyntheticVenue
from pmsim.venue.ports import Account, MarketFrame, NewOrder, OrderSide, VenueEvent

TICK_NS = 100 * NS_PER_MS
AFTER_S = 5
ME = Account(owner="engine", maker_address="0x" + "11" * 20)
Prices = Callable[[int], int]
"""The price of the underlying (1e-8 dollars) that the engine is told, by time."""


class WindowEarnings(msgspec.Struct, frozen=True):
    """What a window brought: dollars, shares, and cents times shares at the marks of 5 s."""

    profit: float
    shares: float
    marked_shares: float
    marked_cents: float
    withdrawn_s: float


class EngineInWorld:
    """The window that is open when the world begins; `run` plays it to its end."""

    def __init__(
        self,
        venue: SyntheticVenue,
        params: StrategyParams,
        *,
        latency_ms: float,
        prices: Prices | None,
    ) -> None:
        venue.add_account(ME)
        self._venue = venue
        self.window = _open_window(venue)
        self.engine = WindowEngine(self.window, params, "r", gated=False)
        self._half_ns = int(latency_ms * NS_PER_MS / 2)
        self._prices = prices
        self._market = MarketFrameParser(self.window)
        self._user = UserFrameParser(api_key=ME.owner, maker_addresses=frozenset())
        self._due: list[tuple[int, int, Callable[[int], None]]] = []
        self._turns = count()
        self._hashes: dict[str, str] = {}
        self._heard: list[EngineEvent] = []

    def run(self) -> WindowEarnings:
        """Play the window; the winner is the world's."""
        venue, half_ns, tokens = self._venue, self._half_ns, self.window
        dump = venue.initial_dump([tokens.up_token_id, tokens.down_token_id]) or ""
        begin_ns = venue.now_ns
        self._later(begin_ns + half_ns, lambda at_ns: self._frame(dump, at_ns))
        up = UserChannelChanged(state=UserChannelState.UP, ts_recv_ns=begin_ns)
        self._later(begin_ns, lambda _: self._heard.append(up))
        self._later(begin_ns, self._tick)
        if self._prices is not None:
            self._later(begin_ns, self._price)
        end_ns = self.window.close_ns + AFTER_S * NS_PER_S
        while (at_ns := self._next_ns()) <= end_ns:
            for event in venue.advance(at_ns):
                self._hear(event, at_ns)
            while self._due and self._due[0][0] <= at_ns:
                heapq.heappop(self._due)[2](at_ns)
            if self._heard:
                self._decide(at_ns)
        return self._result(venue.path_of(self.window.slug).winner)

    def _next_ns(self) -> int:
        venue_ns = self._venue.next_ns()
        due_ns = self._due[0][0]
        return due_ns if venue_ns is None else max(self._venue.now_ns, min(due_ns, venue_ns))

    def _later(self, at_ns: int, action: Callable[[int], None]) -> None:
        heapq.heappush(self._due, (at_ns, next(self._turns), action))

    def _tick(self, at_ns: int) -> None:
        self._heard.append(Tick())
        self._later(at_ns + TICK_NS, self._tick)

    def _price(self, at_ns: int) -> None:
        """Tell the price of now, later; look again when it may have moved."""
        assert self._prices is not None
        price_e8, heard_ns = self._prices(at_ns), at_ns + self._half_ns
        told = UnderlyingPriced(
            slug=self.window.slug, price_e8=price_e8, ts_event_ns=at_ns, ts_recv_ns=heard_ns
        )
        self._later(heard_ns, lambda _: self._heard.append(told))
        self._later(at_ns + STEP_NS, self._price)

    def _hear(self, event: VenueEvent, at_ns: int) -> None:
        if event.condition_id != self.window.condition_id:
            return
        if isinstance(event, MarketFrame):
            text = event.text
            if not event.custom:
                self._later(at_ns + self._half_ns, lambda now_ns: self._frame(text, now_ns))
        elif event.owner == ME.owner:
            raw = msgspec.json.encode(event.frame)
            self._later(
                at_ns + self._half_ns,
                lambda now_ns: self._heard.extend(self._user.parse(raw, ts_recv_ns=now_ns)),
            )

    def _frame(self, text: str, at_ns: int) -> None:
        for message in self._market.parse(text, ts_recv_ns=at_ns):
            self._heard.append(_unchecked(message))

    def _decide(self, at_ns: int) -> None:
        events, self._heard = [*self._heard, BatchEnded()], []
        for event in events:
            for output in self.engine.step(at_ns, event):
                if not isinstance(output, Notice):
                    self._send(output, at_ns)

    def _send(self, command: CommandMessage, at_ns: int) -> None:
        if isinstance(command, SubmitOrder):
            order_hash = f"0x{next(self._turns):064x}"
            self._hashes[command.client_order_id] = order_hash
            named = (self.window.slug, command.client_order_id, order_hash)
            told = OrderSubmitting(
                slug=named[0], client_order_id=named[1], order_hash=named[2], ts_exec_ns=at_ns
            )
            self._later(at_ns, lambda _: self._heard.append(told))
        self._later(at_ns + self._half_ns, lambda now_ns: self._obey(command, now_ns))

    def _obey(self, command: CommandMessage, at_ns: int) -> None:
        """At the venue; the answers are heard half the latency later."""
        match command:
            case SubmitOrder():
                answers = [self._place(command, at_ns)]
            case CancelOrders():
                answers = self._cancel(command.client_order_ids, at_ns)
            case CancelWindow():
                self._venue.cancel_all(ME.owner, at_ns)
                answers = [WindowFlat(slug=self.window.slug, ts_exec_ns=at_ns)]
        self._later(at_ns + self._half_ns, lambda _: self._heard.extend(answers))

    def _place(self, order: SubmitOrder, at_ns: int) -> EngineEvent:
        order_hash = self._hashes[order.client_order_id]
        placed = self._venue.place(
            ME.owner,
            NewOrder(
                order_hash=order_hash,
                token_id=self.window.token_id(order.outcome),
                side=OrderSide.BUY,
                price_e4=order.price_e4,
                size_u6=order.size_u6,
                post_only=True,
            ),
            at_ns,
        )
        if not placed.error:
            return OrderAccepted(
                slug=self.window.slug,
                client_order_id=order.client_order_id,
                order_hash=order_hash,
                ts_exec_ns=at_ns,
            )
        crosses = "cross" in placed.error
        return OrderFailed(
            slug=self.window.slug,
            client_order_id=order.client_order_id,
            stage=FailureStage.REJECTED,
            reason=Reason.POST_ONLY_CROSSES if crosses else Reason.VENUE_ERROR,
            text=placed.error,
            order_hash=order_hash,
            ts_exec_ns=at_ns,
        )

    def _cancel(self, client_order_ids: tuple[str, ...], at_ns: int) -> list[EngineEvent]:
        hashes = {self._hashes[one]: one for one in client_order_ids if one in self._hashes}
        outcome = self._venue.cancel(ME.owner, list(hashes), at_ns)
        answers: list[EngineEvent] = []
        for order_hash, client_order_id in hashes.items():
            record = self._venue.order(order_hash)
            filled_u6 = record.matched_u6 if record is not None else 0
            names = (self.window.slug, client_order_id)
            if order_hash in outcome.canceled:
                answers.append(
                    OrderCancelled(
                        slug=names[0],
                        client_order_id=names[1],
                        order_hash=order_hash,
                        filled_u6=filled_u6,
                        ts_exec_ns=at_ns,
                    )
                )
            else:
                answers.append(
                    CancelFailed(
                        slug=names[0],
                        client_order_id=names[1],
                        reason=Reason.ALREADY_MATCHED if filled_u6 else Reason.NOT_FOUND,
                        filled_u6=filled_u6,
                        ts_exec_ns=at_ns,
                    )
                )
        return answers

    def _result(self, winner: Outcome) -> WindowEarnings:
        session = self.engine.session
        fills = [fill for fill in session.markouts.fills if not fill.failed]
        marked = [(f.markouts2_e4[1], f.size_u6 / SHARE_U6) for f in fills]
        known = [(mark2_e4, shares) for mark2_e4, shares in marked if mark2_e4 is not None]
        away_ns = session.quoting_time.by_obstacle_ns
        return WindowEarnings(
            profit=session.inventory.working.profit_u6(winner) / SHARE_U6,
            shares=sum(fill.size_u6 for fill in fills) / SHARE_U6,
            marked_shares=sum(shares for _, shares in known),
            marked_cents=sum(mark2_e4 / 200 * shares for mark2_e4, shares in known),
            withdrawn_s=sum(ns for o, ns in away_ns.items() if o.value == "underlying") / NS_PER_S,
        )


def _unchecked(message: MarketDataMessage) -> MarketDataMessage:
    """A change of levels without its hashes: nothing is lost on this way, and checking costs."""
    if not isinstance(message, BookDelta):
        return message
    changes = [LevelChange(c.outcome, c.side, c.price_e4, c.size_u6) for c in message.changes]
    return msgspec.structs.replace(message, changes=tuple(changes))


def _open_window(venue: SyntheticVenue) -> Window:
    return next(
        one.window
        for one in venue.listings()
        if one.window.open_ns <= venue.now_ns < one.window.close_ns
    )
