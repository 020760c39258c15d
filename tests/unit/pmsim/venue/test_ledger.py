from __future__ import annotations

import pytest

from pmcore.model.errors import InvariantError
from pmcore.model.market import Outcome
from pmcore.model.units import SHARE_U6
from pmsim.venue.ledger import Ledger, Move, moves_of
from pmsim.venue.ports import Account, MakerFill, OrderSide
from support.builders import window as make_window

UP, DOWN = Outcome.UP, Outcome.DOWN
BUY, SELL = OrderSide.BUY, OrderSide.SELL
WINDOW = make_window()


def move(owner: str, outcome: Outcome, side: OrderSide, price_e4: int, shares: float) -> Move:
    return Move(
        owner=owner,
        outcome=outcome,
        side=side,
        qty_u6=round(shares * SHARE_U6),
        cash_u6=round(price_e4 * shares * SHARE_U6 / 10_000),
    )


def funded() -> Ledger:
    ledger = Ledger()
    for owner in ("a", "b"):
        ledger.fund(owner, 100 * SHARE_U6)
    return ledger


def test_a_mint_makes_a_set_and_a_merge_unmakes_it() -> None:
    ledger = funded()
    mint = (move("a", UP, BUY, 4_800, 10), move("b", DOWN, BUY, 5_200, 10))
    ledger.settle(WINDOW, mint)
    assert ledger.cash_u6("a") == 95_200_000
    assert ledger.shares_u6("b", WINDOW.down_token_id) == 10 * SHARE_U6
    assert ledger.sets_u6(WINDOW) == ledger.supply_u6(WINDOW.up_token_id) == 10 * SHARE_U6
    ledger.settle(WINDOW, (move("a", UP, SELL, 5_000, 4), move("b", DOWN, SELL, 5_000, 4)))
    assert ledger.sets_u6(WINDOW) == 6 * SHARE_U6
    assert ledger.unaccounted_u6() == 0


def test_a_transfer_keeps_the_supply_and_can_be_undone() -> None:
    ledger = funded()
    ledger.split("a", WINDOW, 10 * SHARE_U6)
    sale = (move("a", UP, SELL, 6_000, 10), move("b", UP, BUY, 6_000, 10))
    ledger.settle(WINDOW, sale)
    assert ledger.cash_u6("a") == 96 * SHARE_U6
    assert ledger.shares_u6("b", WINDOW.up_token_id) == 10 * SHARE_U6
    ledger.reverse(WINDOW, sale)
    assert ledger.cash_u6("a") == 90 * SHARE_U6
    assert ledger.shares_u6("b", WINDOW.up_token_id) == 0
    assert ledger.sets_u6(WINDOW) == 10 * SHARE_U6


@pytest.mark.parametrize(
    "moves",
    [
        (move("a", UP, BUY, 4_800, 10), move("b", DOWN, BUY, 5_100, 10)),
        (move("a", UP, BUY, 4_800, 10), move("b", UP, BUY, 5_200, 10)),
        (move("a", UP, BUY, 4_800, 10), move("b", DOWN, BUY, 5_200, 9.999999)),
    ],
)
def test_a_match_that_does_not_add_up_is_our_mistake(moves: tuple[Move, ...]) -> None:
    with pytest.raises(InvariantError):
        funded().settle(WINDOW, moves)


@pytest.mark.parametrize("taker_side", OrderSide)
@pytest.mark.parametrize("outcome", Outcome)
def test_a_match_with_six_decimals_makes_and_loses_nothing(
    outcome: Outcome, taker_side: OrderSide
) -> None:
    """2.905659 shares at 0.49 cost 1.42377291: floored for the maker, the taker has the rest."""
    ledger = funded()
    for owner in ("a", "b"):
        ledger.split(owner, WINDOW, 10 * SHARE_U6)

    def fill(owner: str, token: Outcome, side: OrderSide) -> MakerFill:
        return MakerFill(
            order_hash=owner,
            account=Account(owner=owner, maker_address="0x"),
            token_id=WINDOW.token_id(token),
            outcome=token,
            side=side,
            price_e4=4_900,
            size_u6=2_905_659,
        )

    same = outcome is UP
    maker_side = taker_side if not same else (SELL if taker_side is BUY else BUY)
    maker = fill("a", UP, maker_side)
    ledger.settle(WINDOW, moves_of(fill("b", outcome, taker_side), (maker,)))
    assert ledger.unaccounted_u6() == 0
    moved_u6 = 90 * SHARE_U6 - ledger.cash_u6("a")
    assert moved_u6 == (1_423_772 if maker_side is BUY else -1_423_772)
    for token in Outcome:
        assert ledger.supply_u6(WINDOW.token_id(token)) == ledger.issued_u6(WINDOW)
