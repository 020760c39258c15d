"""What an engine counts, for summaries and metrics."""

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
    max_abs_net_diff_u6: int = 0
    max_pair_cost_e4: int = 0
    limit_violations: int = 0

    def add(self, other: EngineCounters) -> None:
        """Add another window's totals; maxima stay maxima."""
        for name in self.__struct_fields__:
            mine, theirs = getattr(self, name), getattr(other, name)
            if name == "orders_rejected":
                for reason, count in theirs.items():
                    mine[reason] = mine.get(reason, 0) + count
            elif name.startswith("max_"):
                setattr(self, name, max(mine, theirs))
            else:
                setattr(self, name, mine + theirs)
