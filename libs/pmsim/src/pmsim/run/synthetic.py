"""A seeded Polymarket: consecutive windows of short series, a crowd, and real matching.

A seed and the calls made give byte-identical streams. Orders of registered accounts meet the
crowd's in one merged book. What is not modelled: docs/modelling.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pmcore.model.check import invariant
from pmcore.model.market import Outcome, Protocol, SeriesSpec, Window
from pmcore.model.units import NS_PER_MS, NS_PER_S, SHARE_U6
from pmcore.venue.encode import to_text
from pmsim.crowd.price_chain import PriceChain
from pmsim.crowd.underlying import Underlying
from pmsim.crowd.world_params import LIGHT, WorldParams
from pmsim.run.scheduler import Scheduler
from pmsim.run.synthetic_window import SyntheticWindow, SyntheticWindowParams
from pmsim.venue.accounts import CROWD, AccountsParams
from pmsim.venue.base import NO_MARKET, SimulatedVenueBase
from pmsim.venue.custom_frames import stranger_frame
from pmsim.venue.identity import window_at
from pmsim.venue.listed_market import is_finer
from pmsim.venue.matching import UpLevel
from pmsim.venue.order_flow import OrderFlow
from pmsim.venue.ports import (
    CancelOutcome,
    ListedWindow,
    MarketFrame,
    NewOrder,
    PlaceResult,
    VenueOrder,
)

KEPT_WINDOWS = 64
STRANGER_NS = 60 * NS_PER_S
"""How often a market that nobody asked for is announced: 17 in half an hour of recordings."""


class SyntheticParams(msgspec.Struct, frozen=True, kw_only=True):
    """`series` rotate side by side. The crowd arrives `prequote_ms` before a window opens.

    `taker_delay_ms` holds marketable orders back, the crowd's too; 0 matches at entry. With
    `auto_tick` the tick becomes 0.001 near a limit.
    """

    series: tuple[SeriesSpec, ...]
    seed: int
    start_ns: int
    tick_e4: int = 100
    min_size_u6: int = 5 * SHARE_U6
    prequote_ms: int = 20_000
    resolve_delay_ms: int = 10_000
    protocol: Protocol = Protocol.V1
    taker_delay_ms: int = 0
    auto_tick: bool = False
    world: WorldParams = LIGHT
    accounts: AccountsParams = AccountsParams()


class SyntheticVenue(SimulatedVenueBase):
    """A `SimulatedVenue` that never ends."""

    def __init__(self, params: SyntheticParams) -> None:
        invariant(bool(params.series), "a synthetic world needs a series")
        self.source = f"synthetic, seed {params.seed}"
        super().__init__(
            msgspec.structs.replace(params.accounts, seed=params.seed), params.start_ns
        )
        self.accounts.ledger.fund(CROWD.owner, params.accounts.cash_u6)
        self._params = params
        self._schedule = Scheduler()
        self._flow = OrderFlow(
            self.accounts, self._schedule, self._synthetic_of, params.taker_delay_ms
        )
        self._windows: dict[str, SyntheticWindow] = {}
        self._slug_of: dict[str, str] = {}
        self._prices: dict[str, PriceChain] = {}
        self._strangers = 0
        self._crowd_stopped = False
        for spec in params.series:
            self._arrive(spec, params.start_ns)
        self._schedule.at(params.start_ns + STRANGER_NS, self._tell_of_stranger)
        self._run(params.start_ns)

    @property
    def done(self) -> bool:
        """Never."""
        return False

    def place(self, owner: str, order: NewOrder, at_ns: int) -> PlaceResult:
        """Let an order reach the engine."""
        return self.place_batch(owner, [order], at_ns)[0]

    def place_batch(
        self, owner: str, orders: Sequence[NewOrder], at_ns: int
    ) -> Sequence[PlaceResult]:
        """Let orders reach the engine as one event."""
        self._run(at_ns)
        answers = self._flow.place(owner, orders, self._now_ns)
        self._drain_accounts()
        return answers

    def cancel(self, owner: str, order_hashes: Sequence[str], at_ns: int) -> CancelOutcome:
        """Cancel by ids, as one engine event per market."""
        self._run(at_ns)
        levels: dict[str, list[UpLevel]] = {}
        result = self.accounts.cancel(
            owner, order_hashes, self._now_ns, lambda record: self._pull(record, levels)
        )
        self._publish(levels)
        self._drain_accounts()
        return result

    def change_tick(self, condition_id: str, tick_e4: int, at_ns: int) -> str:
        """Make a market's tick finer."""
        self._run(at_ns)
        synthetic = self._synthetic_of_market(condition_id)
        if synthetic is None or synthetic.market.resolved:
            return NO_MARKET
        if not is_finer(synthetic.market.tick_e4, tick_e4):
            return "a tick only becomes finer"
        synthetic.change_tick(tick_e4, self._now_ns)
        return ""

    def stop_crowd(self) -> None:
        """Let the crowd act no more. A later window still gets its first books.

        Windows, trades on their way to the chain and resolutions go on.
        """
        self._crowd_stopped = True
        for synthetic in self._windows.values():
            synthetic.stop_crowd()

    def book(self, token_id: str) -> dict[str, object] | None:
        """`GET /book`."""
        synthetic = self._synthetic_of(token_id)
        outcome = synthetic.window.outcome_of(token_id) if synthetic else None
        return synthetic.market.rest_book(outcome) if synthetic and outcome else None

    def initial_dump(self, token_ids: Sequence[str]) -> str | None:
        """The frame after a subscription; tokens without a book are left out."""
        frames = []
        for token_id in token_ids:
            synthetic = self._synthetic_of(token_id)
            outcome = synthetic.window.outcome_of(token_id) if synthetic else None
            if synthetic is not None and outcome is not None:
                frames.append(synthetic.market.dump_frame(outcome))
        return to_text(frames) + "\n" if frames else None

    def listings(self) -> Sequence[ListedWindow]:
        """All windows that exist so far, oldest first."""
        windows = sorted(self._windows.values(), key=lambda synthetic: synthetic.window.open_ns)
        return [synthetic.listing(self._now_ns) for synthetic in windows]

    def listing(self, slug: str) -> ListedWindow | None:
        """A window by slug; a coming one of our series is made on demand."""
        for spec in self._params.series if slug not in self._windows else ():
            suffix = slug.removeprefix(f"{spec.prefix}-")
            start_ns = int(suffix) * NS_PER_S if suffix.isdecimal() and len(suffix) < 12 else 0
            if start_ns > self._now_ns and spec.slug_at(start_ns) == slug:
                self._open_synthetic(spec, start_ns)
        synthetic = self._windows.get(slug)
        return synthetic.listing(self._now_ns) if synthetic else None

    def underlying_e8(self, asset: str, at_ns: int) -> int | None:
        """The price of an asset, from the windows of its first series."""
        chain = self._prices.get(asset)
        return chain.price_e8(at_ns) if chain else None

    def path_of(self, slug: str) -> Underlying:
        """What a window that exists is a bet on, its end included: for studies, not for traders."""
        return self._windows[slug].underlying

    def _first_of_asset(self, spec: SeriesSpec) -> SeriesSpec:
        return next(one for one in self._params.series if _asset_of(one) == _asset_of(spec))

    def _next_due_ns(self) -> int | None:
        times = (self._schedule.next_ns(), self.accounts.next_ns())
        return min((ns for ns in times if ns is not None), default=None)

    def _step(self, due_ns: int) -> None:
        if self.accounts.next_ns() == due_ns:
            self.accounts.advance(due_ns)
        else:
            self._schedule.run_next()

    def _arrive(self, spec: SeriesSpec, open_ns: int) -> None:
        """Let the crowd into a window, and plan its arrival in the next one."""
        synthetic = self._open_synthetic(spec, open_ns)
        synthetic.begin(self._now_ns)
        if spec == self._first_of_asset(spec):
            chain = self._prices.setdefault(_asset_of(spec), PriceChain())
            chain.add(synthetic.window, synthetic.underlying)
        if self._crowd_stopped:
            synthetic.stop_crowd()
        next_ns = synthetic.window.close_ns
        arrival_ns = next_ns - self._params.prequote_ms * NS_PER_MS
        self._schedule.at(max(arrival_ns, self._now_ns), lambda _: self._arrive(spec, next_ns))

    def _tell_of_stranger(self, at_ns: int) -> None:
        self._strangers += 1
        self._outbox.append(stranger_frame(self._params.seed, self._strangers, at_ns))
        self._schedule.at(at_ns + STRANGER_NS, self._tell_of_stranger)

    def _open_synthetic(self, spec: SeriesSpec, at_ns: int) -> SyntheticWindow:
        params = self._params
        window = window_at(
            spec,
            at_ns,
            seed=params.seed,
            tick_e4=params.tick_e4,
            min_size_u6=params.min_size_u6,
            protocol=params.protocol,
        )
        if window.slug not in self._windows:
            self._forget_oldest()
            window_params = SyntheticWindowParams(
                seed=params.seed,
                resolve_delay_ms=params.resolve_delay_ms,
                world=params.world,
                taker_delay_ms=params.taker_delay_ms,
                auto_tick=params.auto_tick,
            )
            synthetic = SyntheticWindow(
                window, window_params, self.accounts, self._schedule, self._emit
            )
            self._windows[window.slug] = synthetic
            synthetic.announce(self._now_ns)
            for outcome in Outcome:
                self._slug_of[window.token_id(outcome)] = window.slug
        return self._windows[window.slug]

    def _forget_oldest(self) -> None:
        """Keep the number of resolved windows bounded."""
        resolved = [slug for slug, synthetic in self._windows.items() if synthetic.market.resolved]
        for slug in resolved[: max(0, len(resolved) + 1 - KEPT_WINDOWS)]:
            window = self._windows.pop(slug).window
            for outcome in Outcome:
                del self._slug_of[window.token_id(outcome)]

    def _synthetic_of(self, token_id: str) -> SyntheticWindow | None:
        synthetic = self._windows.get(self._slug_of.get(token_id, ""))
        return None if synthetic is None or synthetic.market.resolved else synthetic

    def _emit(self, frames: Sequence[MarketFrame], at_ns: int) -> None:
        for frame in frames:
            if frame.at_ns <= at_ns:
                self._outbox.append(frame)
            else:
                self._deliver_later(frame)

    def _deliver_later(self, frame: MarketFrame) -> None:
        self._schedule.at(frame.at_ns, lambda _: self._outbox.append(frame))

    def _pull(self, record: VenueOrder, levels: dict[str, list[UpLevel]]) -> None:
        slug = self._slug_of[record.token_id]
        level = self._windows[slug].market.book.cancel(record.order_hash)
        invariant(level is not None, f"{record.order_hash} is open but not in the book")
        levels.setdefault(slug, []).extend([level] if level else [])

    def _publish(self, levels: dict[str, list[UpLevel]]) -> None:
        for slug, changed in levels.items():
            self._windows[slug].publish_levels(changed, self._now_ns, None)

    def _pull_expired(self, record: VenueOrder) -> None:
        levels: dict[str, list[UpLevel]] = {}
        self._pull(record, levels)
        self._publish(levels)

    def _synthetic_of_market(self, condition_id: str) -> SyntheticWindow | None:
        windows = self._windows.values()
        return next(
            (synthetic for synthetic in windows if synthetic.window.condition_id == condition_id),
            None,
        )

    def _market_state(self, condition_id: str) -> tuple[Window, Outcome | None] | None:
        synthetic = self._synthetic_of_market(condition_id)
        return (synthetic.window, synthetic.settled_winner) if synthetic else None


def _asset_of(spec: SeriesSpec) -> str:
    return spec.series.partition("-")[0]
