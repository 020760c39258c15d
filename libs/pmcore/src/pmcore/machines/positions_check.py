"""Whether the venue's positions agree with what we believe to hold.

The Data API lags behind the chain, so a range is compared: at least what had settled before the
lag began, at most all that may be held now. A difference is believed once it stayed.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pmcore.model.market import Outcome
from pmcore.model.units import SHARE_U6, format_qty

HIDDEN_U6 = SHARE_U6 // 10
"""The Data API hides less than this (docs/venue.md 9)."""


class Believed(msgspec.Struct, frozen=True):
    """The fewest and the most shares of an outcome that the Data API may show."""

    least_u6: int
    most_u6: int


class PositionsCheck:
    """The check of one window. `difference` is what is believed to differ, "" when nothing is."""

    def __init__(self, stays_ns: int, lag_ns: int) -> None:
        self.difference = ""
        self.unverified = False
        self._stays_ns = stays_ns
        self._lag_ns = lag_ns
        self._doubted_ns = 0
        self._since_ns: int | None = None

    def doubt(self, doubted_ns: int) -> None:
        """Something about own trades could not be read then: only positions can end that."""
        if doubted_ns > self._doubted_ns:
            self._doubted_ns = doubted_ns
            self.unverified = True

    def compare(
        self, asked_ns: int, held_u6: Mapping[Outcome, int], believed: Mapping[Outcome, Believed]
    ) -> None:
        """Judge one reading of the positions."""
        differs = [
            f"{format_qty(held_u6[o])} {o.value} shares at the venue, {_range(b)} believed"
            for o, b in believed.items()
            if not b.least_u6 - HIDDEN_U6 < held_u6[o] < b.most_u6 + HIDDEN_U6
        ]
        if not differs:
            self.difference, self._since_ns = "", None
            if asked_ns - self._lag_ns >= self._doubted_ns:
                self.unverified = False
            return
        if self._since_ns is None:
            self._since_ns = asked_ns
        if asked_ns - self._since_ns >= self._stays_ns:
            self.difference = "; ".join(differs)


def _range(believed: Believed) -> str:
    least, most = format_qty(believed.least_u6), format_qty(believed.most_u6)
    return least if least == most else f"{least} to {most}"
