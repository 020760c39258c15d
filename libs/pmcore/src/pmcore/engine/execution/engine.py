"""The executor's decisions: commands and the venue's answers in, requests and events out.

It never posts an order twice, never guesses an outcome, and never reports inventory. Every
command is answered and its token given back (`Finished`) in the same step, once. An order whose
POST may or may not have arrived is cancelled by its id and looked up until the venue says what
became of it. `WindowFlat` follows only an empty list that was asked for when nothing of the window
was on its way. Its parts: desk (state, endings), placing, cancelling, windows.
"""

from __future__ import annotations

from typing import assert_never

from pmcore.engine.execution import cancelling
from pmcore.engine.execution import placing
from pmcore.engine.execution import windows
from pmcore.engine.execution.state import ExecutionState
from pmcore.engine.execution.io import (
    Abandoned,
    Adopted,
    CancelAnswered,
    CancelsFailed,
    Command,
    ExecutionEvent,
    ExecutionOutput,
    Finished,
    OpenOrdersAnswered,
    OpenOrdersFailed,
    OrderLookedUp,
    PlacingGate,
    Posted,
    PostRejected,
    PostUnknown,
    Recorded,
    Signed,
    Stop,
    WindowEnded,
)
from pmcore.machines.rate_budget import RateTier
from pmcore.messages.control import Halt, Resume
from pmcore.messages.execution import VenueMode
from pmcore.messages.notices import Notice, NoticeKind
from pmcore.messages.orders import CancelOrders, CancelWindow, CommandMessage, SubmitOrder
from pmcore.messages.rotation import WindowAnnounced
from pmcore.messages.timers import Tick
from pmcore.model.errors import Reason


class ExecutionEngine:
    """All orders of one signer. Feed it every event with the time, and a Tick each 100 ms."""

    def __init__(self, *, tier: RateTier = RateTier.STANDARD, cancel_reserve: int = 20) -> None:
        self._desk = ExecutionState(tier, cancel_reserve)

    def step(self, at_ns: int, event: ExecutionEvent) -> list[ExecutionOutput]:
        """Apply one event; a time that runs backwards counts as standing still."""
        desk = self._desk
        desk.at_ns = max(desk.at_ns, at_ns)
        desk.out = []
        self._apply(event)
        if desk.modes.advance(desk.at_ns):
            desk.publish_mode()
        placing.admit_waiting(desk)
        windows.advance(desk)
        cancelling.flush_deletes(desk)
        return desk.out

    @property
    def open_orders(self) -> int:
        """Orders that may be at the venue, by what the venue has said."""
        return self._desk.open_orders

    @property
    def flat(self) -> bool:
        """No order rests, no order is being sent, and no question to the venue is open."""
        return all(window.flat for window in self._desk.windows.values())

    @property
    def slugs(self) -> tuple[str, ...]:
        """The windows that were announced."""
        return tuple(self._desk.windows)

    @property
    def venue_mode(self) -> VenueMode:
        """The venue's mode, from its answers."""
        return self._desk.modes.mode

    @property
    def refuses(self) -> str:
        """Why no order may be placed at all, or ""."""
        desk = self._desk
        return "stopping" if desk.stopping else desk.halted or desk.gate_text or ""

    def tokens(self, at_ns: int) -> tuple[int, int]:
        """Our count of the order and the cancel bucket."""
        budget = self._desk.budget
        return budget.orders.tokens(at_ns), budget.cancels.tokens(at_ns)

    def view(self) -> dict[str, object]:
        """For `/state`."""
        desk = self._desk
        orders, cancels = self.tokens(desk.at_ns)
        return {
            "open_orders": desk.open_orders,
            "venue_mode": desk.modes.mode.value,
            "venue_mode_until_ns": desk.modes.until_ns,
            "halted": desk.halted,
            "gate": desk.gate_text,
            "budget": {"orders": orders, "cancels": cancels, "waiting": len(desk.waiting)},
            "windows": {
                slug: {
                    "live": {key: record.state.value for key, record in window.live.items()},
                    "remembered": len(window.orders),
                    "sweeping": window.sweep is not None,
                    "lost": window.lost,
                }
                for slug, window in desk.windows.items()
            },
        }

    def _apply(self, event: ExecutionEvent) -> None:
        desk = self._desk
        match event:
            case Command():
                self._command(event.token, event.message)
            case Abandoned():
                text = "left by an earlier run, never sent"
                desk.deny_command(event.message, Reason.EXPIRED, text)
                desk.out.append(Finished(event.token))
            case Adopted():
                cancelling.adopt(desk, event)
            case Signed() | Recorded() | Posted() | PostRejected() | PostUnknown():
                self._placing(event)
            case CancelAnswered():
                cancelling.cancel_answered(desk, event)
            case CancelsFailed():
                cancelling.cancels_failed(desk, event)
            case OrderLookedUp():
                cancelling.looked_up(desk, event)
            case OpenOrdersAnswered():
                windows.listed(desk, event.slug, event.order_hashes)
            case OpenOrdersFailed():
                windows.list_failed(desk, event.slug, event.reason, event.text)
            case WindowAnnounced():
                windows.announce(desk, event.window)
            case WindowEnded():
                windows.end(desk, event.slug)
            case PlacingGate() | Halt() | Resume() | Stop():
                self._lever(event)
            case Tick():
                pass
            case _:
                assert_never(event)

    def _command(self, token: str, message: CommandMessage) -> None:
        match message:
            case SubmitOrder():
                placing.submit(self._desk, token, message)
            case CancelOrders():
                cancelling.cancel_orders(self._desk, token, message)
            case CancelWindow():
                windows.cancel_window(self._desk, token, message.slug)
            case _:
                assert_never(message)

    def _placing(self, event: Signed | Recorded | Posted | PostRejected | PostUnknown) -> None:
        desk = self._desk
        match event:
            case Signed():
                placing.signed(desk, event.client_order_id, event.order_hash)
            case Recorded():
                placing.recorded(desk, event.client_order_id)
            case Posted():
                desk.apply_rate_headers(desk.budget.orders, event.rate)
                placing.posted(desk, desk.posting(event.client_order_id))
            case PostRejected():
                placing.post_rejected(desk, event)
            case PostUnknown():
                record = desk.posting(event.client_order_id)
                placing.post_unknown(desk, record, event.reason, event.text)
            case _:
                assert_never(event)

    def _lever(self, event: PlacingGate | Halt | Resume | Stop) -> None:
        desk = self._desk
        match event:
            case PlacingGate(open=True):
                desk.gate_text = None
            case PlacingGate():
                desk.gate_text = event.text or "the placing gate is closed"
                windows.take_all_back(desk, Reason.NO_HEARTBEAT, desk.gate_text)
            case Halt():
                desk.halted = event.reason or "by the operator"
                desk.out.append(
                    Notice(kind=NoticeKind.HALTED, reason=event.reason, detail=event.by)
                )
                windows.sweep_all(desk, Reason.HALTED, desk.halted)
            case Resume():
                desk.halted = None
                desk.out.append(Notice(kind=NoticeKind.RESUMED, detail=event.by))
            case Stop():
                desk.stopping = True
                windows.sweep_all(desk, Reason.SHUTTING_DOWN, "the executor stops")
            case _:
                assert_never(event)
