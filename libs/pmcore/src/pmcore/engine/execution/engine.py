"""The executor's decisions: commands and the venue's answers in, requests and events out.

It never posts an order twice, never guesses an outcome, and never reports inventory. Every
command is answered and its token given back (`Finished`) in the same step, once. An order whose
POST may or may not have arrived is cancelled by its id and looked up until the venue says what
became of it. `WindowFlat` follows only an empty list that was asked for when nothing of the window
was on its way. Its parts: state (state, endings), placing, cancelling, windows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import assert_never

import msgspec

from pmcore.engine.execution import cancelling, limits, merging, placing, windows
from pmcore.engine.execution.io import (
    Abandoned,
    AccountHeard,
    Adopted,
    AllCancelled,
    CancelAllFailed,
    CancelAnswered,
    CancelsFailed,
    Command,
    ExecutionEvent,
    ExecutionOutput,
    Finished,
    MergeAbandoned,
    MergeAdopted,
    MergeAnswered,
    OpenOrdersAnswered,
    OpenOrdersFailed,
    OrderLookedUp,
    PlacingGate,
    Posted,
    PostRejected,
    PostUnknown,
    Recorded,
    SeriesLease,
    Signed,
    Stop,
    WindowEnded,
)
from pmcore.engine.execution.state import ExecutionState
from pmcore.machines.rate_budget import RateTier
from pmcore.messages.control import Halt, Resume
from pmcore.messages.execution import VenueMode
from pmcore.messages.notices import Notice, NoticeKind
from pmcore.messages.orders import (
    CancelOrders,
    CancelWindow,
    CommandMessage,
    MergePairs,
    SubmitOrder,
)
from pmcore.messages.rotation import WindowAnnounced
from pmcore.messages.timers import Tick
from pmcore.messages.user import FillReported, OrderUpdated
from pmcore.model.errors import Reason
from pmcore.model.params import OrderCaps


class ExecutionEngine:
    """All orders of one signer. Feed it every event with the time, and a Tick each 100 ms.

    A `fenced` one obeys only the holder of a series' lease, which `SeriesLease` names. One that
    `awaits_account` judges an order or a merge by its limits when `AccountHeard` names it; a cancel
    waits for nothing.
    """

    def __init__(
        self,
        *,
        tier: RateTier = RateTier.STANDARD,
        cancel_reserve: int = 20,
        caps: OrderCaps | None = None,
        caps_by_series: Mapping[str, OrderCaps] | None = None,
        fenced: bool = False,
        awaits_account: bool = False,
    ) -> None:
        self._state = ExecutionState(
            tier,
            cancel_reserve,
            caps,
            caps_by_series=caps_by_series,
            fenced=fenced,
            awaits_account=awaits_account,
        )
        self._hash = hashlib.sha256()

    def step(self, at_ns: int, event: ExecutionEvent) -> list[ExecutionOutput]:
        """Apply one event; a time that runs backwards counts as standing still."""
        state = self._state
        state.at_ns = max(state.at_ns, at_ns)
        state.out = []
        self._apply(event)
        if state.modes.advance(state.at_ns):
            state.publish_mode()
        placing.admit_waiting(state)
        windows.advance(state)
        cancelling.flush_deletes(state)
        windows.cancel_all_if_due(state)
        for output in state.out:
            self._hash.update(b"%d " % state.at_ns + msgspec.json.encode(output) + b"\n")
        return state.out

    @property
    def fingerprint(self) -> str:
        """SHA-256 over every output so far with its time."""
        return self._hash.hexdigest()

    @property
    def open_orders(self) -> int:
        """Orders that may be at the venue, by what the venue has said."""
        return self._state.open_orders

    @property
    def flat(self) -> bool:
        """No order rests, no order is being sent, and no question to the venue is open."""
        state = self._state
        return state.cancel_all is None and all(w.flat for w in state.windows.values())

    @property
    def slugs(self) -> tuple[str, ...]:
        """The windows that were announced."""
        return tuple(self._state.windows)

    @property
    def venue_mode(self) -> VenueMode:
        """The venue's mode, from its answers."""
        return self._state.modes.mode

    @property
    def refuses(self) -> str:
        """Why no order may be placed at all, or ""."""
        state = self._state
        return "stopping" if state.stopping else state.halted or state.gate_text or ""

    def unheard(self, slug: str) -> tuple[str, ...]:
        """What `AccountHeard` may name: the ids of orders and of a merge that wait for it."""
        window = self._state.windows.get(slug)
        return () if window is None else window.unheard

    def last_refusal(self, client_order_id: str) -> tuple[Reason, str] | None:
        """Why an order must not be sent any more, asked when its POST could go out, or None."""
        return placing.last_refusal(self._state, client_order_id)

    def tokens(self, at_ns: int) -> tuple[int, int]:
        """Our count of the order and the cancel bucket."""
        budget = self._state.budget
        return budget.orders.tokens(at_ns), budget.cancels.tokens(at_ns)

    def outliving(self, at_ns: int) -> int:
        """Orders that may be at the venue although their window has closed."""
        return self._state.outliving(at_ns)

    def view(self) -> dict[str, object]:
        """For `/state`."""
        state = self._state
        orders, cancels = self.tokens(state.at_ns)
        return {
            "open_orders": state.open_orders,
            "venue_mode": state.modes.mode.value,
            "venue_mode_until_ns": state.modes.until_ns,
            "halted": state.halted,
            "flat": self.flat,
            "gate": state.gate_text,
            "budget": {"orders": orders, "cancels": cancels, "waiting": state.in_line},
            "windows": {
                slug: {
                    "live": {key: record.state.value for key, record in window.live.items()},
                    "remembered": len(window.orders),
                    "sweeping": window.sweep is not None,
                }
                for slug, window in state.windows.items()
            },
        }

    def _apply(self, event: ExecutionEvent) -> None:
        state = self._state
        match event:
            case Command():
                self._command(event.token, event.message)
            case Abandoned():
                text = "left by an earlier run; nothing says that it was sent"
                state.deny_command(event.message, Reason.EXPIRED, text)
                state.out.append(Finished(event.token))
            case Adopted():
                cancelling.adopt(state, event)
            case Signed() | Recorded() | Posted() | PostRejected() | PostUnknown():
                self._placing(event)
            case CancelAnswered() | CancelsFailed() | OrderLookedUp():
                self._cancelling(event)
            case MergeAnswered() | MergeAbandoned() | MergeAdopted():
                self._merging(event)
            case OpenOrdersAnswered():
                windows.listed(state, event.slug, event.order_hashes)
            case OpenOrdersFailed():
                windows.list_failed(state, event.slug, event.reason, event.text)
            case AllCancelled() | CancelAllFailed():
                windows.all_cancelled(state, event)
            case WindowAnnounced():
                windows.announce(state, event.window)
            case WindowEnded():
                windows.end(state, event.slug)
            case FillReported() | OrderUpdated() | AccountHeard():
                self._account(event)
            case SeriesLease():
                self._lease(event)
            case PlacingGate() | Halt() | Resume() | Stop():
                self._lever(event)
            case Tick():
                pass
            case _:
                assert_never(event)

    def _lease(self, event: SeriesLease) -> None:
        """While nobody may command, what rests is watched by nobody: it is taken back."""
        state = self._state
        state.leases[event.series] = event.token
        if state.fenced and not event.token:
            text = "nobody holds the lease of its series"
            windows.take_all_back(state, Reason.NO_LEASE, text, series=event.series)

    def _command(self, token: str, message: CommandMessage) -> None:
        state = self._state
        if why := state.no_lease(message):
            state.notice(NoticeKind.COMMAND_REFUSED, message.slug, Reason.NO_LEASE, why)
        match message:
            case SubmitOrder():
                placing.submit(state, token, message)
            case MergePairs():
                merging.merge(state, token, message, why)
            case CancelOrders() | CancelWindow() if why:
                orders = message.client_order_ids if isinstance(message, CancelOrders) else ("",)
                for client_order_id in orders:
                    state.cancel_failed(message.slug, client_order_id, Reason.NO_LEASE, why)
                state.out.append(Finished(token))
            case CancelOrders():
                cancelling.cancel_orders(state, token, message)
            case CancelWindow():
                windows.cancel_window(state, token, message.slug)
            case _:
                assert_never(message)

    def _placing(self, event: Signed | Recorded | Posted | PostRejected | PostUnknown) -> None:
        state = self._state
        match event:
            case Signed():
                placing.signed(state, event.client_order_id, event.order_hash)
            case Recorded():
                placing.recorded(state, event.client_order_id)
            case Posted():
                state.apply_rate_headers(state.budget.orders, event.rate)
                placing.posted(state, state.posting(event.client_order_id))
            case PostRejected():
                placing.post_rejected(state, event)
            case PostUnknown():
                record = state.posting(event.client_order_id)
                placing.post_unknown(state, record, event.reason, event.text)
            case _:
                assert_never(event)

    def _cancelling(self, event: CancelAnswered | CancelsFailed | OrderLookedUp) -> None:
        match event:
            case CancelAnswered():
                cancelling.cancel_answered(self._state, event)
            case CancelsFailed():
                cancelling.cancels_failed(self._state, event)
            case OrderLookedUp():
                cancelling.looked_up(self._state, event)
            case _:
                assert_never(event)

    def _merging(self, event: MergeAnswered | MergeAbandoned | MergeAdopted) -> None:
        match event:
            case MergeAnswered():
                merging.answered(self._state, event)
            case MergeAbandoned():
                merging.abandoned(self._state, event.token, event.message)
            case MergeAdopted():
                merging.adopt(self._state, event.report)
            case _:
                assert_never(event)

    def _account(self, event: FillReported | OrderUpdated | AccountHeard) -> None:
        if isinstance(event, AccountHeard):
            placing.account_heard(self._state, event)
            merging.account_heard(self._state, event)
        else:
            limits.hear_account(self._state, event)

    def _lever(self, event: PlacingGate | Halt | Resume | Stop) -> None:
        state = self._state
        match event:
            case PlacingGate(open=True):
                state.gate_text = None
            case PlacingGate():
                state.gate_text = event.text or "the placing gate is closed"
                windows.take_all_back(state, Reason.NO_HEARTBEAT, state.gate_text)
            case Halt():
                state.halted = event.reason or "by the operator"
                state.out.append(
                    Notice(kind=NoticeKind.HALTED, reason=event.reason, detail=event.by)
                )
                windows.sweep_all(state, Reason.HALTED, state.halted)
            case Resume():
                state.halted = None
                state.cancel_all = None
                state.out.append(Notice(kind=NoticeKind.RESUMED, detail=event.by))
            case Stop():
                state.stopping = True
                windows.sweep_all(state, Reason.SHUTTING_DOWN, "the executor stops")
            case _:
                assert_never(event)
