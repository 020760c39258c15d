"""The venue in its time: calls go in at the clock's time, events come out to the subscribers.

One task, `run`, drives the world: it delivers what is due, enforces the heartbeats, and sleeps
until the next thing is due or a call wakes it. All else is synchronous, so nothing interleaves
between reading a book and queueing the frames that came before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pmcore.model.errors import InvariantError
from pmcore.model.market import SeriesSpec
from pmcore.model.units import NS_PER_MS, NS_PER_S, PRICE_ONE_E4
from pmcore.shell.clock import Clock
from pmsim.venue.ports import (
    Account,
    ListedWindow,
    MarketFrame,
    SimulatedVenue,
    UserFrame,
    VenueEvent,
    VenueOrder,
)
from pmsimulator.catalogue import Catalogue
from pmsimulator.credentials import Credentials
from pmsimulator.heartbeats import CHECK_NS, Heartbeats
from pmsimulator.history import SAMPLE_NS, PriceHistory
from pmsimulator.market_facts import MarketFacts, market_facts
from pmsimulator.notices import Notices
from pmsimulator.subscriptions import MarketSubscriber, Subscriptions
from pmsimulator.tape import PublicTape
from pmsimulator.touch import touch_e4

_LONGEST_WAIT_MS = 1_000.0
_LONGEST_STEP_NS = NS_PER_S
_ANY_TYPE = -1
_RESOLVED = '"market_resolved"'


class World:
    """A simulated venue, its clock and its subscribers.

    What the market does by itself is delivered in steps of `least_wait_ms` at the least; what a
    call does is delivered at once.
    """

    def __init__(
        self,
        venue: SimulatedVenue,
        clock: Clock,
        *,
        series: tuple[SeriesSpec, ...],
        chain_id: int,
        outbox_frames: int,
        listed_ahead_s: int = 86_400,
        least_wait_ms: float = 0.0,
    ) -> None:
        self.venue = venue
        self.clock = clock
        self.chain_id = chain_id
        self.series = tuple(spec.series for spec in series)
        self.subscriptions = Subscriptions(outbox_frames)
        self.heartbeats = Heartbeats()
        self.heartbeat_lapses = 0
        self.catalogue = Catalogue(venue, series, listed_ahead_s)
        self.notices = Notices(venue.order, self.catalogue.find)
        self.tape = PublicTape()
        self.history = PriceHistory()
        self._least_wait_ms = least_wait_ms
        self._accounts: dict[str, Account] = {}
        self._wallet_types: dict[str, int] = {}
        self._placed: dict[str, dict[str, str]] = {}
        self._wake = asyncio.Event()
        self._next_check_ns = 0
        self._next_sample_ns = 0
        self._broken: InvariantError | None = None

    @property
    def accounts(self) -> Sequence[Account]:
        """Every account so far, in order of arrival."""
        return tuple(self._accounts.values())

    def admit(
        self, credentials: Credentials, maker_address: str = "", signature_type: int = _ANY_TYPE
    ) -> None:
        """Make an account known to the venue; a wallet that differs from the key's replaces it."""
        known = self._accounts.get(credentials.api_key)
        address = maker_address or (known.maker_address if known else credentials.address)
        if signature_type != _ANY_TYPE:
            self._wallet_types[credentials.api_key] = signature_type
        if known is None or known.maker_address != address:
            account = Account(owner=credentials.api_key, maker_address=address)
            self._accounts[account.owner] = account
            self.venue.add_account(account)

    def accepted(self, credentials: Credentials, order_hash: str, builder_code: str) -> None:
        """Remember whose order the venue took, and the builder that its order names."""
        self._placed.setdefault(credentials.api_key, {})[order_hash] = builder_code

    def builder_of(self, owner: str, order_hash: str) -> str:
        """The builder code of an account's order; "" for an order of somebody else."""
        return self._placed.get(owner, {}).get(order_hash, "")

    def orders(self, owner: str) -> list[VenueOrder]:
        """Every order that an account ever had accepted, oldest first."""
        found = (self.venue.order(order_hash) for order_hash in self._placed.get(owner, ()))
        return [record for record in found if record is not None]

    def is_funded(self, credentials: Credentials, signature_type: int) -> bool:
        """Whether a wallet of this signature type holds the account's money.

        The first order shows which wallet that is; until then every type is believed.
        """
        known = self._wallet_types.get(credentials.api_key, signature_type)
        return known == signature_type

    def now_ns(self) -> int:
        """The time of calls: the clock's, unless more than a step's worth of events is overdue.

        A world that cannot keep up with its clock falls behind in steps, and stays responsive.
        """
        at_ns, due_ns = self.clock.now_ns(), self.venue.next_ns()
        if due_ns is None or due_ns > at_ns:
            return at_ns
        return min(at_ns, max(self.venue.now_ns, due_ns) + _LONGEST_STEP_NS)

    def wake(self) -> None:
        """Something happened in the venue: deliver it soon."""
        self._wake.set()

    def die(self, error: InvariantError) -> None:
        """A broken invariant outside `run` ends `run`, and with it the process."""
        self._broken = error
        self._wake.set()

    def drain(self) -> None:
        """Bring the world to the present and queue all frames up to it."""
        for event in self.venue.advance(self.now_ns()):
            self._hear(event)
            self.subscriptions.deliver(event)

    def _hear(self, event: VenueEvent) -> None:
        if isinstance(event, UserFrame):
            self.notices.hear(event)
        else:
            self.tape.hear(event)
            self._hear_resolution(event)

    def _hear_resolution(self, event: MarketFrame) -> None:
        """Whoever traded in a market is told that it was resolved."""
        if event.custom and _RESOLVED in event.text:
            for owner in self._accounts:
                trades = self.venue.trades(owner)
                if any(trade.condition_id == event.condition_id for trade in trades):
                    self.notices.resolved(owner, event.condition_id, event.at_ns)

    def subscribe(
        self, subscriber: MarketSubscriber, asset_ids: Sequence[str], *, dump: bool
    ) -> None:
        """Add assets to a connection; their books first, then only what comes after."""
        self.drain()
        added = self.subscriptions.add_assets(subscriber, asset_ids)
        if dump and added and (text := self.venue.initial_dump(added)) is not None:
            subscriber.outbox.put_text(text)

    def listing_of(self, market_or_token: str) -> ListedWindow | None:
        """The window of a condition id or a token id."""
        return self.catalogue.find(market_or_token)

    def facts(self, listing: ListedWindow) -> MarketFacts:
        """What a market's pages show of its book and its trades."""
        return market_facts(self.venue, self.tape, listing)

    def accounts_of(self, wallet: str) -> list[Account]:
        """The API keys that trade for a wallet."""
        wanted = wallet.lower()
        return [one for one in self._accounts.values() if one.maker_address.lower() == wanted]

    def tradable(self, market_or_token: str) -> ListedWindow | None:
        """The same, but None while the CLOB does not know the window yet (docs/venue.md 1.3)."""
        listing = self.listing_of(market_or_token)
        lead_s = self.venue.faults.hydrate_lead_s
        if listing is None or lead_s is None:
            return listing
        known_ns = listing.window.open_ns - lead_s * NS_PER_S
        return listing if self.now_ns() >= known_ns else None

    def listings(self) -> Sequence[ListedWindow]:
        """All windows that exist; the running and the next one of each series always do."""
        return self.catalogue.current(self.now_ns())

    def open_orders(self) -> int:
        """Open orders of all accounts that sent a signed request."""
        return sum(len(self.venue.open_orders(owner)) for owner in self._accounts)

    async def run(self) -> None:
        """Drive the world until cancelled."""
        while True:
            self._wake.clear()
            if self._broken is not None:
                raise self._broken
            self.drain()
            self._keep_house()
            await asyncio.sleep(0)
            if not self._wake.is_set():
                await self._wait()

    def _keep_house(self) -> None:
        at_ns = self.now_ns()
        if at_ns >= self._next_sample_ns:
            self._next_sample_ns = at_ns + SAMPLE_NS
            self._sample(at_ns)
        if at_ns < self._next_check_ns:
            return
        self._next_check_ns = at_ns + CHECK_NS
        if age_s := self.venue.faults.transport.disconnect_every_s:
            self.subscriptions.drop("all", at_ns - age_s * NS_PER_S)
        for api_key in self.heartbeats.lapse(at_ns):
            if api_key not in self._accounts:
                raise InvariantError("a heartbeat of an unknown account")
            self.heartbeat_lapses += 1
            self.venue.cancel_all(api_key, at_ns)
            self._wake.set()

    def _sample(self, at_ns: int) -> None:
        known: set[str] = set()
        for listing in self.venue.listings():
            window = listing.window
            known.update((window.up_token_id, window.down_token_id))
            if window.open_ns <= at_ns and not listing.closed:
                bid_e4, ask_e4 = touch_e4(self.venue.book(window.up_token_id))
                if bid_e4 is not None and ask_e4 is not None:
                    mid_e5 = (bid_e4 + ask_e4) * 5
                    self.history.add(window.up_token_id, at_ns, mid_e5)
                    self.history.add(window.down_token_id, at_ns, PRICE_ONE_E4 * 10 - mid_e5)
        self.history.keep_only(known)

    async def _wait(self) -> None:
        at_ns = self.clock.now_ns()
        next_ns = self.venue.next_ns()
        house_ns = min(self._next_check_ns, self._next_sample_ns)
        due_ns = house_ns if next_ns is None else min(next_ns, house_ns)
        wait_ms = max((due_ns - at_ns) / NS_PER_MS, self._least_wait_ms)
        wait_ms = min(wait_ms, _LONGEST_WAIT_MS * self.clock.speed)
        if wait_ms <= 0:
            return
        try:
            async with asyncio.timeout(self.clock.real_s(wait_ms)):
                await self._wake.wait()
        except TimeoutError:
            return
