"""Drives one engine: says what the feed, the venue and the clock say, and keeps its outputs."""

from __future__ import annotations

from pmcore.engine.strategy.engine import Output, WindowEngine
from pmcore.messages.execution import (
    CancelFailed,
    FailureStage,
    OrderAccepted,
    OrderCancelled,
    OrderFailed,
    OrderSubmitting,
    WindowFlat,
)
from pmcore.messages.gate import PlacingGateChanged
from pmcore.messages.notices import Notice, NoticeKind
from pmcore.messages.orders import CancelOrders, CancelWindow, SubmitOrder
from pmcore.messages.timers import BatchEnded, Tick
from pmcore.messages.union import EngineEvent
from pmcore.messages.user import (
    FillReported,
    OrderUpdated,
    OrderUpdateKind,
    TradeStatus,
    UserChannelChanged,
    UserChannelState,
)
from pmcore.model.errors import Reason
from pmcore.model.market import Outcome, Window
from pmcore.model.params import StrategyParams
from support.builders import at, book, fill, params, window

UP, DOWN = Outcome.UP, Outcome.DOWN


class EngineDriver:
    """`sent` holds the commands of the last call; times are seconds after the open."""

    def __init__(
        self, strategy: StrategyParams | None = None, of: Window | None = None, **options: object
    ) -> None:
        self.window = of or window()
        self.engine = WindowEngine(self.window, strategy or params(), "r1", **options)  # type: ignore[arg-type] # tests name options
        self.session = self.engine.session
        self.outputs: list[Output] = []
        self.all: list[Output] = []
        self._fills = 0

    def batch(self, t: float, *events: EngineEvent) -> list[Output]:
        """Apply events, then decide."""
        self.outputs = []
        for event in (*(events or (Tick(),)), BatchEnded()):
            self.outputs += self.engine.step(at(t), event)
        self.all += self.outputs
        return self.outputs

    @property
    def submits(self) -> list[SubmitOrder]:
        return [o for o in self.outputs if isinstance(o, SubmitOrder)]

    @property
    def cancels(self) -> list[str]:
        return [i for o in self.outputs if isinstance(o, CancelOrders) for i in o.client_order_ids]

    @property
    def asked_flat(self) -> bool:
        return any(isinstance(o, CancelWindow) for o in self.outputs)

    def notices(self, kind: NoticeKind) -> list[Notice]:
        return [o for o in self.all if isinstance(o, Notice) and o.kind is kind]

    def start(self, t: float = 1) -> None:
        """The user channel is up, the executor may place, and the venue says flat."""
        up = UserChannelChanged(state=UserChannelState.UP, ts_recv_ns=at(t))
        self.batch(t, up, PlacingGateChanged(open=True, ts_recv_ns=at(t)))
        assert self.asked_flat
        self.batch(t, self.flat(t))

    def flat(self, t: float) -> WindowFlat:
        return WindowFlat(slug=self.window.slug, ts_exec_ns=at(t))

    def books(self, t: float, up: str, down: str) -> list[Output]:
        """`.46/.48` for each outcome; `-` for an empty side."""
        events = []
        for outcome, text in ((UP, up), (DOWN, down)):
            bid, ask = (None if p == "-" else p for p in text.split("/"))
            events.append(book(outcome, bid, ask, at_ns=at(t)))
        return self.batch(t, *events)

    def accept(self, t: float, *submits: SubmitOrder) -> None:
        """The executor says: submitting, accepted."""
        events: list[EngineEvent] = []
        for order in submits or self.submits:
            named = {
                "slug": order.slug,
                "client_order_id": order.client_order_id,
                "order_hash": hash_of(order.client_order_id),
                "ts_exec_ns": at(t),
            }
            events += [OrderSubmitting(**named), OrderAccepted(**named)]  # type: ignore[arg-type] # one dict for both
        self.batch(t, *events)

    def confirm_cancel(self, t: float, *order_ids: str, user: bool = True) -> None:
        """The executor and, unless told otherwise, the user channel confirm cancels."""
        events: list[EngineEvent] = []
        for order_id in order_ids or tuple(self.cancels):
            events.append(
                OrderCancelled(
                    slug=self.window.slug,
                    client_order_id=order_id,
                    order_hash=hash_of(order_id),
                    ts_exec_ns=at(t),
                )
            )
            if user:
                events.append(self.user_order(t, order_id, OrderUpdateKind.CANCELLATION, matched=0))
        self.batch(t, *events)

    def found(self, t: float, order_id: str, filled_u6: int | None) -> CancelFailed:
        """The executor looked up an order that is gone: so much of it was matched."""
        matched = filled_u6 is None or filled_u6 > 0
        amount = {} if filled_u6 is None else {"filled_u6": filled_u6}
        return CancelFailed(
            slug=self.window.slug,
            client_order_id=order_id,
            reason=Reason.ALREADY_MATCHED if matched else Reason.NOT_FOUND,
            ts_exec_ns=at(t),
            **amount,  # type: ignore[arg-type] # one dict for an optional field
        )

    def user_order(
        self, t: float, order_id: str, kind: OrderUpdateKind, *, matched: int | None = None
    ) -> OrderUpdated:
        return OrderUpdated(
            kind=kind,
            order_hash=hash_of(order_id),
            condition_id=self.window.condition_id,
            token_id=self.window.up_token_id,
            price_e4=4700,
            original_u6=5_000_000,
            matched_u6=matched,
            ts_event_ns=at(t),
            ts_recv_ns=at(t),
        )

    def failed(self, order_id: str, reason: Reason, t: float = 2) -> OrderFailed:
        return OrderFailed(
            slug=self.window.slug,
            client_order_id=order_id,
            stage=FailureStage.REJECTED,
            reason=reason,
            text="why",
            ts_exec_ns=at(t),
        )

    def filled(
        self,
        t: float,
        order_id: str,
        outcome: Outcome,
        size: str,
        price: str,
        *,
        trade_id: str = "",
        status: TradeStatus = TradeStatus.MATCHED,
    ) -> FillReported:
        """One of our fills; a new trade unless named."""
        self._fills += 1
        return fill(
            outcome,
            size,
            price,
            trade_id=trade_id or f"trade-{self._fills}",
            order_hash=hash_of(order_id),
            status=status,
            at_ns=at(t),
        )

    def resting(self, outcome: Outcome) -> tuple[str, int] | None:
        """(our id, price) of a side's slot."""
        order = self.session.orders.slot(outcome)
        return (order.client_order_id, order.price_e4) if order else None


def hash_of(order_id: str) -> str:
    """A venue id for one of ours."""
    return f"0x{order_id}"


def quoting_driver(strategy: StrategyParams | None = None, **options: object) -> EngineDriver:
    """A driver with both bids of the first worked case resting: Up .470, Down .520."""
    driver = EngineDriver(strategy, **options)  # type: ignore[arg-type] # passed on
    driver.start()
    driver.books(1.1, "0.46/0.48", "0.51/0.53")
    driver.accept(1.2)
    return driver
