"""Target quotes as a pure function of a frozen view (docs/strategy_guide.md#the-decision).

Exact integers: mids are kept doubled, so that nothing is lost before the one floor to the tick.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pmcore.machines.inventory import Position, dust_u6
from pmcore.machines.pairing import Lot, dearest_e4
from pmcore.model.market import Outcome
from pmcore.model.params import OfiScope
from pmcore.model.units import PRICE_ONE_E4, QTY_GRID_U6, floor_to_tick_e4


class QuoteMode(StrEnum):
    """Which branch decided."""

    HOLD = "hold"
    TOXIC = "toxic"
    NO_BOOK = "no_book"
    NOT_OPEN = "not_open"
    GATED = "gated"
    BALANCED = "balanced"
    HEDGE = "hedge"
    RISK = "risk"
    UNDERLYING = "underlying"
    FAIR_VALUE = "fair_value"


class SideView(msgspec.Struct, frozen=True):
    """The touch of one outcome's book and its post-only margin.

    A side that is empty, unknown or stale is None; it is never replaced by a guess.
    """

    bid_e4: int | None = None
    ask_e4: int | None = None
    extra_ticks: int = 0

    @property
    def mid2_e4(self) -> int | None:
        """Twice the mid, None if a side is."""
        if self.bid_e4 is None or self.ask_e4 is None:
            return None
        return self.bid_e4 + self.ask_e4


class QuoteView(msgspec.Struct, frozen=True, kw_only=True):
    """All that a decision may depend on."""

    up: SideView
    down: SideView
    position: Position
    can_open: bool
    toxic: bool
    scope: OfiScope
    tick_e4: int
    pair_target_e4: int
    bid_size_u6: int
    min_size_u6: int
    new_risk: bool
    gated: bool = False
    """Whether a gate on the first leg is closed: no pair is begun."""
    unpaired: tuple[Lot, ...] = ()
    """What the next hedging shares are paired with; empty: the average of the side decides."""

    def side(self, outcome: Outcome) -> SideView:
        """The view of one outcome."""
        return self.up if outcome is Outcome.UP else self.down


class Quote(msgspec.Struct, frozen=True):
    """What we want resting on one side."""

    price_e4: int
    size_u6: int


class Targets(msgspec.Struct, frozen=True):
    """What we want resting; None means nothing, and cancels what rests."""

    mode: QuoteMode
    up: Quote | None = None
    down: Quote | None = None

    def quote(self, outcome: Outcome) -> Quote | None:
        """The target of one outcome."""
        return self.up if outcome is Outcome.UP else self.down


def decide(view: QuoteView) -> Targets:
    """The two target quotes, in this order: kill, book, balanced, hedge."""
    balanced = abs(view.position.net_diff_u6) <= dust_u6(view.min_size_u6)
    if view.toxic and (balanced or view.scope is OfiScope.GLOBAL):
        return Targets(QuoteMode.TOXIC)
    if balanced:
        return _balanced(view)
    return _hedge(view)


def withdrawn(targets: Targets, outcomes: tuple[Outcome, ...], mode: QuoteMode) -> Targets:
    """The same targets without the bids for these outcomes, if any, and the rule's mode."""
    if not outcomes:
        return targets
    up, down = (None if o in outcomes else targets.quote(o) for o in Outcome)
    return Targets(mode, up, down)


def _balanced(view: QuoteView) -> Targets:
    up_bid, up_ask = view.up.bid_e4, view.up.ask_e4
    down_bid, down_ask = view.down.bid_e4, view.down.ask_e4
    if up_bid is None or up_ask is None or down_bid is None or down_ask is None:
        return Targets(QuoteMode.NO_BOOK)
    if not (view.can_open and view.new_risk):
        return Targets(QuoteMode.NOT_OPEN)
    if view.gated:
        return Targets(QuoteMode.GATED)
    up2, down2 = up_bid + up_ask, down_bid + down_ask
    excess2 = max(up2 + down2 - 2 * view.pair_target_e4, 0)
    up = _bid(view, Outcome.UP, up_ask, 2 * up2 - excess2)
    down = _bid(view, Outcome.DOWN, down_ask, 2 * down2 - excess2)
    return Targets(QuoteMode.BALANCED, *_within_pair_target(view, up, down))


