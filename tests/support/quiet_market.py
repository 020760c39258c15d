"""A market of a synthetic world where nobody trades yet but the test's own accounts."""

from __future__ import annotations

from typing import Any

import msgspec

from pmcore.model.market import Outcome, Window, parse_series
from pmcore.model.units import NS_PER_S, SHARE_U6
from pmsim.crowd.world_params import LIGHT, UnderlyingParams, WorldParams
from pmsim.run.synthetic import SyntheticParams, SyntheticVenue
from pmsim.venue.accounts import AccountsParams
from pmsim.venue.ports import (
    Account,
    NewOrder,
    OrderSide,
    PlaceResult,
    TimeInForce,
    UserFrame,
    VenueEvent,
)
from support.sim_worlds import WORLD_START_NS, new_order

ANN = Account(owner="ann", maker_address="0x" + "aa" * 20)
BOB = Account(owner="bob", maker_address="0x" + "bb" * 20)
START_U6 = 1_000 * SHARE_U6


STILL = WorldParams(crowd=LIGHT.crowd, underlying=UnderlyingParams(sigma_bp=0.0, jumps_per_min=0.0))
"""Nothing moves the coin: both outcomes stay near one half to the end."""


class QuietMarket:
    """The venue, one empty market, and accounts with a thousand dollars and `sets` each."""

    def __init__(
        self,
        *,
        sets: int = 100,
        lead: int = 2,
        accounts: AccountsParams | None = None,
        **world: Any,
    ) -> None:
        (spec,) = (parse_series("btc-updown-5m"),)
        params = SyntheticParams(
            series=(spec,),
            seed=1,
            start_ns=WORLD_START_NS,
            accounts=accounts or AccountsParams(cash_u6=START_U6 + sets * SHARE_U6),
            world=STILL,
            **world,
        )
        self.venue = SyntheticVenue(params)
        open_s = WORLD_START_NS // NS_PER_S + lead * 300
        listing = self.venue.listing(f"btc-updown-5m-{open_s}")
        assert listing is not None
        self.window: Window = listing.window
        self.posted = 0
        for account in (ANN, BOB):
            self.venue.add_account(account)
            if sets:
                done = self.venue.split(
                    account.owner, self.window.condition_id, sets * SHARE_U6, self.now_ns
                )
                assert done.error == ""
        self.venue.advance(self.now_ns)

    @property
    def now_ns(self) -> int:
        return self.venue.now_ns

    def order(
        self,
        price_e4: int,
        shares: float = 10,
        *,
        outcome: Outcome = Outcome.UP,
        sell: bool = False,
        kind: TimeInForce = TimeInForce.GTC,
        **changes: Any,
    ) -> NewOrder:
        """A plain order with a hash of its own, not post-only unless told."""
        self.posted += 1
        order = new_order(
            f"0x{self.posted}",
            self.window.token_id(outcome),
            price_e4,
            shares=shares,
            side=OrderSide.SELL if sell else OrderSide.BUY,
            time_in_force=kind,
            post_only=False,
        )
        return msgspec.structs.replace(order, **changes)

    def post(self, account: Account, price_e4: int, shares: float = 10, **how: Any) -> PlaceResult:
        return self.venue.place(account.owner, self.order(price_e4, shares, **how), self.now_ns)

    def later(self, seconds: float) -> list[VenueEvent]:
        """Let time pass; all events of this market and its accounts."""
        events = self.venue.advance(self.now_ns + int(seconds * NS_PER_S))
        return [event for event in events if event.condition_id == self.window.condition_id]

    def frames(self, seconds: float = 0.0) -> list[dict[str, object]]:
        """Let time pass; the user frames."""
        return [event.frame for event in self.later(seconds) if isinstance(event, UserFrame)]
