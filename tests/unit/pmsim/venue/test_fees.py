from __future__ import annotations

import pytest

from pmcore.model.units import SHARE_U6
from pmsim.venue.fees import FeeParams, maker_rebate_u6, taker_fee_u6

FEES = FeeParams()


@pytest.mark.parametrize(
    ("price_e4", "qty_u6", "fee_u6"),
    [
        (5000, SHARE_U6, 17_500),
        (5000, 100 * SHARE_U6, 1_750_000),
        (100, SHARE_U6, 690),  # 0.000693 to five decimals
        (9900, SHARE_U6, 690),
        (100, 10_000, 10),  # 0.00000693: to the nearest step
        (10, 10_000, 0),  # 0.0000007: nothing
    ],
)
def test_a_fee_has_five_decimals(price_e4: int, qty_u6: int, fee_u6: int) -> None:
    assert taker_fee_u6(FEES, price_e4, qty_u6) == fee_u6


def test_a_half_step_is_charged() -> None:
    half = FeeParams(rate_ppm=20)  # 20e-6 * 0.25 * 1 share = 5e-6 dollars
    assert taker_fee_u6(half, 5000, SHARE_U6) == 10
    assert taker_fee_u6(half, 4900, SHARE_U6) == 0


def test_a_rebate_is_a_fifth_of_the_exact_fee() -> None:
    assert maker_rebate_u6(FEES, 5000, SHARE_U6) == 3_500
    assert maker_rebate_u6(FEES, 100, SHARE_U6) == 138
