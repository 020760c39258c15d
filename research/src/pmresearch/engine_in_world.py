"""Both engines in one synthetic window, with a latency in everything that they hear and do.

The strategy's commands go through the executor's own engine (`PaperExecutor`) to the simulated
venue, whose matching fills them (`world_exchange`). Market data, reports and prices of the
underlying are heard, and requests arrive, half of `latency_ms` later; answers take the other half.
So the time from a move of the underlying to our cancel at the venue is `latency_ms`. Virtual time;
a function of its parameters.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

import msgspec

from pmcore.engine.execution.engine import ExecutionEngine
from pmcore.engine.strategy.engine import WindowEngine
from pmcore.engine.strategy.why import Obstacle
from pmcore.messages.market_data import (
    BookDelta,
    LevelChange,
    MarketDataMessage,
    UnderlyingPriced,
)
from pmcore.messages.notices import Notice
from pmcore.messages.timers import BatchEnded, Tick
from pmcore.messages.union import EngineEvent
from pmcore.model.market import Outcome, Window
from pmcore.model.params import StrategyParams
from pmcore.model.units import NS_PER_MS, NS_PER_S, SHARE_U6
from pmcore.venue.market_frames import MarketFrameParser
from pmresearch.world_exchange import WorldExchange
from pmsim.crowd.underlying import STEP_NS
from pmsim.run.paper_executor import PaperExecutor
from pmsim.run.synthetic import SyntheticVenue
from pmsim.venue.ports import Account, MarketFrame, VenueEvent

TICK_NS = 100 * NS_PER_MS
AFTER_S = 5
BEFORE_NS = 60 * NS_PER_S
"""The underlying's prices of so long before the opening are heard as well."""
ME = Account(owner="engine", maker_address="0x" + "11" * 20)
Prices = Callable[[int], int]
"""The price of the underlying (1e-8 dollars) that the engine is told, by time."""


class WindowEarnings(msgspec.Struct, frozen=True):
    """What a window brought: dollars, shares, and cents times shares at the marks of 5 s.

    `withdrawn_s`: seconds that the rules on the underlying's price kept bids away, of both sides.
    """

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
        self._exchange = WorldExchange(venue, ME, self._half_ns)
        self._executor = PaperExecutor(
            ExecutionEngine(caps=params.order_caps()), self._exchange, lambda _at_ns, _notice: None
        )
        self._due: list[tuple[int, int, Callable[[int], None]]] = []
        self._turns = count()
        self._heard: list[EngineEvent] = []

    def run(self) -> WindowEarnings:
        """Play the window; the winner is the world's."""
        venue, half_ns, tokens = self._venue, self._half_ns, self.window
        dump = venue.initial_dump([tokens.up_token_id, tokens.down_token_id]) or ""
        begin_ns = venue.now_ns
        self._later(begin_ns + half_ns, lambda at_ns: self._frame(dump, at_ns))
        self._heard += self._executor.add_window(begin_ns, self.window)
        self._later(begin_ns, self._tick)
        if self._prices is not None:
            for at_ns in range(begin_ns - BEFORE_NS, begin_ns, STEP_NS):
                self._tell_price(at_ns)
            self._later(begin_ns, self._price)
        end_ns = self.window.close_ns + AFTER_S * NS_PER_S
        while (at_ns := self._next_ns()) <= end_ns:
            for event in venue.advance(at_ns):
                self._hear(event, at_ns)
            while self._due and self._due[0][0] <= at_ns:
                heapq.heappop(self._due)[2](at_ns)
            self._heard += self._executor.advance(at_ns)
            while self._heard:
                self._decide(at_ns)
        return self._result(venue.path_of(self.window.slug).winner)

    def _next_ns(self) -> int:
        times = (self._venue.next_ns(), self._executor.next_ns(), self._due[0][0])
        return max(self._venue.now_ns, min(ns for ns in times if ns is not None))

    def _later(self, at_ns: int, action: Callable[[int], None]) -> None:
        heapq.heappush(self._due, (at_ns, next(self._turns), action))

    def _tick(self, at_ns: int) -> None:
        self._heard.append(Tick())
        self._later(at_ns + TICK_NS, self._tick)

    def _price(self, at_ns: int) -> None:
        """Tell the price of now; look again when it may have moved."""
        self._tell_price(at_ns)
        self._later(at_ns + STEP_NS, self._price)

    def _tell_price(self, at_ns: int) -> None:
        assert self._prices is not None
        price_e8, heard_ns = self._prices(at_ns), at_ns + self._half_ns
        told = UnderlyingPriced(
            slug=self.window.slug, price_e8=price_e8, ts_event_ns=at_ns, ts_recv_ns=heard_ns
        )
        self._later(heard_ns, lambda _: self._heard.append(told))

    def _hear(self, event: VenueEvent, at_ns: int) -> None:
        if event.condition_id != self.window.condition_id:
            return
        if isinstance(event, MarketFrame):
            text = event.text
            if not event.custom:
                self._later(at_ns + self._half_ns, lambda now_ns: self._frame(text, now_ns))
        elif event.owner == ME.owner:
            self._exchange.hear(event, at_ns)

    def _frame(self, text: str, at_ns: int) -> None:
        for message in self._market.parse(text, ts_recv_ns=at_ns):
            self._heard.append(_unchecked(message))

    def _decide(self, at_ns: int) -> None:
        events, self._heard = [*self._heard, BatchEnded()], []
        for event in events:
            for output in self.engine.step(at_ns, event):
                if not isinstance(output, Notice):
                    self._heard += self._executor.command(at_ns, output)

    def _result(self, winner: Outcome) -> WindowEarnings:
        session = self.engine.session
        fills = [fill for fill in session.markouts.fills if not fill.failed]
        marked = [(f.markouts2_e4[1], f.size_u6 / SHARE_U6) for f in fills]
        known = [(mark2_e4, shares) for mark2_e4, shares in marked if mark2_e4 is not None]
        away_ns = session.quoting_time.by_obstacle_ns
        rules = (Obstacle.UNDERLYING, Obstacle.FAIR_VALUE)
        return WindowEarnings(
            profit=session.inventory.working.profit_u6(winner) / SHARE_U6,
            shares=sum(fill.size_u6 for fill in fills) / SHARE_U6,
            marked_shares=sum(shares for _, shares in known),
            marked_cents=sum(mark2_e4 / 200 * shares for mark2_e4, shares in known),
            withdrawn_s=sum(away_ns.get(rule, 0) for rule in rules) / NS_PER_S,
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
