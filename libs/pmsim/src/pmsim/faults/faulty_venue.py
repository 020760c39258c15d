"""A simulated venue with faults at its edge: what a client meets although the engine works.

Modes refuse requests, windows become known late, frames are lost, late, twice or out of order. All
is a function of the plan, the seed and the frames: the wrapped venue's world is the same with and
without. A frame that comes late carries the time it comes at in `at_ns`, its text is unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pmcore.model.market import Window
from pmcore.model.units import NS_PER_S
from pmsim.faults.faulty_stream import FaultyStream, quirked
from pmsim.faults.plan import FaultPlan
from pmsim.venue.answers import NO_BOOK_TEXT, refused
from pmsim.venue.controls import AccountAudit, PositionResult
from pmsim.venue.ports import (
    Account,
    CancelOutcome,
    ListedWindow,
    MarketFrame,
    NewOrder,
    PlaceResult,
    SimulatedVenue,
    TradeRecord,
    VenueEvent,
    VenueOrder,
)
from pmsim.venue.trading_modes import TradingModes


class FaultyVenue:
    """A `SimulatedVenue` around another one. `set_faults` at any time; the default does nothing."""

    def __init__(self, venue: SimulatedVenue, *, seed: int, plan: FaultPlan | None = None) -> None:
        self.venue = venue
        self.source = venue.source
        self._seed = seed
        self._plan = FaultPlan()
        self._modes = TradingModes()
        self._market = FaultyStream(seed, "market")
        self._user = FaultyStream(seed, "user")
        self._user_frames = 0
        self._window_of: dict[str, Window] = {}
        if plan is not None:
            self.set_faults(plan, venue.now_ns)

    @property
    def faults(self) -> FaultPlan:
        """The plan in force."""
        return self._plan

    def set_faults(self, plan: FaultPlan, at_ns: int) -> None:
        """Replace the plan; a mode in it begins now."""
        self.venue.set_faults(plan, at_ns)
        self._plan = plan
        self._modes.begin(plan.mode, plan.mode_s, max(at_ns, self.venue.now_ns))

    @property
    def now_ns(self) -> int:
        """The world's time."""
        return self.venue.now_ns

    @property
    def done(self) -> bool:
        """Whether nothing more will come by itself."""
        return self.venue.done and self.next_ns() is None

    def add_account(self, account: Account) -> None:
        """Register an API key."""
        self.venue.add_account(account)

    def place(self, owner: str, order: NewOrder, at_ns: int) -> PlaceResult:
        """Pass an order on, if the mode allows it."""
        return self.place_batch(owner, [order], at_ns)[0]

    def place_batch(
        self, owner: str, orders: Sequence[NewOrder], at_ns: int
    ) -> Sequence[PlaceResult]:
        """Pass orders on; the engine sees those that pass as one event."""
        at_ns = max(at_ns, self.now_ns)
        answers: dict[int, PlaceResult] = {}
        for number, order in enumerate(orders):
            answer = self._modes.refuses_order(order, at_ns)
            if answer is None and not self._hydrated(self._window(order.token_id), at_ns):
                answer = refused(order, NO_BOOK_TEXT, 404)
            if answer is not None:
                answers[number] = answer
        passing = [number for number in range(len(orders)) if number not in answers]
        results = self.venue.place_batch(owner, [orders[number] for number in passing], at_ns)
        answers.update(zip(passing, results, strict=True))
        return [answers[number] for number in range(len(orders))]

    def cancel(self, owner: str, order_hashes: Sequence[str], at_ns: int) -> CancelOutcome:
        """Cancel by ids."""
        refusal = self._modes.refuses_cancel(max(at_ns, self.now_ns))
        return refusal or self.venue.cancel(owner, order_hashes, at_ns)

    def cancel_all(self, owner: str, at_ns: int) -> CancelOutcome:
        """Cancel all open orders of an account."""
        refusal = self._modes.refuses_cancel(max(at_ns, self.now_ns))
        return refusal or self.venue.cancel_all(owner, at_ns)

    def cancel_market(
        self, owner: str, at_ns: int, *, condition_id: str = "", token_id: str = ""
    ) -> CancelOutcome:
        """Cancel an account's open orders of a market and/or a token."""
        refusal = self._modes.refuses_cancel(max(at_ns, self.now_ns))
        return refusal or self.venue.cancel_market(
            owner, at_ns, condition_id=condition_id, token_id=token_id
        )

    def open_orders(self, owner: str) -> Sequence[VenueOrder]:
        """Live orders, oldest first."""
        return self.venue.open_orders(owner)

    def order(self, order_hash: str) -> VenueOrder | None:
        """Any order ever accepted."""
        return self.venue.order(order_hash)

    def trades(self, owner: str) -> Sequence[TradeRecord]:
        """Trades of an account, newest first."""
        return self.venue.trades(owner)

    def balance_u6(self, owner: str, token_id: str = "") -> int:
        """Shares of a token, or cash."""
        return self.venue.balance_u6(owner, token_id)

    def book(self, token_id: str) -> dict[str, object] | None:
        """`GET /book`; a window that is not hydrated has none."""
        hydrated = self._hydrated(self._window(token_id), self.now_ns)
        return self.venue.book(token_id) if hydrated else None

    def initial_dump(self, token_ids: Sequence[str]) -> str | None:
        """The frame after a subscription, which a silent feed does not send."""
        if self._plan.market.silent:
            return None
        known = [t for t in token_ids if self._hydrated(self._window(t), self.now_ns)]
        return self.venue.initial_dump(known)

    def listings(self) -> Sequence[ListedWindow]:
        """Gamma lists what the CLOB does not know yet."""
        return [self._seen(listing) for listing in self.venue.listings()]

    def listing(self, slug: str) -> ListedWindow | None:
        """One window by slug."""
        listing = self.venue.listing(slug)
        return self._seen(listing) if listing else None

    def underlying_e8(self, asset: str, at_ns: int) -> int | None:
        """The price of an asset; no fault of the venue touches it."""
        return self.venue.underlying_e8(asset, at_ns)

    def advance(self, to_ns: int) -> Sequence[VenueEvent]:
        """Bring the world to a time; what gets through of its events, in order of time."""
        plan = self._plan
        out: list[VenueEvent] = []
        for event in self.venue.advance(to_ns):
            self._release(event.at_ns, out)
            if isinstance(event, MarketFrame):
                if self._hydrated(self._window(event.token_ids), event.at_ns):
                    self._market.take(event, plan.market, out)
            else:
                self._user_frames += 1
                frame = quirked(event, plan, self._seed, self._user_frames)
                self._user.take(frame, plan.user, out)
        self._release(to_ns, out)
        return out

    def next_ns(self) -> int | None:
        """When the next event is due."""
        times = (self.venue.next_ns(), self._market.next_ns(), self._user.next_ns())
        return min((ns for ns in times if ns is not None), default=None)

    def split(self, owner: str, condition_id: str, size_u6: int, at_ns: int) -> PositionResult:
        """Turn cash into complete sets."""
        return self.venue.split(owner, condition_id, size_u6, at_ns)

    def merge(self, owner: str, condition_id: str, size_u6: int, at_ns: int) -> PositionResult:
        """Turn complete sets into cash."""
        return self.venue.merge(owner, condition_id, size_u6, at_ns)

    def redeem(self, owner: str, condition_id: str, at_ns: int) -> PositionResult:
        """Burn shares of a resolved market."""
        return self.venue.redeem(owner, condition_id, at_ns)

    def account_audit(self, owner: str) -> AccountAudit:
        """The truth about an account."""
        return self.venue.account_audit(owner)

    def unbalanced(self) -> list[str]:
        """Where cash or shares are not conserved."""
        return self.venue.unbalanced()

    def change_tick(self, condition_id: str, tick_e4: int, at_ns: int) -> str:
        """Make a market's tick finer."""
        return self.venue.change_tick(condition_id, tick_e4, at_ns)

    def _release(self, to_ns: int, out: list[VenueEvent]) -> None:
        due = [*self._market.due(to_ns), *self._user.due(to_ns)]
        out += sorted(due, key=lambda event: event.at_ns)

    def _window(self, token_ids: str | tuple[str, ...]) -> Window | None:
        token_id = token_ids if isinstance(token_ids, str) else next(iter(token_ids), "")
        if self._plan.hydrate_lead_s is None:
            return None
        if token_id not in self._window_of:
            for listing in self.venue.listings():
                self._window_of[listing.window.up_token_id] = listing.window
                self._window_of[listing.window.down_token_id] = listing.window
        return self._window_of.get(token_id)

    def _hydrated(self, window: Window | None, at_ns: int) -> bool:
        lead_s = self._plan.hydrate_lead_s
        return window is None or lead_s is None or at_ns >= window.open_ns - lead_s * NS_PER_S

    def _seen(self, listing: ListedWindow) -> ListedWindow:
        if self._hydrated(listing.window, self.now_ns):
            return listing
        return msgspec.structs.replace(listing, hydrated=False)
