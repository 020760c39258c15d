"""What an engine counts: the one list; summaries and metrics are derived from it."""

from __future__ import annotations

import msgspec


class EngineCounters(msgspec.Struct, kw_only=True):
    """Totals of one window; the caller adds them up over windows."""

    trades: int = 0
    quotes_submitted: int = 0
    requotes: int = 0
    orders_placed: int = 0
    orders_cancelled: int = 0
    orders_rejected: dict[str, int] = msgspec.field(default_factory=dict)
    fills: int = 0
    filled_u6: int = 0
    fills_reversed: int = 0
    fills_unsettled: int = 0
    distrusted: int = 0
    positions_differed: int = 0
    max_abs_net_diff_u6: int = 0
    max_pair_cost_e4: int = 0
    limit_violations: int = 0

    def add(self, other: EngineCounters) -> None:
        """Add another window's totals; maxima stay maxima."""
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in MAXIMA:
            setattr(self, name, max(getattr(self, name), getattr(other, name)))
        for reason, count in other.orders_rejected.items():
            self.orders_rejected[reason] = self.orders_rejected.get(reason, 0) + count


MAXIMA = tuple(n for n in EngineCounters.__struct_fields__ if n.startswith("max_"))
"""Fields of which the largest counts."""

SUMS = tuple(
    n for n in EngineCounters.__struct_fields__ if n not in MAXIMA and n != "orders_rejected"
)
"""Fields that are added up; `orders_rejected` is added up by reason."""
