"""Money and shares as integers: prices in 1/10 000 dollar, shares and cash in millionths.

Prices are not held in ticks of the moment, because the venue may change a market's tick size
while it trades (docs/venue.md 4.7). The complement of `p` is `10_000 - p`, exactly.
"""

from __future__ import annotations

from functools import lru_cache

from pmcore.model.errors import MalformedInputError

PRICE_ONE_E4 = 10_000
SHARE_U6 = 1_000_000
MATCHED_DUST_U6 = 100_000
"""A tenth of a share: an order that the venue calls MATCHED may miss less than this."""
DOLLAR_U6 = 1_000_000
DOLLAR_E8 = 100_000_000
"""Prices of an underlying: in 1e-8 dollars."""
PPM_PER_BP = 100
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
QTY_GRID_U6 = 10_000  # the venue floors sizes to 0.01 share (docs/venue.md 4.3)
MAX_QTY_U6 = 10**18
MAX_DOLLARS_E8 = 10**18


def _parse_fixed(text: str, decimals: int, reason: str) -> int:
    whole, dot, fraction = text.partition(".")
    digits = fraction.rstrip("0")
    if (
        not text.isascii()
        or not (whole.isdigit() or (not whole and digits))
        or (dot and fraction and not fraction.isdigit())
        or len(digits) > decimals
        or len(whole) > 15
    ):
        raise MalformedInputError(reason, text[:40])
    return int((whole or "0") + digits.ljust(decimals, "0"))


@lru_cache(maxsize=32_768)
def parse_price_e4(text: str) -> int:
    """`"0.49"` -> 4900. Raise `MalformedInputError` off the 1/10 000 grid or outside [0, 1]."""
    price_e4 = _parse_fixed(text, 4, "bad_price")
    if price_e4 > PRICE_ONE_E4:
        raise MalformedInputError("bad_price", text[:40])
    return price_e4


@lru_cache(maxsize=16_384)
def parse_qty_u6(text: str) -> int:
    """`"634.49"` -> 634_490_000. Raise `MalformedInputError` for anything negative or odd."""
    qty_u6 = _parse_fixed(text, 6, "bad_size")
    if qty_u6 > MAX_QTY_U6:
        raise MalformedInputError("bad_size", text[:40])
    return qty_u6


def parse_dollars_e8(text: str) -> int:
    """`"71000.5"` -> 7_100_050_000_000. Raise `MalformedInputError` unless it is above 0."""
    price_e8 = _parse_fixed(text, 8, "bad_price")
    if not 0 < price_e8 <= MAX_DOLLARS_E8:
        raise MalformedInputError("bad_price", text[:40])
    return price_e8


def _format_fixed(value: int, decimals: int) -> str:
    if value < 0:
        return f"-{_format_fixed(-value, decimals)}"
    digits = str(value).rjust(decimals + 1, "0")
    whole, fraction = digits[:-decimals], digits[-decimals:].rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


@lru_cache(maxsize=16_384)
def format_price(price_e4: int) -> str:
    """4900 -> `"0.49"`: no trailing zero, as the venue writes prices (docs/venue.md 1.3)."""
    return _format_fixed(price_e4, 4)


def format_qty(qty_u6: int) -> str:
    """634_490_000 -> `"634.49"`."""
    return _format_fixed(qty_u6, 6)


def format_dollars_e8(price_e8: int) -> str:
    """7_100_050_000_000 -> `"71000.5"`."""
    return _format_fixed(price_e8, 8)


def format_profit(profit_u6: int) -> str:
    """Dollars with the sign in front: 1_250_000 -> `"+1.25"`, -200_000 -> `"-0.2"`."""
    return f"+{format_qty(profit_u6)}" if profit_u6 > 0 else format_qty(profit_u6)


def complement_e4(price_e4: int) -> int:
    """The other outcome's price: `10_000 - p`, exact."""
    return PRICE_ONE_E4 - price_e4


def floor_to_tick_e4(price_e4: int, tick_e4: int) -> int:
    """The highest grid price not above `price_e4` (which may be negative)."""
    return price_e4 - price_e4 % tick_e4


def is_on_grid(price_e4: int, tick_e4: int) -> bool:
    """Whether a price may rest in a market of this tick: on the grid, in [tick, 1 - tick]."""
    return price_e4 % tick_e4 == 0 and tick_e4 <= price_e4 <= PRICE_ONE_E4 - tick_e4


def value_u6(price_e4: int, qty_u6: int) -> int:
    """Dollars (millionths, floored) of `qty_u6` shares at `price_e4`."""
    return price_e4 * qty_u6 // PRICE_ONE_E4
