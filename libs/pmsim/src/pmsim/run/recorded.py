"""A Polymarket that is a recording: its frames unchanged at their receive times, our orders in
queues against its books and trades.

The recording does not react to us: docs/modelling.md says what that makes of fills. Orders that
would take are refused. A window resolves `resolve_delay_ms` after its close, for whom its last
book favoured.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from pmcore.model.check import invariant
from pmcore.model.market import Outcome, Window
from pmcore.model.units import NS_PER_MS, NS_PER_S, complement_e4
from pmcore.venue.encode import to_text
from pmcore.venue.market_frames import MarketFrameParser
from pmsim.run.recorded_market import RecordedMarket
from pmsim.venue.accounts import CROWD, AccountsParams
from pmsim.venue.answers import DELAYED_TEXT, NO_BOOK_TEXT, POST_ONLY_TEXT, accepted, refused
from pmsim.venue.base import SimulatedVenueBase
from pmsim.venue.identity import digest_hex
from pmsim.venue.ports import (
    CancelOutcome,
    ListedWindow,
    MakerFill,
    MarketFrame,
    NewOrder,
    OrderSide,
    PlaceResult,
    TimeInForce,
    VenueOrder,
)

UNCOVERED_NS = 60 * NS_PER_S
"""A window that closes longer than this after the last frame is not waited for."""
_KEEPALIVE = frozenset({"PING", "PONG", ""})


class RecordedParams(msgspec.Struct, frozen=True, kw_only=True):
    """When windows resolve after their close, and the settings of the accounts."""

    resolve_delay_ms: int = 20_000
    accounts: AccountsParams = AccountsParams()


class RecordedVenue(SimulatedVenueBase):
    """A `SimulatedVenue` over (receive time, raw frame) pairs, read as the world goes on."""

    def __init__(
        self,
        windows: Sequence[Window],
        frames: Iterable[tuple[int, str]],
        params: RecordedParams,
        *,
        source: str = "recording",
    ) -> None:
        invariant(bool(windows), "a recording needs a window")
        self.source = source
        self._params = params
        self._markets = {window.slug: RecordedMarket(window) for window in windows}
        self._parser = MarketFrameParser(*windows)
        self._frames = iter(frames)
        self._next = next(self._frames, None)
        super().__init__(params.accounts, self._next[0] if self._next else windows[0].open_ns)
        self._last_frame_ns = self._now_ns
        self._fills = 0

    @property
    def done(self) -> bool:
        """Whether all frames are out and every window that they cover is resolved."""
        return self._next is None and all(
            market.resolved or market.window.close_ns > self._last_frame_ns + UNCOVERED_NS
            for market in self._markets.values()
        )

    def place(self, owner: str, order: NewOrder, at_ns: int) -> PlaceResult:
        """Rest an order, or refuse it."""
        self._run(at_ns)
        market = self._market_of(order.token_id)
        if market is None:
            return refused(order, NO_BOOK_TEXT, 404)
        text = self.accounts.refusal(order, market.window, market.tick_e4, self._now_ns)
        text = text or self.accounts.shortage(owner, order, takes=False)
        if text:
            return refused(order, text)
        immediate = order.time_in_force in (TimeInForce.FOK, TimeInForce.FAK)
        if immediate or market.crosses(order, self.accounts.all_open()):
            return refused(order, POST_ONLY_TEXT if order.post_only else DELAYED_TEXT)
        self.accounts.accept(owner, order, market.window, self._now_ns)
        market.rest(order, self._now_ns)
        self._drain_accounts()
        return accepted(order, None)

    def cancel(self, owner: str, order_hashes: Sequence[str], at_ns: int) -> CancelOutcome:
        """Cancel by ids."""
        self._run(at_ns)
        result = self.accounts.cancel(owner, order_hashes, self._now_ns, self._pull)
        self._drain_accounts()
        return result

    def change_tick(self, condition_id: str, tick_e4: int, at_ns: int) -> str:
        """No: a recording's grid is what it was."""
        return "a recording's tick cannot be changed"

    def book(self, token_id: str) -> dict[str, object] | None:
        """`GET /book` as of now, with a hash of our own making."""
        market = self._market_of(token_id)
        outcome = market.window.outcome_of(token_id) if market else None
        return market.rest_book(outcome) if market and outcome else None

    def initial_dump(self, token_ids: Sequence[str]) -> str | None:
        """The books as of now, with hashes of our own making."""
        frames = []
        for token_id in token_ids:
            market = self._market_of(token_id)
            outcome = market.window.outcome_of(token_id) if market else None
            frame = market.dump_frame(outcome) if market and outcome else None
            if frame is not None:
                frames.append(frame)
        return to_text(frames) + "\n" if frames else None

    def listings(self) -> Sequence[ListedWindow]:
        """The windows of the recording."""
        return [market.listing() for market in self._markets.values()]

    def listing(self, slug: str) -> ListedWindow | None:
        """One of them."""
        market = self._markets.get(slug)
        return market.listing() if market else None

    def _next_due_ns(self) -> int | None:
        times = [self._next[0]] if self._next else []
        times += [self._resolve_ns(market) for market in self._unresolved()]
        settlement_ns = self.accounts.next_ns()
        times += [settlement_ns] if settlement_ns is not None else []
        return min(times, default=None)

    def _step(self, due_ns: int) -> None:
        self.accounts.advance(due_ns)
        if self._next is not None and self._next[0] <= due_ns:
            self._play(self._next[1])
            self._next = next(self._frames, None)
        else:
            self._resolve(due_ns)

    def _play(self, raw: str) -> None:
        self._last_frame_ns = self._now_ns
        if raw.strip() in _KEEPALIVE:
            return
        messages = self._parser.parse(raw, ts_recv_ns=self._now_ns)
        slugs = dict.fromkeys(message.slug for message in messages)
        if slugs and all(self._markets[slug].resolved for slug in slugs):
            return
        windows = [self._markets[slug].window for slug in slugs or self._markets]
        self._outbox.append(
            MarketFrame(
                at_ns=self._now_ns,
                condition_id=windows[0].condition_id,
                token_ids=tuple(w.token_id(outcome) for w in windows for outcome in Outcome),
                text=raw,
            )
        )
        for message in messages:
            market = self._markets[message.slug]
            for order_hash, qty_u6, _ in market.apply(message):
                self._fill(market.window, self.accounts.orders[order_hash], qty_u6)

    def _fill(self, window: Window, record: VenueOrder, qty_u6: int) -> None:
        """Book a fill: a bid mints with a buyer of the complement, an offer goes to a buyer."""
        self._fills += 1
        buys = record.side is OrderSide.BUY
        outcome = record.outcome.complement if buys else record.outcome
        taker = MakerFill(
            order_hash=digest_hex("taker", window.slug, self._fills),
            account=CROWD,
            token_id=window.token_id(outcome),
            outcome=outcome,
            side=OrderSide.BUY,
            price_e4=complement_e4(record.price_e4) if buys else record.price_e4,
            size_u6=qty_u6,
        )
        maker = MakerFill(
            order_hash=record.order_hash,
            account=record.account,
            token_id=record.token_id,
            outcome=record.outcome,
            side=record.side,
            price_e4=record.price_e4,
            size_u6=qty_u6,
        )
        transaction_hash = digest_hex("tx", window.slug, self._fills)
        self.accounts.trade(
            window, taker, (maker,), self._now_ns, transaction_hash=transaction_hash
        )

    def _unresolved(self) -> list[RecordedMarket]:
        return [market for market in self._markets.values() if not market.resolved]

    def _resolve_ns(self, market: RecordedMarket) -> int:
        delay_ms = self._params.resolve_delay_ms + self.accounts.plan.resolve_delay_ms
        return market.window.close_ns + delay_ms * NS_PER_MS

    def _resolve(self, at_ns: int) -> None:
        for market in self._unresolved():
            if self._resolve_ns(market) <= at_ns:
                market.resolved = True
                self.accounts.resolve(market.window, at_ns, self._pull)

    def _pull(self, record: VenueOrder) -> None:
        for market in self._markets.values():
            market.pull(record.order_hash)

    def _market_of(self, token_id: str) -> RecordedMarket | None:
        for market in self._markets.values():
            if market.window.outcome_of(token_id) is not None:
                return None if market.resolved else market
        return None

    def _pull_expired(self, record: VenueOrder) -> None:
        self._pull(record)

    def _market_state(self, condition_id: str) -> tuple[Window, Outcome | None] | None:
        for market in self._markets.values():
            if market.window.condition_id == condition_id:
                return market.window, market.listing().winner
        return None
