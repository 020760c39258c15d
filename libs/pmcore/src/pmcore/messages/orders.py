"""Commands on `{series}:cmd`, from the strategy to the executor.

`lease_token` is the fencing token of the strategy's lease on the series, 0 without one.
`account_entry_id` names the newest entry of `user` that the strategy had read (ms, number), (0, 0)
before the first: what the executor has to have heard before it judges.
"""

from __future__ import annotations

from pmcore.messages.base import Message
from pmcore.model.market import Outcome


class SubmitOrder(Message, frozen=True, kw_only=True):
    """Place one post-only GTC BUY. There is no other kind of order in this system.

    `ts_cause_ns` is the receive time of the newest market data in the batch that led to the
    decision (0: something else did), `ts_step_ns` the strategy's clock when it decided.
    Denied from `expires_at_ns` on.
    """

    client_order_id: str
    slug: str
    outcome: Outcome
    price_e4: int
    size_u6: int
    tick_e4: int
    expires_at_ns: int
    ts_step_ns: int
    ts_cause_ns: int = 0
    lease_token: int = 0
    account_entry_id: tuple[int, int] = (0, 0)


class CancelOrders(Message, frozen=True, kw_only=True):
    """Cancel these orders, by our ids, in one batch; of one that is gone, say what was matched.

    `order_hashes` are the venue's ids in the same order, "" where none is known yet: so an executor
    that was restarted can ask about an order that it does not remember.
    """

    slug: str
    client_order_ids: tuple[str, ...]
    reason: str
    ts_step_ns: int
    ts_cause_ns: int = 0
    order_hashes: tuple[str, ...] = ()
    lease_token: int = 0


class CancelWindow(Message, frozen=True, kw_only=True):
    """Cancel every order of a window, then ask the venue until it says that none is open.

    Answered by `WindowFlat`, or by `CancelFailed` with NOT_FLAT as often as the venue says no.
    """

    slug: str
    reason: str
    ts_step_ns: int
    lease_token: int = 0


class MergePairs(Message, frozen=True, kw_only=True):
    """Merge complete sets: `size_u6` of each outcome become as many dollars (docs/venue.md 9).

    Refused from `expires_at_ns` on. Answered by `MergeReported`; never sent twice.
    """

    merge_id: str
    slug: str
    size_u6: int
    expires_at_ns: int
    ts_step_ns: int
    lease_token: int = 0
    account_entry_id: tuple[int, int] = (0, 0)


CommandMessage = SubmitOrder | CancelOrders | CancelWindow | MergePairs
