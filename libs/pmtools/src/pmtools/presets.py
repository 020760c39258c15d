"""The presets of this checkout, and what settings can lose in the worst case."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal

import msgspec

from pmcore.model.params import LimitParams
from pmcore.model.units import PRICE_ONE_E4, SHARE_U6
from pmcore.shell.settings.presets import VARIABLE, AppliedPreset, PresetError, apply_preset
from pmtools.control.checkout import find_checkout
from pmtools.errors import UsageError

FOLDER = "presets"
_CENT = Decimal("0.01")


class WorstCase(msgspec.Struct, frozen=True):
    """Dollars that are lost at most, rounded up to the cent. `day` is None when nothing limits it.

    Of one series; the venue's fees and what fails outside of the engine are not in it.
    """

    window: Decimal
    day: Decimal | None

    @property
    def sentence(self) -> str:
        """For people."""
        text = f"a window loses at most {self.window} dollars"
        if self.day is None:
            return f"{text}, a day is not limited"
        return f"{text}, a day at most {self.day}"


def with_preset(environ: Mapping[str, str], name: str | None = None) -> AppliedPreset:
    """Apply the preset `name`, else that of PM_PRESET. Raise `UsageError` for an unknown one."""
    given = {**environ, VARIABLE: name} if name else environ
    if not given.get(VARIABLE):
        return AppliedPreset({key: value for key, value in environ.items() if key != VARIABLE})
    checkout = find_checkout()
    if checkout is None:
        raise UsageError(f"{VARIABLE}: presets are in a checkout, and there is none here")
    try:
        return apply_preset(given, checkout / FOLDER)
    except PresetError as error:
        raise UsageError(str(error)) from error


def worst_case(limits: LimitParams) -> WorstCase:
    """What the hard limits allow, if all that is unpaired loses.

    Unpaired shares cost less than the limit of one side's value, and, as a share costs less than a
    dollar, less than the limit of the net difference in dollars. With a limit C of the pair's cost
    above 1.00, pairs cost less than C each and less than twice the limit of a side together: they
    lose at most that times (C - 1) / C. The daily limit stops new risk when it is reached, so that
    what rests in the window may come on top.
    """
    value = Decimal(limits.max_position_value_u6) / SHARE_U6
    unpaired = min(value, Decimal(limits.max_net_diff_u6) / SHARE_U6)
    cost = Decimal(limits.max_portfolio_cost_e4) / PRICE_ONE_E4
    pairs = 2 * value * (cost - 1) / cost if cost > 1 else Decimal(0)
    window = unpaired + pairs
    daily_u6 = limits.max_daily_loss_u6
    day = None if daily_u6 is None else Decimal(daily_u6) / SHARE_U6 + window
    return WorstCase(_cents(window), None if day is None else _cents(day))


def _cents(dollars: Decimal) -> Decimal:
    return dollars.quantize(_CENT, rounding=ROUND_CEILING)
