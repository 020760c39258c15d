"""Taker fees and maker rebates (docs/venue.md 4.8), in exact integers."""

from __future__ import annotations

import msgspec

from pmcore.model.units import PRICE_ONE_E4, complement_e4
from pmsim.faults.plan import MILLION
from pmsim.venue.ledger import taker_price_e4
from pmsim.venue.ports import MakerFill

FEE_STEP_U6 = 10
"""Fees are charged in hundred-thousandths of a dollar."""


class FeeParams(msgspec.Struct, frozen=True, kw_only=True):
    """A fill pays shares x rate x p(1 - p); a share of that is the maker's. Crypto's values."""

    rate_ppm: int = 70_000
    rebate_ppm: int = 200_000


def taker_fee_u6(params: FeeParams, price_e4: int, qty_u6: int) -> int:
    """What a taker pays for one fill, to the nearest step, half a step up."""
    return (2 * _exact(params, price_e4, qty_u6) // FEE_STEP_U6 + _ONE) // (2 * _ONE) * FEE_STEP_U6


def maker_rebate_u6(params: FeeParams, price_e4: int, qty_u6: int) -> int:
    """What a fill earns its maker, paid by the day: unrounded but for millionths, downwards.

    Pro rata by fee-equivalents is, with one rate, the same share of each fill's own fee.
    """
    return _exact(params, price_e4, qty_u6) * params.rebate_ppm // (MILLION * _ONE)


def priced(
    params: FeeParams, taker: MakerFill, makers: tuple[MakerFill, ...]
) -> tuple[tuple[MakerFill, ...], int]:
    """The makers' parts of a trade with their rebates, and the taker's fee for all of them."""
    fee_u6 = sum(taker_fee_u6(params, taker_price_e4(taker, fill), fill.size_u6) for fill in makers)
    with_rebates = (
        msgspec.structs.replace(
            fill, rebate_u6=maker_rebate_u6(params, fill.price_e4, fill.size_u6)
        )
        for fill in makers
    )
    return tuple(with_rebates), fee_u6


_ONE = MILLION * PRICE_ONE_E4**2


def _exact(params: FeeParams, price_e4: int, qty_u6: int) -> int:
    """The fee times `_ONE`."""
    return params.rate_ppm * price_e4 * complement_e4(price_e4) * qty_u6
