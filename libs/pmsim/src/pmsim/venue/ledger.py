"""Cash and shares of every account of a simulated venue, and the complete sets outstanding.

Law (checked by `sim.checkers`): per market, the shares of Up and of Down, with those burnt by
redemption, each add up to the sets issued; over all, cash plus outstanding sets never changes.
Matched trades move value at once: a real trade is provisional until mined, so `reverse` undoes one
exactly. Fees go to the house, whose account is one like any other.
What a match costs is floored to a millionth once, for its maker; the taker's part is the rest.
"""

from __future__ import annotations

import msgspec

from pmcore.model.check import invariant
from pmcore.model.market import Outcome, Window
from pmcore.model.units import complement_e4, value_u6
from pmsim.venue.ports import MakerFill, OrderSide

HOUSE = "house"
"""Who collects the takers' fees."""


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """One party's part of a match: its own token and side, its shares, the cash they cost."""

    owner: str
    outcome: Outcome
    side: OrderSide
    qty_u6: int
    cash_u6: int


class Ledger:
    """All holdings. Accounts appear when they are first funded or first trade."""

    def __init__(self) -> None:
        self._cash_u6: dict[str, int] = {}
        self._shares_u6: dict[tuple[str, str], int] = {}
        self._sets_u6: dict[str, int] = {}
        self._redeemed_u6: dict[str, int] = {}
        self._burnt_u6: dict[str, int] = {}
        self._fees_u6: dict[str, int] = {}
        self._rebates_u6: dict[str, int] = {}
        self._funded_u6 = 0

    def fund(self, owner: str, cash_u6: int) -> None:
        """Bring cash into the world."""
        self._cash_u6[owner] = self.cash_u6(owner) + cash_u6
        self._funded_u6 += cash_u6

    def split(self, owner: str, window: Window, qty_u6: int) -> None:
        """Turn cash into complete sets."""
        self._cash_u6[owner] = self.cash_u6(owner) - qty_u6
        self._sets_u6[window.slug] = self.sets_u6(window) + qty_u6
        for outcome in Outcome:
            self._add(owner, window.token_id(outcome), qty_u6)

    def merge(self, owner: str, window: Window, qty_u6: int) -> None:
        """Turn complete sets into cash."""
        self.split(owner, window, -qty_u6)

    def redeem(self, owner: str, window: Window, winner: Outcome, held: dict[Outcome, int]) -> int:
        """Burn shares of a resolved market; the winner's pay a dollar each. Return the cash."""
        for outcome, qty_u6 in held.items():
            token_id = window.token_id(outcome)
            self._add(owner, token_id, -qty_u6)
            self._burnt_u6[token_id] = self._burnt_u6.get(token_id, 0) + qty_u6
        paid_u6 = held[winner]
        self._cash_u6[owner] = self.cash_u6(owner) + paid_u6
        self._sets_u6[window.slug] = self.sets_u6(window) - paid_u6
        self._redeemed_u6[window.slug] = self._redeemed_u6.get(window.slug, 0) + paid_u6
        return paid_u6

    def charge(self, owner: str, fee_u6: int) -> None:
        """Take a fee; a negative one gives it back."""
        self._cash_u6[owner] = self.cash_u6(owner) - fee_u6
        self._cash_u6[HOUSE] = self.cash_u6(HOUSE) + fee_u6
        self._fees_u6[owner] = self.fees_u6(owner) + fee_u6

    def accrue(self, owner: str, rebate_u6: int) -> None:
        """Promise a rebate; a negative one takes the promise back. No cash moves."""
        self._rebates_u6[owner] = self.rebates_u6(owner) + rebate_u6

    def fees_u6(self, owner: str) -> int:
        """Fees paid so far."""
        return self._fees_u6.get(owner, 0)

    def rebates_u6(self, owner: str) -> int:
        """Rebates promised so far."""
        return self._rebates_u6.get(owner, 0)

    def settle(self, window: Window, moves: tuple[Move, ...]) -> None:
        """Apply both sides of a match: a transfer, a mint or a merge, as the moves say."""
        self._apply(window, moves, sign=1)

    def reverse(self, window: Window, moves: tuple[Move, ...]) -> None:
        """Undo a match that failed on the chain."""
        self._apply(window, moves, sign=-1)

    def cash_u6(self, owner: str) -> int:
        """Cash of an account."""
        return self._cash_u6.get(owner, 0)

    def shares_u6(self, owner: str, token_id: str) -> int:
        """Shares of a token."""
        return self._shares_u6.get((owner, token_id), 0)

    def holdings_u6(self, owner: str) -> dict[str, int]:
        """All tokens of which an account holds shares (or owes, after a failed trade)."""
        return {
            token: qty_u6
            for (holder, token), qty_u6 in self._shares_u6.items()
            if holder == owner and qty_u6
        }

    def sets_u6(self, window: Window) -> int:
        """Complete sets outstanding in a market."""
        return self._sets_u6.get(window.slug, 0)

    def unaccounted_u6(self) -> int:
        """Cash and sets beyond what was brought in; 0 always."""
        return sum(self._cash_u6.values()) + sum(self._sets_u6.values()) - self._funded_u6

    def supply_u6(self, token_id: str) -> int:
        """All shares of a token, with those burnt; equals the sets issued always."""
        held_u6 = sum(qty for (_, token), qty in self._shares_u6.items() if token == token_id)
        return held_u6 + self._burnt_u6.get(token_id, 0)

    def issued_u6(self, window: Window) -> int:
        """Complete sets outstanding and redeemed."""
        return self.sets_u6(window) + self._redeemed_u6.get(window.slug, 0)

    def _apply(self, window: Window, moves: tuple[Move, ...], *, sign: int) -> None:
        supply_u6 = dict.fromkeys(Outcome, 0)
        cash_u6 = 0
        for move in moves:
            gain = sign if move.side is OrderSide.BUY else -sign
            paid_u6 = gain * move.cash_u6
            self._cash_u6[move.owner] = self.cash_u6(move.owner) - paid_u6
            self._add(move.owner, window.token_id(move.outcome), gain * move.qty_u6)
            supply_u6[move.outcome] += gain * move.qty_u6
            cash_u6 += paid_u6
        minted_u6 = supply_u6[Outcome.UP]
        invariant(minted_u6 == supply_u6[Outcome.DOWN], "a match made shares of one token only")
        invariant(minted_u6 == cash_u6, "a match made or lost money")
        self._sets_u6[window.slug] = self.sets_u6(window) + minted_u6

    def _add(self, owner: str, token_id: str, qty_u6: int) -> None:
        key = (owner, token_id)
        self._shares_u6[key] = self._shares_u6.get(key, 0) + qty_u6


def taker_price_e4(taker: MakerFill, maker: MakerFill) -> int:
    """What a match costs the taker, in its own token's terms: the maker's price decides."""
    same = taker.outcome is maker.outcome
    return maker.price_e4 if same else complement_e4(maker.price_e4)


def moves_of(taker: MakerFill, makers: tuple[MakerFill, ...]) -> tuple[Move, ...]:
    """Both parties of each match, the taker at the maker's price in the taker's own terms."""
    moves: list[Move] = []
    for maker in makers:
        maker_u6 = value_u6(maker.price_e4, maker.size_u6)
        taker_u6 = maker_u6 if maker.outcome is taker.outcome else maker.size_u6 - maker_u6
        for fill, cash_u6 in ((maker, maker_u6), (taker, taker_u6)):
            moves.append(
                Move(
                    owner=fill.account.owner,
                    outcome=fill.outcome,
                    side=fill.side,
                    qty_u6=maker.size_u6,
                    cash_u6=cash_u6,
                )
            )
    return tuple(moves)
