"""The executor's metrics and hop latencies."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Mapping
from functools import partial

from pmcore.engine.execution.engine import ExecutionEngine
from pmcore.messages.execution import (
    CancelFailed,
    ExecutionMessage,
    OrderAccepted,
    OrderCancelled,
    OrderFailed,
    OrderSubmitting,
    OrderUnknown,
    VenueMode,
)
from pmcore.messages.notices import Notice, NoticeKind
from pmcore.messages.orders import CommandMessage, SubmitOrder
from pmcore.model.errors import Reason
from pmcore.shell.service.metrics import ServiceMetrics, begin_with_0

MAX_UNDER_WAY = 1_000
KILL_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""0.1 is the objective (docs/runbook.md#halt-and-resume)."""
_PAPER_KINDS = {"settled": "profit_today", "worst_case": "worst_case_profit_today"}
DENIAL_KINDS = ("command", "key", "auth", "channel", "other")


class ExecutorMetrics:
    """Counts messages as they are made, and times orders on their way."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        self.rejections: Tally[str] = Tally()
        self._metrics = metrics
        self._received_ns: dict[str, int] = {}
        self._sent_ns: dict[str, int] = {}
        self._signed = metrics.counter("orders_signed_total", "Orders signed and recorded")
        self._accepted = metrics.counter("orders_accepted_total", "Orders that the venue took")
        self._rejected = metrics.counter(
            "orders_rejected_total", "Orders denied here or refused by the venue", ["reason"]
        )
        self._unknown = metrics.counter(
            "orders_unknown_total", "POSTs that may or may not have arrived", ["reason"]
        )
        self._cancelled = metrics.counter("cancels_total", "Orders that the venue took back")
        self._cancel_failed = metrics.counter(
            "cancels_failed_total", "Cancels that did not work", ["reason"]
        )
        self._commands = metrics.counter("commands_total", "Commands received", ["kind"])
        self._dropped = metrics.counter(
            "inputs_dropped_total", "Stream entries that could not be used", ["reason"]
        )
        begin_with_0(self._unknown, Reason)
        self._notices = metrics.counter("notices_total", "Notices", ["kind"])
        begin_with_0(self._notices, NoticeKind)
        self._open = metrics.gauge("open_orders", "Orders that may be at the venue")
        budget = metrics.gauge("budget_tokens", "Our count of the rate budget", ["kind"])
        self._order_tokens, self._cancel_tokens = budget.labels("orders"), budget.labels("cancels")
        self._beat_age = metrics.gauge(
            "heartbeat_age_seconds", "Since the last accepted heartbeat; -1 before the first"
        )
        modes = metrics.gauge("venue_mode_state", "1 for the venue's mode now", ["kind"])
        self._modes = {mode: modes.labels(mode.value) for mode in VenueMode}
        self._kill = metrics.gauge(
            "kill_to_last_cancel_seconds",
            "From the last halt to the last cancel that the venue confirmed; -1 before the first",
        )
        self._kill.set(-1)
        self._verified = metrics.gauge(
            "kill_to_verified_seconds",
            "From the last halt to the venue's own list without an order; -1 before the first",
        )
        self._verified.set(-1)
        self._kills = metrics.histogram(
            "kill_seconds",
            "From each halt to the last cancel, and to the venue's own list without an order",
            ["kind"],
            KILL_BUCKETS_S,
        )
        begin_with_0(self._kills, ("cancelled", "verified"))
        self._outliving = metrics.gauge(
            "outliving_orders", "Orders that may be at the venue although their window has closed"
        )
        self._denied = metrics.counter(
            "redis_denied_total", "What Redis refused to any of its users", ["kind"]
        )
        begin_with_0(self._denied, DENIAL_KINDS)
        self._queued = metrics.gauge("unpublished_entries", "Messages that Redis has not confirmed")
        text = "What the same paper orders won today by each fill model, since the start"
        self._paper = metrics.gauge("paper_profit_dollars", text, ["model", "kind"])

    def received(self, command: CommandMessage, at_ns: int) -> None:
        """A command came in."""
        kind = type(command).__name__
        self._commands.labels(kind).inc()
        self._metrics.hop("cmd_to_executor", at_ns - command.ts_step_ns)
        if isinstance(command, SubmitOrder) and len(self._received_ns) < MAX_UNDER_WAY:
            self._received_ns[command.client_order_id] = at_ns

    def sending(self, command: SubmitOrder, at_ns: int) -> None:
        """The POST goes out now."""
        if command.ts_cause_ns:
            self._metrics.hop("book_to_order", at_ns - command.ts_cause_ns)
        if len(self._sent_ns) < MAX_UNDER_WAY:
            self._sent_ns[command.client_order_id] = at_ns

    def answered(self, client_order_id: str, at_ns: int) -> None:
        """The venue answered a POST."""
        if (received_ns := self._received_ns.pop(client_order_id, None)) is not None:
            self._metrics.hop("executor_to_venue", at_ns - received_ns)
        if (sent_ns := self._sent_ns.pop(client_order_id, None)) is not None:
            self._metrics.hop("post_to_answer", at_ns - sent_ns)

    def message(self, message: ExecutionMessage) -> None:
        """A message goes out on `exe`."""
        match message:
            case OrderSubmitting():
                self._signed.inc()
                if (received_ns := self._received_ns.get(message.client_order_id)) is not None:
                    self._metrics.hop("cmd_to_signed", message.ts_exec_ns - received_ns)
            case OrderAccepted():
                self._accepted.inc()
            case OrderFailed():
                self._received_ns.pop(message.client_order_id, None)
                self.rejections[message.reason.value] += 1
                self._rejected.labels(message.reason.value).inc()
            case OrderUnknown():
                self._unknown.labels(message.reason.value).inc()
            case OrderCancelled():
                self._cancelled.inc()
            case CancelFailed():
                self._cancel_failed.labels(message.reason.value).inc()
            case _:
                pass

    def notice(self, notice: Notice) -> None:
        """The engine has a notice for a person."""
        self._notices.labels(notice.kind.value).inc()

    def killed(self, cancelled_s: float, verified_s: float) -> None:
        """After a halt all is cancelled, and the venue's list is empty."""
        self._kill.set(cancelled_s)
        self._verified.set(verified_s)
        self._kills.labels("cancelled").observe(cancelled_s)
        self._kills.labels("verified").observe(verified_s)

    def dropped(self, reason: str) -> None:
        """A stream entry that cannot be used."""
        self._dropped.labels(reason).inc()

    def denied(self, kind: str, times: int) -> None:
        """Redis refused something."""
        self._denied.labels(kind if kind in DENIAL_KINDS else "other").inc(times)

    def watch_paper(self, profits: Callable[[], Mapping[str, Mapping[str, float]]]) -> None:
        """Ask for the money of the UTC day by fill model whenever Prometheus asks."""
        for model in profits():
            for kind, name in _PAPER_KINDS.items():
                shown = partial(_one_of, profits, model, name)
                self._paper.labels(model, kind).set_function(shown)

    def show(
        self, engine: ExecutionEngine, at_ns: int, *, beat_age_s: float | None, queued: int
    ) -> None:
        """Set the gauges."""
        orders, cancels = engine.tokens(at_ns)
        self._open.set(engine.open_orders)
        self._outliving.set(engine.outliving(at_ns))
        self._order_tokens.set(orders)
        self._cancel_tokens.set(cancels)
        self._beat_age.set(-1 if beat_age_s is None else beat_age_s)
        self._queued.set(queued)
        for mode, gauge in self._modes.items():
            gauge.set(mode is engine.venue_mode)


def _one_of(
    profits: Callable[[], Mapping[str, Mapping[str, float]]], model: str, name: str
) -> float:
    return profits()[model][name]