def _within_pair_target(
    view: QuoteView, up: Quote | None, down: Quote | None
) -> tuple[Quote | None, Quote | None]:
    """A bid clamped up to the first tick takes its excess from the other bid."""
    if up is None or down is None:
        return up, down
    excess_e4 = up.price_e4 + down.price_e4 - view.pair_target_e4
    if excess_e4 <= 0:
        return up, down
    dearer = max(up, down, key=lambda quote: quote.price_e4)
    lowered_e4 = floor_to_tick_e4(dearer.price_e4 - excess_e4, view.tick_e4)
    if lowered_e4 < view.tick_e4:
        return None, None
    lowered = Quote(lowered_e4, dearer.size_u6)
    return (lowered, down) if dearer is up else (up, lowered)


def _bid(view: QuoteView, outcome: Outcome, ask_e4: int, price4_e4: int) -> Quote | None:
    """A bid at a price given in quarters of 1/10 000, floored, clamped and kept off the ask."""
    tick_e4 = view.tick_e4
    price_e4 = price4_e4 // (4 * tick_e4) * tick_e4
    price_e4 = min(max(price_e4, tick_e4), PRICE_ONE_E4 - tick_e4)
    ceiling_e4 = _post_only_ceiling_e4(view, outcome, ask_e4)
    if view.position.holding(outcome).qty_u6 < view.position.holding(outcome.complement).qty_u6:
        # what counts as balanced may leave dust, and this bid is paired with it first
        dust_e4 = dearest_e4(view.unpaired, view.bid_size_u6)
        ceiling_e4 = min(ceiling_e4, view.pair_target_e4 - dust_e4)
    price_e4 = min(price_e4, floor_to_tick_e4(ceiling_e4, tick_e4))
    return Quote(price_e4, view.bid_size_u6) if price_e4 >= tick_e4 else None


def _post_only_ceiling_e4(view: QuoteView, outcome: Outcome, ask_e4: int) -> int:
    """One tick below the merged ask (this book's, or 1 - the complement's bid), less the margin."""
    other_bid_e4 = view.side(outcome.complement).bid_e4
    if other_bid_e4 is not None:
        ask_e4 = min(ask_e4, PRICE_ONE_E4 - other_bid_e4)
    return ask_e4 - view.tick_e4 * (1 + view.side(outcome).extra_ticks)


def _hedge(view: QuoteView) -> Targets:
    net_u6 = view.position.net_diff_u6
    excess = Outcome.UP if net_u6 > 0 else Outcome.DOWN
    missing = view.side(excess.complement)
    if missing.bid_e4 is None:
        return Targets(QuoteMode.NO_BOOK)
    if missing.ask_e4 is None:
        return Targets(QuoteMode.HEDGE)
    quote = _hedge_quote(view, excess, missing.ask_e4, abs(net_u6))
    if excess is Outcome.DOWN:
        return Targets(QuoteMode.HEDGE, quote, None)
    return Targets(QuoteMode.HEDGE, None, quote)


def _hedge_quote(view: QuoteView, excess: Outcome, ask_e4: int, net_u6: int) -> Quote | None:
    size_u6 = hedge_size_u6(net_u6, view.bid_size_u6, view.min_size_u6)
    if view.unpaired:
        ceiling_e4 = view.pair_target_e4 - dearest_e4(view.unpaired, size_u6)
    else:
        holding = view.position.holding(excess)
        # floor(pair_target - cost / qty) without leaving the integers
        ceiling_e4 = (view.pair_target_e4 * holding.qty_u6 - holding.cost_e4u6) // holding.qty_u6
    if not 0 < ceiling_e4 < PRICE_ONE_E4:
        return None
    safe_e4 = _post_only_ceiling_e4(view, excess.complement, ask_e4)
    price_e4 = floor_to_tick_e4(min(ceiling_e4, safe_e4), view.tick_e4)
    if price_e4 < view.tick_e4:
        return None
    return Quote(price_e4, size_u6)


def hedge_size_u6(net_u6: int, bid_size_u6: int, min_size_u6: int) -> int:
    """min(bid size, |net|) on the venue's size grid, raised to the minimum.

    See docs/strategy_guide.md#the-decision.

    Only called when |net| is above dust, so the minimum still lowers |net|.
    """
    size_u6 = min(bid_size_u6, net_u6) // QTY_GRID_U6 * QTY_GRID_U6
    return max(size_u6, min_size_u6)
