from __future__ import annotations

import pytest

from pmcore.machines.balance_check import REMEMBERED, TOLERANCE_U6, BalanceCheck
from pmcore.messages.user import FillReported, TradeStatus
from pmcore.model.units import NS_PER_S

DOLLAR = 1_000_000
STAYS_S, LAG_S = 60, 180
MATCHED, MINED, CONFIRMED = TradeStatus.MATCHED, TradeStatus.MINED, TradeStatus.CONFIRMED


class Wallet:
    """Ten dollars at first; each fill costs 2.35."""

    def __init__(self) -> None:
        self.check = BalanceCheck(STAYS_S * NS_PER_S, LAG_S * NS_PER_S)
        self.read(0, 10)

    def read(self, at_s: float, dollars: float) -> float:
        return self.check.read(int(at_s * NS_PER_S), round(dollars * DOLLAR)) / DOLLAR

    def fill(self, at_s: float, trade_id: str = "t", status: TradeStatus = MATCHED) -> None:
        fill = FillReported(
            trade_id=trade_id,
            order_hash="0xo",
            condition_id="0xc",
            token_id="1",
            price_e4=4700,
            size_u6=5_000_000,
            status=status,
            ts_event_ns=0,
            ts_recv_ns=0,
        )
        self.check.hear(int(at_s * NS_PER_S), fill)


@pytest.fixture
def wallet() -> Wallet:
    return Wallet()


def test_what_left_without_a_fill_is_told_once(wallet: Wallet) -> None:
    assert wallet.read(30, 7) == 0  # its fill may be told late
    assert wallet.read(89, 7) == 0
    assert wallet.read(90, 7) == 3
    assert wallet.read(120, 7) == wallet.read(180, 7) == 0
    assert wallet.read(210, 5) == 0
    assert wallet.read(270, 5) == 2


def test_a_fill_explains_its_cost_whenever_the_money_leaves(wallet: Wallet) -> None:
    wallet.fill(1)
    assert wallet.read(30, 10) == 0
    wallet.fill(31, status=MINED)
    wallet.fill(32, status=CONFIRMED)
    assert wallet.read(60, 10) == 0  # shown late
    assert wallet.read(90, 7.65) == 0
    assert wallet.read(31 + LAG_S, 7.65) == 0  # paid by now: it explains nothing more
    assert wallet.read(300, 5.3) == 0
    assert wallet.read(360, 5.3) == 2.35


def test_a_fill_that_is_told_late_explains_what_had_left(wallet: Wallet) -> None:
    assert wallet.read(30, 7.65) == 0
    wallet.fill(50, status=CONFIRMED)
    assert wallet.read(90, 7.65) == wallet.read(150, 7.65) == 0


def test_a_fill_that_failed_explains_nothing(wallet: Wallet) -> None:
    wallet.fill(1)
    wallet.fill(2, status=TradeStatus.FAILED)
    wallet.fill(3, "unknown", TradeStatus.FAILED)
    wallet.read(30, 7.65)
    assert wallet.read(90, 7.65) == 2.35


def test_a_fill_that_never_settles_goes_on_to_explain(wallet: Wallet) -> None:
    wallet.fill(1)
    assert wallet.read(1_000, 10) == wallet.read(2_000, 7.65) == wallet.read(3_000, 7.65) == 0


def test_money_that_comes_is_no_news_and_hides_no_later_fall(wallet: Wallet) -> None:
    assert wallet.read(30, 50) == 0
    wallet.read(60, 40)
    assert wallet.read(120, 40) == 10


def test_a_fall_that_ends_in_time_is_not_told(wallet: Wallet) -> None:
    wallet.read(30, 7)
    assert wallet.read(60, 10) == 0
    assert wallet.read(90, 7) == 0


@pytest.mark.parametrize(("beyond_u6", "told"), [(0, 0.0), (1, (TOLERANCE_U6 + 1) / DOLLAR)])
def test_a_few_cents_are_rounding(wallet: Wallet, beyond_u6: int, told: float) -> None:
    dollars = 10 - (TOLERANCE_U6 + beyond_u6) / DOLLAR
    wallet.read(30, dollars)
    assert wallet.read(90, dollars) == told


def test_its_memory_is_bounded(wallet: Wallet) -> None:
    for number in range(REMEMBERED + 1):
        wallet.fill(1, str(number))
    wallet.read(30, 10 - 2.35 * (REMEMBERED + 1))
    assert wallet.read(90, 10 - 2.35 * (REMEMBERED + 1)) == 2.35
