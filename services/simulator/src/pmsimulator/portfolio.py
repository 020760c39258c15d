"""What a wallet did and holds, as the Data API counts it: deals that are on the chain, positions.

Money in millionths of a dollar, sizes in millionths of a share. Costs are averages of what was
bought; shares from a split have no cost, because no trade shows one.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pmcore.model.market import Outcome
from pmcore.model.units import PRICE_ONE_E4, SHARE_U6, value_u6
from pmsim.venue.ports import ListedWindow, MakerFill, OrderSide, TradeRecord
from pmsimulator.world import World

NOBODY = "0x" + "00" * 20
"""The wallet of the crowd's trades: public prints name nobody."""
SMALLEST_U6 = SHARE_U6 // 10
"""Holdings below 0.1 share are hidden (docs/venue.md 9)."""


class Deal(msgspec.Struct, frozen=True, kw_only=True):
    """One wallet's part of a trade, in its own token and side."""

    wallet: str
    condition_id: str
    token_id: str
    side: OrderSide
    price_e4: int
    size_u6: int
    at_ns: int
    transaction_hash: str
    taker: bool
    fee_u6: int = 0

    @property
    def cash_u6(self) -> int:
        """What it cost or brought, without fees."""
        return value_u6(self.price_e4, self.size_u6)


class HeldShares(msgspec.Struct, kw_only=True):
    """A wallet's position in one token. `pair` says that the other token is held as well."""

    wallet: str
    listing: ListedWindow
    token_id: str
    size_u6: int
    pair: bool = False
    bought_u6: int = 0
    bought_cash_u6: int = 0
    fees_u6: int = 0
    realized_u6: int = 0
    first_ns: int = 0
    last_ns: int = 0

    @property
    def outcome(self) -> Outcome:
        """The token's outcome."""
        is_up = self.token_id == self.listing.window.up_token_id
        return Outcome.UP if is_up else Outcome.DOWN

    @property
    def price_e4(self) -> int:
        """What a share is worth now; after the resolution 1 or 0."""
        if self.listing.winner is not None:
            return PRICE_ONE_E4 if self.listing.winner is self.outcome else 0
        up_e4 = self.listing.up_price_e4
        return up_e4 if self.outcome is Outcome.UP else PRICE_ONE_E4 - up_e4

    @property
    def average_e6(self) -> int:
        """Average price of what was bought, in millionths of a dollar."""
        return self.bought_cash_u6 * SHARE_U6 // self.bought_u6 if self.bought_u6 else 0

    @property
    def cost_u6(self) -> int:
        """The average price times what is held."""
        return self.average_e6 * self.size_u6 // SHARE_U6

    @property
    def value_u6(self) -> int:
        """The present price times what is held."""
        return value_u6(self.price_e4, self.size_u6)

    @property
    def status(self) -> str:
        """As a row reports it."""
        if not self.size_u6:
            return "CLOSED"
        return "REDEEMABLE" if self.listing.closed else "OPEN"


def deals_of(world: World, wallet: str) -> list[Deal]:
    """A wallet's deals that have a transaction and did not fail, newest first."""
    found = [
        _deal(trade, fill, taker=index == 0)
        for account in world.accounts_of(wallet)
        for trade in world.venue.trades(account.owner)
        if trade.transaction_hash and trade.status != "FAILED"
        for index, fill in enumerate((trade.taker_fill, *trade.makers))
        if fill.account.owner == account.owner
    ]
    return sorted(found, key=lambda deal: deal.at_ns, reverse=True)


def public_deals(world: World) -> list[Deal]:
    """The latest prints of all markets, newest first; our accounts' own by their wallet."""
    wallets = {
        trade.transaction_hash: trade.taker.maker_address
        for account in world.accounts
        for trade in world.venue.trades(account.owner)
        if trade.transaction_hash
    }
    return [
        Deal(
            wallet=wallets.get(one.transaction_hash, NOBODY),
            condition_id=one.condition_id,
            token_id=one.token_id,
            side=one.side,
            price_e4=one.price_e4,
            size_u6=one.size_u6,
            at_ns=one.at_ns,
            transaction_hash=one.transaction_hash,
            taker=True,
        )
        for one in world.tape.prints()
    ]


def holdings_of(world: World, wallet: str) -> list[HeldShares]:
    """A wallet's positions, also those it no longer holds; dust is left out."""
    shares_u6: dict[str, int] = {}
    for account in world.accounts_of(wallet):
        for token_id, size_u6 in world.venue.account_audit(account.owner).shares_u6.items():
            shares_u6[token_id] = shares_u6.get(token_id, 0) + size_u6
    deals = list(reversed(deals_of(world, wallet)))
    tokens = dict.fromkeys([*(deal.token_id for deal in deals), *shares_u6])
    found = (_holding(world, wallet, token_id, shares_u6, deals) for token_id in tokens)
    return [one for one in found if one is not None and not 0 < one.size_u6 < SMALLEST_U6]


def _deal(trade: TradeRecord, fill: MakerFill, *, taker: bool) -> Deal:
    return Deal(
        wallet=fill.account.maker_address,
        condition_id=trade.condition_id,
        token_id=fill.token_id,
        side=fill.side,
        price_e4=fill.price_e4,
        size_u6=fill.size_u6,
        at_ns=trade.matched_ns,
        transaction_hash=trade.transaction_hash,
        taker=taker,
        fee_u6=trade.fee_u6 if taker else 0,
    )


def _holding(
    world: World, wallet: str, token_id: str, shares_u6: dict[str, int], deals: list[Deal]
) -> HeldShares | None:
    listing = world.listing_of(token_id)
    if listing is None:
        return None
    window = listing.window
    other = window.down_token_id if token_id == window.up_token_id else window.up_token_id
    holding = HeldShares(
        wallet=wallet,
        listing=listing,
        token_id=token_id,
        size_u6=shares_u6.get(token_id, 0),
        pair=min(shares_u6.get(token_id, 0), shares_u6.get(other, 0)) > 0,
    )
    for deal in _of_token(deals, token_id):
        holding.first_ns = holding.first_ns or deal.at_ns
        holding.last_ns = deal.at_ns
        holding.fees_u6 += deal.fee_u6
        if deal.side is OrderSide.BUY:
            holding.bought_u6 += deal.size_u6
            holding.bought_cash_u6 += deal.cash_u6
        else:
            cost_u6 = holding.average_e6 * deal.size_u6 // SHARE_U6
            holding.realized_u6 += deal.cash_u6 - cost_u6
    return holding


def _of_token(deals: list[Deal], token_id: str) -> Iterator[Deal]:
    return (deal for deal in deals if deal.token_id == token_id)
