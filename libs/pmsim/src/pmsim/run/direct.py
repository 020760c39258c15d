"""An executor without a network: commands go straight to a simulated venue, with latency.

Keeps the real executor's promises: `OrderSubmitting` before the order can reach the venue, a
command denied once expired, exactly one end to every submit. Order ids are digests of our ids. The
answer takes its own time back, so a fill on the user channel may well come before it.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from pmcore.messages.execution import (
    CancelFailed,
    ExecutionMessage,
    FailureStage,
    OrderAccepted,
    OrderCancelled,
    OrderFailed,
    OrderSubmitting,
    WindowFlat,
)
from pmcore.messages.orders import CancelOrders, CancelWindow, CommandMessage, SubmitOrder
from pmcore.model.errors import Reason
from pmcore.model.market import Window
from pmcore.model.units import NS_PER_MS
from pmcore.venue.rest_models import classify_error
from pmsim.run.scheduler import Scheduler
from pmsim.venue.answers import MATCHED_TEXT
from pmsim.venue.identity import digest_hex
from pmsim.venue.ports import Account, NewOrder, OrderSide, PlaceResult, SimulatedVenue


class DirectParams(msgspec.Struct, frozen=True, kw_only=True):
    """Time to the venue and back."""

    entry_latency_ms: int = 40
    answer_latency_ms: int = 25


class DirectExecutor:
    """One account's executor. `answers` come out of `advance`, in order of arrival."""

    def __init__(self, venue: SimulatedVenue, account: Account, params: DirectParams) -> None:
        venue.add_account(account)
        self._venue = venue
        self._owner = account.owner
        self._params = params
        self._windows: dict[str, Window] = {}
        self._hash_of: dict[str, str] = {}
        self._schedule = Scheduler()
        self._answers: list[ExecutionMessage] = []

    def add_window(self, window: Window) -> None:
        """Trade a window from now on."""
        self._windows[window.slug] = window

    def next_ns(self) -> int | None:
        """When the next request or answer arrives."""
        return self._schedule.next_ns()

    def command(self, at_ns: int, command: CommandMessage) -> list[ExecutionMessage]:
        """Take a command; what can be said at once."""
        arrival_ns = at_ns + self._params.entry_latency_ms * NS_PER_MS
        match command:
            case SubmitOrder():
                return self._submit(at_ns, arrival_ns, command)
            case CancelOrders():
                self._schedule.at(arrival_ns, lambda now_ns: self._cancel(now_ns, command))
            case CancelWindow():
                self._schedule.at(arrival_ns, lambda now_ns: self._flatten(now_ns, command.slug))
            case _:
                assert_never(command)
        return []

    def advance(self, at_ns: int) -> list[ExecutionMessage]:
        """Let requests and answers up to a time arrive; the answers."""
        while (due_ns := self._schedule.next_ns()) is not None and due_ns <= at_ns:
            self._schedule.run_next()
        answers, self._answers = self._answers, []
        return answers

    def _submit(self, at_ns: int, arrival_ns: int, command: SubmitOrder) -> list[ExecutionMessage]:
        order_hash = digest_hex("order", self._owner, command.client_order_id)
        if command.client_order_id in self._hash_of:
            return [_failed(at_ns, command, FailureStage.DENIED, Reason.DUPLICATE_COMMAND)]
        if at_ns > command.expires_at_ns:
            return [_failed(at_ns, command, FailureStage.DENIED, Reason.EXPIRED)]
        self._hash_of[command.client_order_id] = order_hash
        self._schedule.at(arrival_ns, lambda now_ns: self._post(now_ns, command, order_hash))
        return [
            OrderSubmitting(
                slug=command.slug,
                client_order_id=command.client_order_id,
                order_hash=order_hash,
                ts_exec_ns=at_ns,
            )
        ]

    def _post(self, now_ns: int, command: SubmitOrder, order_hash: str) -> None:
        order = NewOrder(
            order_hash=order_hash,
            token_id=self._windows[command.slug].token_id(command.outcome),
            side=OrderSide.BUY,
            price_e4=command.price_e4,
            size_u6=command.size_u6,
            post_only=True,
        )
        result = self._venue.place(self._owner, order, now_ns)
        self._answer_later(now_ns, [_placed(now_ns, command, result)])

    def _cancel(self, now_ns: int, command: CancelOrders) -> None:
        ids = {self._hash_of.get(c, digest_hex("unknown", c)): c for c in command.client_order_ids}
        result = self._venue.cancel(self._owner, list(ids), now_ns)
        answers: list[ExecutionMessage] = [
            self._cancelled(now_ns, command.slug, ids[order_hash], order_hash)
            for order_hash in result.canceled
        ]
        for order_hash, text in result.not_canceled:
            matched = text == MATCHED_TEXT
            answers.append(
                CancelFailed(
                    slug=command.slug,
                    client_order_id=ids[order_hash],
                    reason=Reason.ALREADY_MATCHED if matched else Reason.NOT_FOUND,
                    text=text,
                    ts_exec_ns=now_ns,
                )
            )
        self._answer_later(now_ns, answers)

    def _flatten(self, now_ns: int, slug: str) -> None:
        condition_id = self._windows[slug].condition_id
        result = self._venue.cancel_market(self._owner, now_ns, condition_id=condition_id)
        id_of = {order_hash: client_id for client_id, order_hash in self._hash_of.items()}
        answers: list[ExecutionMessage] = [
            self._cancelled(now_ns, slug, id_of[order_hash], order_hash)
            for order_hash in result.canceled
        ]
        answers.append(WindowFlat(slug=slug, ts_exec_ns=now_ns))
        self._answer_later(now_ns, answers)

    def _cancelled(
        self, now_ns: int, slug: str, client_order_id: str, order_hash: str
    ) -> OrderCancelled:
        record = self._venue.order(order_hash)
        return OrderCancelled(
            slug=slug,
            client_order_id=client_order_id,
            order_hash=order_hash,
            filled_u6=record.matched_u6 if record else None,
            ts_exec_ns=now_ns,
        )

    def _answer_later(self, now_ns: int, answers: list[ExecutionMessage]) -> None:
        arrival_ns = now_ns + self._params.answer_latency_ms * NS_PER_MS
        self._schedule.at(arrival_ns, lambda _: self._answers.extend(answers))


def _placed(now_ns: int, command: SubmitOrder, result: PlaceResult) -> ExecutionMessage:
    if not result.error:
        return OrderAccepted(
            slug=command.slug,
            client_order_id=command.client_order_id,
            order_hash=result.order_hash,
            ts_exec_ns=now_ns,
        )
    reason = classify_error(result.http_status, {"error": result.error}).reason
    return _failed(
        now_ns,
        command,
        FailureStage.REJECTED,
        reason,
        order_hash=result.order_hash,
        text=result.error,
    )


def _failed(
    now_ns: int,
    command: SubmitOrder,
    stage: FailureStage,
    reason: Reason,
    *,
    order_hash: str = "",
    text: str = "",
) -> OrderFailed:
    return OrderFailed(
        slug=command.slug,
        client_order_id=command.client_order_id,
        stage=stage,
        reason=reason,
        text=text,
        order_hash=order_hash,
        ts_exec_ns=now_ns,
    )
