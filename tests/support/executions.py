"""A bench for the execution engine: short words for commands and for the venue's answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from pmcore.engine.execution.engine import ExecutionEngine
from pmcore.engine.execution.io import (
    AccountHeard,
    CancelAnswered,
    Command,
    ExecutionEvent,
    ExecutionOutput,
    Finished,
    Posted,
    PostOrder,
    PostUnknown,
    Recorded,
    Signed,
    SignOrder,
)
from pmcore.machines.lease import LeaseHolder
from pmcore.machines.rate_budget import RateTier
from pmcore.messages.orders import CancelOrders, CancelWindow, CommandMessage, SubmitOrder
from pmcore.messages.rotation import WindowAnnounced
from pmcore.messages.timers import Tick
from pmcore.model.errors import Reason
from pmcore.model.market import Outcome, Window
from pmcore.model.params import OrderCaps
from pmcore.model.units import NS_PER_MS, NS_PER_S
from pmcore.wire import keys
from pmcore.wire.ports import Bus
from support.builders import T0_NS, window

SLUG = window().slug
LEASE_TOKEN = 3
T = TypeVar("T")


def submit(
    order: str = "a",
    *,
    slug: str = SLUG,
    price_e4: int = 4_700,
    size_u6: int = 5_000_000,
    expires_s: float = 1.0,
    at_ns: int = T0_NS,
    lease_token: int = LEASE_TOKEN,
    outcome: Outcome = Outcome.UP,
) -> SubmitOrder:
    return SubmitOrder(
        client_order_id=order,
        slug=slug,
        outcome=outcome,
        price_e4=price_e4,
        size_u6=size_u6,
        tick_e4=10,
        expires_at_ns=at_ns + int(expires_s * NS_PER_S),
        ts_step_ns=at_ns,
        ts_cause_ns=at_ns,
        lease_token=lease_token,
    )


async def hold_lease(bus: Bus, series: str) -> None:
    """As a strategy does before it commands; LEASE_TOKEN is its token."""
    holder = LeaseHolder("test", "test", LEASE_TOKEN)
    await bus.put(keys.lease(series), msgspec.json.encode(holder))


def hash_of(order: str) -> str:
    return f"0x{order}"


class Bench:
    """The engine, a clock, and all outputs of the last step."""

    def __init__(
        self,
        *,
        tier: RateTier = RateTier.STANDARD,
        cancel_reserve: int = 20,
        market: Window | None = None,
        caps: OrderCaps | None = None,
        caps_by_series: Mapping[str, OrderCaps] | None = None,
        fenced: bool = False,
        awaits_account: bool = False,
    ) -> None:
        self.engine = ExecutionEngine(
            tier=tier,
            cancel_reserve=cancel_reserve,
            caps=caps,
            caps_by_series=caps_by_series,
            fenced=fenced,
            awaits_account=awaits_account,
        )
        self.at_ns = T0_NS
        self.out: list[ExecutionOutput] = []
        self.all: list[ExecutionOutput] = []
        self._tokens = 0
        self.step(WindowAnnounced(window=market or window(), ts_recv_ns=T0_NS))

    def step(self, event: ExecutionEvent) -> list[ExecutionOutput]:
        self.out = self.engine.step(self.at_ns, event)
        self.all += self.out
        return self.out

    def hear(self, slug: str = SLUG) -> None:
        """The account was read after all commands so far."""
        self.step(AccountHeard(slug, self.engine.unheard(slug)))

    def wait(self, ms: float) -> list[ExecutionOutput]:
        """Time passes, and one tick at its end."""
        self.at_ns += int(ms * NS_PER_MS)
        return self.step(Tick())

    def got(self, kind: type[T]) -> list[T]:
        """Outputs of the last step of a kind."""
        return [output for output in self.out if isinstance(output, kind)]

    def one(self, kind: type[T]) -> T:
        (only,) = self.got(kind)
        return only

    def finished(self) -> list[str]:
        return [output.token for output in self.got(Finished)]

    def command(self, message: CommandMessage) -> str:
        self._tokens += 1
        token = f"t{self._tokens}"
        self.step(Command(token, message))
        return token

    def place(self, order: str = "a", **changes: object) -> str:
        changes.setdefault("at_ns", self.at_ns)
        return self.command(submit(order, **changes))  # type: ignore[arg-type] # tests name fields

    def sign(self, order: str = "a") -> None:
        self.step(Signed(order, hash_of(order)))

    def until_post(self, order: str = "a", **changes: object) -> str:
        """Place, sign and record: the POST goes out with the last step."""
        token = self.place(order, **changes)
        assert self.got(SignOrder)
        self.sign(order)
        self.step(Recorded(order))
        assert self.one(PostOrder).client_order_id == order
        return token

    def rest(self, order: str = "a", **changes: object) -> str:
        token = self.until_post(order, **changes)
        self.step(Posted(order))
        return token

    def lose_sight(self, order: str = "a") -> str:
        """A POST whose answer never came."""
        token = self.until_post(order)
        self.step(PostUnknown(order, Reason.TIMEOUT, "no answer"))
        return token

    def cancel(self, *orders: str, slug: str = SLUG) -> str:
        return self.command(
            CancelOrders(
                slug=slug, client_order_ids=orders, reason="requote", ts_step_ns=self.at_ns
            )
        )

    def cancel_window(self, slug: str = SLUG) -> str:
        return self.command(CancelWindow(slug=slug, reason="end", ts_step_ns=self.at_ns))

    def answer_cancel(self, *orders: str, text: str | None = None) -> None:
        """All cancelled, or all refused with a text."""
        hashes = tuple(hash_of(order) for order in orders)
        refused = {} if text is None else dict.fromkeys(hashes, text)
        self.step(CancelAnswered(hashes, () if refused else hashes, refused))
