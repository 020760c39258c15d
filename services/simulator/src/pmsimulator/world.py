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
from pmcore.model.units import NS_PER_MS, NS_PER_S
from pmcore.shell.clock import Clock
from pmcore.sim.ports import Account, Listing, SimulatedVenue
from pmsimulator.credentials import Credentials
from pmsimulator.heartbeats import CHECK_NS, Heartbeats
from pmsimulator.subscriptions import MarketSubscriber, Subscriptions

_LONGEST_WAIT_MS = 1_000.0
_LONGEST_STEP_NS = NS_PER_S


class World:
    """A simulated venue, its clock and its audience."""

    def __init__(
        self,
        venue: SimulatedVenue,
        clock: Clock,
        *,
        series: tuple[SeriesSpec, ...],
        chain_id: int,
        outbox_frames: int,
    ) -> None:
        self.venue = venue
        self.clock = clock
        self.chain_id = chain_id
        self.subscriptions = Subscriptions(outbox_frames)
        self.heartbeats = Heartbeats()
        self.heartbeat_lapses = 0
        self._series = series
        self._accounts: dict[str, Account] = {}
        self._slug_of: dict[str, str] = {}
        self._wake = asyncio.Event()
        self._next_check_ns = 0
        self._broken: InvariantError | None = None

    @property
    def accounts(self) -> Sequence[Account]:
        """Every account that ever came, in order of arrival."""
        return tuple(self._accounts.values())

    def admit(self, credentials: Credentials, maker_address: str = "") -> None:
        """Make an account known to the venue; a wallet that differs from the key's replaces it."""
        known = self._accounts.get(credentials.api_key)
        address = maker_address or (known.maker_address if known else credentials.address)
        if known is None or known.maker_address != address:
            account = Account(owner=credentials.api_key, maker_address=address)
            self._accounts[account.owner] = account
            self.venue.add_account(account)

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
        """A broken promise met outside `run` ends `run`, and with it the process."""
        self._broken = error
        self._wake.set()

    def drain(self) -> None:
        """Bring the world to the present and queue all frames of the way."""
        for event in self.venue.advance(self.now_ns()):
            self.subscriptions.deliver(event)

    def subscribe(
        self, subscriber: MarketSubscriber, asset_ids: Sequence[str], *, dump: bool
    ) -> None:
        """Add assets to a connection; their books first, then only what comes after."""
        self.drain()
        added = self.subscriptions.add_assets(subscriber, asset_ids)
        if dump and added and (text := self.venue.initial_dump(added)) is not None:
            subscriber.outbox.put(text)

    def listing_of(self, market_or_token: str) -> Listing | None:
        """The window of a condition id or a token id."""
        if market_or_token not in self._slug_of:
            for listing in self.venue.listings():
                window = listing.window
                for key in (window.condition_id, window.up_token_id, window.down_token_id):
                    self._slug_of[key] = window.slug
        slug = self._slug_of.get(market_or_token)
        return self.venue.listing(slug) if slug is not None else None

    def listings(self) -> Sequence[Listing]:
        """All windows; the running and the next one of each series exist from the start on."""
        at_ns = self.now_ns()
        for spec in self._series:
            self.venue.listing(spec.slug_at(at_ns))
            if spec.fixed_slug is None:
                self.venue.listing(spec.slug_at(at_ns + spec.length_s * NS_PER_S))
        return self.venue.listings()

    def open_orders(self) -> int:
        """Open orders of all accounts that came through the door."""
        return sum(len(self.venue.open_orders(owner)) for owner in self._accounts)

    async def run(self) -> None:
        """Drive the world until cancelled."""
        while True:
            self._wake.clear()
            if self._broken is not None:
                raise self._broken
            self.drain()
            self._enforce_heartbeats()
            await asyncio.sleep(0)
            if not self._wake.is_set():
                await self._wait()

    def _enforce_heartbeats(self) -> None:
        at_ns = self.now_ns()
        if at_ns < self._next_check_ns:
            return
        self._next_check_ns = at_ns + CHECK_NS
        for api_key in self.heartbeats.lapse(at_ns):
            if api_key not in self._accounts:
                raise InvariantError("a heartbeat of an unknown account")
            self.heartbeat_lapses += 1
            self.venue.cancel_all(api_key, at_ns)
            self._wake.set()

    async def _wait(self) -> None:
        at_ns = self.clock.now_ns()
        next_ns = self.venue.next_ns()
        due_ns = self._next_check_ns if next_ns is None else min(next_ns, self._next_check_ns)
        wait_ms = min(max(due_ns - at_ns, 0) / NS_PER_MS, _LONGEST_WAIT_MS * self.clock.speed)
        if wait_ms <= 0:
            return
        try:
            async with asyncio.timeout(self.clock.real_s(wait_ms)):
                await self._wake.wait()
        except TimeoutError:
            return
