"""Small seeded worlds, and orders to put into them."""

from __future__ import annotations

from pmcore.model.market import parse_series
from pmcore.model.units import NS_PER_S, SHARE_U6
from pmsim.run.synthetic import SyntheticParams, SyntheticVenue
from pmsim.venue.accounts import AccountsParams
from pmsim.venue.ports import Account, NewOrder, OrderSide, SimulatedVenue, TimeInForce, VenueEvent

WORLD_START_NS = 1_790_766_900 * NS_PER_S
ME = Account(owner="my-key", maker_address="0x" + "11" * 20)


def synthetic(
    *,
    seed: int = 1,
    series: str = "btc-updown-30s",
    start_ns: int = WORLD_START_NS,
    failed_ppm: int = 0,
) -> SyntheticVenue:
    """A world of short windows with our account in it."""
    venue = SyntheticVenue(
        SyntheticParams(
            series=tuple(parse_series(name) for name in series.split(",")),
            seed=seed,
            start_ns=start_ns,
            accounts=AccountsParams(failed_ppm=failed_ppm),
        )
    )
    venue.add_account(ME)
    return venue


def new_order(
    order_hash: str,
    token_id: str,
    price_e4: int,
    *,
    shares: float = 5,
    side: OrderSide = OrderSide.BUY,
    time_in_force: TimeInForce = TimeInForce.GTC,
    post_only: bool = True,
) -> NewOrder:
    """A post-only GTC BUY unless told otherwise."""
    return NewOrder(
        order_hash=order_hash,
        token_id=token_id,
        side=side,
        price_e4=price_e4,
        size_u6=round(shares * SHARE_U6),
        time_in_force=time_in_force,
        post_only=post_only,
    )


def play(venue: SimulatedVenue, seconds: float, *, step_ms: int = 100) -> list[VenueEvent]:
    """Let time pass in steps; all events."""
    events: list[VenueEvent] = []
    until_ns = venue.now_ns + int(seconds * NS_PER_S)
    while venue.now_ns < until_ns:
        events += venue.advance(min(until_ns, venue.now_ns + step_ms * 1_000_000))
    return events
