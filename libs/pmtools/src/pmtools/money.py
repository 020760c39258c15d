"""Figures for people: what was won has its sign and its currency, what is held its unit."""

from __future__ import annotations

_DECIMALS = 4
_AT_LEAST = 2


def profit_text(dollars: float) -> str:
    """+$1.25 for a gain, -$0.20 for a loss, $0.00 for neither."""
    sign = "" if not round(dollars, _DECIMALS) else "-" if dollars < 0 else "+"
    return f"{sign}${_amount(abs(dollars))}"


def cost_text(dollars: float) -> str:
    """$0.96: a price or a cost, which has no sign."""
    return f"${_amount(dollars)}"


def net_text(shares: float) -> str:
    """+5 shares: more Up than Down; -5 shares: more Down."""
    return f"{shares:+g} shares" if shares else "0 shares"


def figure_text(name: str, value: object) -> str | None:
    """The text of a figure whose name says what it is; None for any other name."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if name.startswith(("profit", "worst_case_profit")):
        return profit_text(value)
    if name in {"portfolio_cost", "paid", "dearest_pair"}:
        return cost_text(value)
    if name == "max_pair_cost":
        return cost_text(value) if value else "no pair held"
    if name == "net_diff":
        return net_text(value)
    return f"{value:g} shares" if name == "max_abs_net_diff" else None


def _amount(dollars: float) -> str:
    whole, _, fraction = f"{dollars:.{_DECIMALS}f}".partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(_AT_LEAST, '0')}"
