"""Reports of merges with sensible defaults."""

from __future__ import annotations

from pmcore.messages.execution import MergeReported, MergeStatus
from pmcore.model.units import PRICE_ONE_E4, SHARE_U6
from support.builders import T0_NS, window

MERGED, FAILED, UNKNOWN = MergeStatus.MERGED, MergeStatus.FAILED, MergeStatus.UNKNOWN


def dollars(amount: float) -> int:
    """In price_e4 x qty_u6."""
    return int(amount * SHARE_U6) * PRICE_ONE_E4


def merge_report(
    merge_id: str = "m1",
    status: MergeStatus = MERGED,
    *,
    pairs: int = 5,
    up: float = 0,
    down: float = 0,
    at_ns: int = T0_NS,
) -> MergeReported:
    """What became of a merge; `up` and `down` are what its shares had cost, in dollars."""
    return MergeReported(
        slug=window().slug,
        merge_id=merge_id,
        size_u6=pairs * SHARE_U6,
        status=status,
        up_cost_e4u6=dollars(up),
        down_cost_e4u6=dollars(down),
        ts_exec_ns=at_ns,
    )
