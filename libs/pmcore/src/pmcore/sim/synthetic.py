"""A seeded Polymarket: consecutive windows of short series, a crowd, and real matching.

A seed and the calls made give byte-identical streams. Orders of registered accounts meet the
crowd's in one merged book. What is not modelled: docs/modelling.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pmcore.model.check import invariant
from pmcore.model.market import Outcome, SeriesSpec
from pmcore.model.units import NS_PER_MS, NS_PER_S, SHARE_U6
from pmcore.sim.answers import (
    NO_BOOK_TEXT,
    NO_MATCH_TEXT,
    NOT_FILLABLE_TEXT,
    POST_ONLY_TEXT,
    accepted,
    refused,
)
from pmcore.sim.desk import CROWD, DeskParams
from pmcore.sim.desk_venue import DeskVenue
from pmcore.sim.identity import window_at
from pmcore.sim.lane import Lane, LaneParams
from pmcore.sim.matching import BookOrder, Refusal, UpLevel
from pmcore.sim.ports import (
    CancelResult,
    Listing,
    MarketFrame,
    NewOrder,
    OrderRecord,
    OrderStatus,
    PlaceResult,
    TimeInForce,
)
from pmcore.sim.scheduler import Scheduler
from pmcore.sim.world_params import LIGHT, WorldParams
from pmcore.venue.encode import to_text

KEPT_WINDOWS = 64
_REFUSALS = {
    Refusal.POST_ONLY_CROSSES: POST_ONLY_TEXT,
    Refusal.NOT_FILLABLE: NOT_FILLABLE_TEXT,
    Refusal.NO_MATCH: NO_MATCH_TEXT,
}


class SyntheticParams(msgspec.Struct, frozen=True, kw_only=True):
    """`series` rotate side by side. The crowd arrives `prequote_ms` before a window opens."""

    series: tuple[SeriesSpec, ...]
    seed: int
    start_ns: int
    tick_e4: int = 100
    min_size_u6: int = 5 * SHARE_U6
    prequote_ms: int = 20_000
    resolve_delay_ms: int = 10_000
    world: WorldParams = LIGHT
    desk: DeskParams = DeskParams()


class SyntheticVenue(DeskVenue):
    """A `SimulatedVenue` that never ends."""

    def __init__(self, params: SyntheticParams) -> None:
        invariant(bool(params.series), "a synthetic world needs a series")
        self.source = f"synthetic, seed {params.seed}"
        super().__init__(msgspec.structs.replace(params.desk, seed=params.seed), params.start_ns)
        self.desk.ledger.fund(CROWD.owner, params.desk.cash_u6)
        self._params = params
        self._schedule = Scheduler()
        self._lanes: dict[str, Lane] = {}
        self._slug_of: dict[str, str] = {}
        for spec in params.series:
            self._arrive(spec, params.start_ns)
        self._run(params.start_ns)

    @property
    def done(self) -> bool:
        """Never."""
        return False

    def place(self, owner: str, order: NewOrder, at_ns: int) -> PlaceResult:
        """Let an order reach the engine."""
        self._run(at_ns)
        lane = self._lane_of(order.token_id)
        outcome = lane.window.outcome_of(order.token_id) if lane else None
        if lane is None or outcome is None:
            return refused(order, NO_BOOK_TEXT, 404)
        answer = self.desk.refusal(owner, order, lane.window, lane.market.tick_e4)
        if answer is not None:
            return answer
        taker = BookOrder(
            order_id=order.order_hash,
            owner=owner,
            outcome=outcome,
            side=order.side,
            price_e4=order.price_e4,
            leaves_u6=order.size_u6,
        )
        immediate = order.time_in_force in (TimeInForce.FOK, TimeInForce.FAK)
        if immediate:
            all_or_none = order.time_in_force is TimeInForce.FOK
            placed = lane.market.book.take(taker, all_or_none=all_or_none)
        else:
            placed = lane.market.book.place(taker, post_only=order.post_only)
        if placed.refusal is not None:
            return refused(order, _REFUSALS[placed.refusal])
        record = self.desk.accept(owner, order, lane.window, self._now_ns)
        trade = lane.publish(taker, placed, self._now_ns)
        if immediate and record.leaves_u6:
            self.desk.close(record, OrderStatus.CANCELED, self._now_ns)
        self._drain_desk()
        return accepted(order, trade)

    def cancel(self, owner: str, order_hashes: Sequence[str], at_ns: int) -> CancelResult:
        """Cancel by ids, as one engine event per market."""
        self._run(at_ns)
        levels: dict[str, list[UpLevel]] = {}

        def pull(record: OrderRecord) -> None:
            slug = self._slug_of[record.token_id]
            level = self._lanes[slug].market.book.cancel(record.order_hash)
            invariant(level is not None, f"{record.order_hash} is open but not in the book")
            levels.setdefault(slug, []).extend([level] if level else [])

        result = self.desk.cancel(owner, order_hashes, self._now_ns, pull)
        for slug, changed in levels.items():
            self._lanes[slug].publish_levels(changed, self._now_ns, Outcome.UP)
        self._drain_desk()
        return result

    def book(self, token_id: str) -> dict[str, object] | None:
        """`GET /book`."""
        lane = self._lane_of(token_id)
        outcome = lane.window.outcome_of(token_id) if lane else None
        return lane.market.rest_book(outcome) if lane and outcome else None

    def initial_dump(self, token_ids: Sequence[str]) -> str | None:
        """The frame after a subscription; tokens without a book are left out."""
        frames = []
        for token_id in token_ids:
            lane = self._lane_of(token_id)
            outcome = lane.window.outcome_of(token_id) if lane else None
            if lane is not None and outcome is not None:
                frames.append(lane.market.dump_frame(outcome))
        return to_text(frames) + "\n" if frames else None

    def listings(self) -> Sequence[Listing]:
        """All windows that exist so far, oldest first."""
        lanes = sorted(self._lanes.values(), key=lambda lane: lane.window.open_ns)
        return [lane.listing(self._now_ns) for lane in lanes]

    def listing(self, slug: str) -> Listing | None:
        """A window by slug; a coming one of our series is made on demand."""
        for spec in self._params.series if slug not in self._lanes else ():
            suffix = slug.removeprefix(f"{spec.prefix}-")
            start_ns = int(suffix) * NS_PER_S if suffix.isdecimal() and len(suffix) < 12 else 0
            if start_ns > self._now_ns and spec.slug_at(start_ns) == slug:
                self._lane(spec, start_ns)
        lane = self._lanes.get(slug)
        return lane.listing(self._now_ns) if lane else None

    def _next_due_ns(self) -> int | None:
        times = (self._schedule.next_ns(), self.desk.next_ns())
        return min((ns for ns in times if ns is not None), default=None)

    def _step(self, due_ns: int) -> None:
        if self.desk.next_ns() == due_ns:
            self.desk.advance(due_ns)
        else:
            self._schedule.run_next()

    def _arrive(self, spec: SeriesSpec, open_ns: int) -> None:
        """Let the crowd into a window, and plan its arrival in the next one."""
        lane = self._lane(spec, open_ns)
        lane.begin(self._now_ns)
        next_ns = lane.window.close_ns
        arrival_ns = next_ns - self._params.prequote_ms * NS_PER_MS
        self._schedule.at(max(arrival_ns, self._now_ns), lambda _: self._arrive(spec, next_ns))

    def _lane(self, spec: SeriesSpec, at_ns: int) -> Lane:
        params = self._params
        window = window_at(
            spec, at_ns, seed=params.seed, tick_e4=params.tick_e4, min_size_u6=params.min_size_u6
        )
        if window.slug not in self._lanes:
            self._forget_oldest()
            lane_params = LaneParams(
                seed=params.seed,
                resolve_delay_ms=params.resolve_delay_ms,
                world=params.world,
            )
            self._lanes[window.slug] = Lane(
                window, lane_params, self.desk, self._schedule, self._emit
            )
            for outcome in Outcome:
                self._slug_of[window.token_id(outcome)] = window.slug
        return self._lanes[window.slug]

    def _forget_oldest(self) -> None:
        """Keep the number of resolved windows bounded."""
        resolved = [slug for slug, lane in self._lanes.items() if lane.market.resolved]
        for slug in resolved[: max(0, len(self._lanes) + 1 - KEPT_WINDOWS)]:
            window = self._lanes.pop(slug).window
            for outcome in Outcome:
                del self._slug_of[window.token_id(outcome)]

    def _lane_of(self, token_id: str) -> Lane | None:
        lane = self._lanes.get(self._slug_of.get(token_id, ""))
        return None if lane is None or lane.market.resolved else lane

    def _emit(self, frames: Sequence[MarketFrame], at_ns: int) -> None:
        for frame in frames:
            if frame.at_ns <= at_ns:
                self._outbox.append(frame)
            else:
                self._deliver_later(frame)

    def _deliver_later(self, frame: MarketFrame) -> None:
        self._schedule.at(frame.at_ns, lambda _: self._outbox.append(frame))
