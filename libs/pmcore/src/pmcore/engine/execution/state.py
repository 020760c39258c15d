"""The executor's state, and the ways in which an order ends; each end answers the open commands."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from pmcore.engine.execution.io import ExecutionOutput, Finished, RateHeaders
from pmcore.engine.execution.records import (
    DEFAULT_RETRY_AFTER_MS,
    MAX_CANCEL_WAIT_MS,
    MAX_RETRY_AFTER_MS,
    CancelAllRecord,
    OrderRecord,
    PendingCancel,
    WindowRecord,
    account_wait_ns,
)
from pmcore.machines.outbox import OutboxState, OutboxTrigger
from pmcore.machines.rate_budget import RESET_TRUST_NS, RateBudget, RateTier, TokenBucket
from pmcore.machines.venue_mode import VenueModes
from pmcore.messages.execution import (
    CancelFailed,
    FailureStage,
    OrderCancelled,
    OrderFailed,
    VenueMode,
    VenueModeChanged,
)
from pmcore.messages.notices import Notice, NoticeKind
from pmcore.messages.orders import CancelOrders, CancelWindow, CommandMessage, SubmitOrder
from pmcore.model.check import invariant
from pmcore.model.errors import Reason
from pmcore.model.params import OrderCaps
from pmcore.model.units import NS_PER_MS

MAX_TEXT = 200


class ExecutionState:
    """All state of one signer, and the outputs of the step in progress."""

    def __init__(
        self,
        tier: RateTier,
        cancel_reserve: int,
        caps: OrderCaps | None,
        *,
        caps_by_series: Mapping[str, OrderCaps] | None = None,
        fenced: bool = False,
        awaits_account: bool = False,
    ) -> None:
        self.at_ns = 0
        self.out: list[ExecutionOutput] = []
        self.deletes: list[str] = []
        self.caps = caps
        self._caps_by_series = caps_by_series or {}
        self.fenced = fenced
        self.awaits_account = awaits_account
        self.leases: dict[str, int] = {}  # the holder's token of each series
        self.budget = RateBudget(tier, cancel_reserve)
        self.modes = VenueModes()
        self.halted: str | None = None
        self.stopping = False
        self.gate_text: str | None = None
        self.windows: dict[str, WindowRecord] = {}
        self.by_hash: dict[str, OrderRecord] = {}
        self.waiting: deque[OrderRecord] = deque()
        self.cancel_all: CancelAllRecord | None = None
        self.cancel_alls = 0  # begun so far

    @property
    def open_orders(self) -> int:
        """Orders that may be at the venue, by what the venue has said."""
        return sum(window.at_venue for window in self.windows.values())

    @property
    def in_line(self) -> int:
        """Orders that wait for the rate budget; `waiting` has those too that were not judged."""
        return sum(not record.unheard for record in self.waiting)

    def outliving(self, at_ns: int) -> int:
        """Those of them whose window has closed."""
        over = (w for w in self.windows.values() if at_ns >= w.window.close_ns)
        return sum(window.at_venue for window in over)

    def caps_of(self, window: WindowRecord) -> OrderCaps | None:
        """The limits of a window: those of its series, else those of all."""
        return self._caps_by_series.get(window.window.series, self.caps)

    def no_lease(self, command: CommandMessage) -> str:
        """Why this command is not obeyed, or "": another one holds the lease of its series.

        While nobody holds it, cancels are obeyed and nothing is placed.
        """
        window = self.windows.get(command.slug)
        if not self.fenced or window is None:
            return ""
        holder = self.leases.get(window.window.series, 0)
        if not holder and isinstance(command, CancelOrders | CancelWindow):
            return ""
        if holder and command.lease_token == holder:
            return ""
        return f"sent with lease token {command.lease_token}, the holder has {holder or 'none'}"

    def find(self, client_order_id: str) -> OrderRecord:
        """The order that an answer of the shell is about."""
        found = (window.orders.get(client_order_id) for window in self.windows.values())
        record = next((record for record in found if record is not None), None)
        invariant(record is not None, f"an answer for an unknown order: {client_order_id}")
        assert record is not None
        return record

    def posting(self, client_order_id: str) -> OrderRecord:
        """The order that a POST's answer is about."""
        record = self.find(client_order_id)
        invariant(record.state is OutboxState.POSTING, "one answer to one POST")
        return record

    def remember(self, window: WindowRecord, record: OrderRecord) -> None:
        """Add an order; remove the oldest ended one when there are too many."""
        record.changed_ns = self.at_ns
        if (forgotten := window.remember(record)) is not None:
            self.by_hash.pop(forgotten.order_hash, None)

    # ---- endings: each order has exactly one -------------------------------------------------

    def deny(self, record: OrderRecord, reason: Reason, text: str) -> None:
        """Refuse an order that was not sent."""
        record.move(self.at_ns, OutboxTrigger.DENIED)
        self._fail(record, FailureStage.DENIED, reason, text)

    def reject(
        self,
        record: OrderRecord,
        reason: Reason,
        text: str,
        stage: FailureStage = FailureStage.REJECTED,
    ) -> None:
        """The order was sent and is not at the venue."""
        record.move(self.at_ns, OutboxTrigger.REFUSED)
        self._fail(record, stage, reason, text)

    def cancelled(self, record: OrderRecord, filled_u6: int | None) -> None:
        """The venue says that it is gone, filled so far or not at all."""
        record.move(self.at_ns, OutboxTrigger.GONE)
        record.ended_ns = self.at_ns
        self.out.append(
            OrderCancelled(
                slug=record.slug,
                client_order_id=record.client_order_id,
                order_hash=record.order_hash,
                filled_u6=filled_u6,
                ts_exec_ns=self.at_ns,
            )
        )
        record.claim(filled_u6, final=True)
        self._close(record)

    def gone(
        self, record: OrderRecord, reason: Reason, text: str, filled_u6: int | None = None
    ) -> None:
        """Nothing rests any more, and not because we cancelled it; or: its end was said before."""
        record.move(self.at_ns, OutboxTrigger.GONE)
        record.ended_ns = self.at_ns if record.ended_ns is None else record.ended_ns
        self.cancel_failed(record.slug, record.client_order_id, reason, text, filled_u6)
        record.claim(filled_u6, final=True)
        self._close(record)

    def _fail(self, record: OrderRecord, stage: FailureStage, reason: Reason, text: str) -> None:
        self.out.append(
            OrderFailed(
                slug=record.slug,
                client_order_id=record.client_order_id,
                stage=stage,
                reason=reason,
                text=text[:MAX_TEXT],
                order_hash=record.order_hash,
                ts_exec_ns=self.at_ns,
            )
        )
        self._close(record)

    def _close(self, record: OrderRecord) -> None:
        window = self.windows[record.slug]
        window.live.pop(record.client_order_id, None)
        window.recount(record)
        record.account_ns = self.at_ns + account_wait_ns(record.account_asks)
        record.command = None
        self.finish_submit(record)
        for pending in record.cancels:
            self.release(pending)
        record.cancels = []

    # ---- answers -----------------------------------------------------------------------------

    def finish_submit(self, record: OrderRecord) -> None:
        """The SubmitOrder command has its answer."""
        if record.token is not None:
            self.out.append(Finished(record.token))
            record.token = None

    def release(self, pending: PendingCancel) -> None:
        """One order less that a CancelOrders command waits for."""
        pending.left -= 1
        if pending.left == 0:
            self.out.append(Finished(pending.token))

    def deny_command(self, command: SubmitOrder, reason: Reason, text: str) -> None:
        """Refuse a command of which no order was made."""
        self.out.append(
            OrderFailed(
                slug=command.slug,
                client_order_id=command.client_order_id,
                stage=FailureStage.DENIED,
                reason=reason,
                text=text,
                ts_exec_ns=self.at_ns,
            )
        )

    def cancel_failed(
        self,
        slug: str,
        client_order_id: str,
        reason: Reason,
        text: str,
        filled_u6: int | None = None,
    ) -> None:
        """Say that a cancel did not work, and why."""
        self.out.append(
            CancelFailed(
                slug=slug,
                client_order_id=client_order_id,
                reason=reason,
                text=text[:MAX_TEXT],
                ts_exec_ns=self.at_ns,
                filled_u6=filled_u6,
            )
        )

    def notice(self, kind: NoticeKind, slug: str, reason: Reason, detail: str = "") -> None:
        """Tell a person."""
        self.out.append(Notice(kind=kind, slug=slug, reason=reason.value, detail=detail[:MAX_TEXT]))

    # ---- what the venue said beside its answer -----------------------------------------------

    def after(self, retry_after_ms: int | None, most_ms: int = MAX_RETRY_AFTER_MS) -> int:
        """When a Retry-After is over, as far as it is believed."""
        wait_ms = DEFAULT_RETRY_AFTER_MS if retry_after_ms is None else retry_after_ms
        return self.at_ns + min(wait_ms, most_ms) * NS_PER_MS

    def apply_rate_headers(self, bucket: TokenBucket, rate: RateHeaders | None) -> None:
        """Correct our count by the venue's headers, downward only."""
        if rate is None:
            return
        bucket.correct(self.at_ns, rate.remaining)
        if rate.remaining <= 0 and rate.reset_ns is not None:
            is_cancels = bucket is self.budget.cancels
            most_ns = MAX_CANCEL_WAIT_MS * NS_PER_MS if is_cancels else RESET_TRUST_NS
            bucket.block(min(rate.reset_ns, self.at_ns + most_ns))

    def note_mode(self, mode: VenueMode | None, retry_after_ms: int | None) -> None:
        """A refusal named the venue's mode."""
        if mode is not None and self.modes.learned(self.at_ns, mode, retry_after_ms):
            self.publish_mode()

    def publish_mode(self) -> None:
        """Tell every window."""
        for slug in self.windows:
            self.publish_mode_to(slug)

    def publish_mode_to(self, slug: str) -> None:
        """Tell one window."""
        self.out.append(
            VenueModeChanged(
                slug=slug,
                mode=self.modes.mode,
                until_ns=self.modes.until_ns,
                ts_exec_ns=self.at_ns,
            )
        )
