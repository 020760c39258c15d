"""An execution engine's story: commands, and a venue that answers, refuses, forgets and is away."""

from __future__ import annotations

from collections.abc import Iterator

from pmcore.engine.execution.engine import ExecutionEngine
from pmcore.engine.execution.io import (
    Abandoned,
    Adopted,
    AllCancelled,
    CancelAll,
    CancelAllFailed,
    CancelAnswered,
    CancelsFailed,
    Command,
    DeleteOrders,
    ExecutionEvent,
    ExecutionOutput,
    ListOpenOrders,
    LookUpOrder,
    LookUpResult,
    OpenOrdersAnswered,
    OpenOrdersFailed,
    OrderLookedUp,
    PlacingGate,
    Posted,
    PostOrder,
    PostRejected,
    PostUnknown,
    RateHeaders,
    Recorded,
    Signed,
    SignOrder,
    Stop,
    WindowEnded,
)
from pmcore.machines.rate_budget import RateTier
from pmcore.messages.control import Halt, Resume
from pmcore.messages.execution import OrderSubmitting, VenueMode
from pmcore.messages.orders import CancelOrders, CancelWindow
from pmcore.messages.rotation import WindowAnnounced
from pmcore.messages.timers import Tick
from pmcore.model.errors import Reason
from pmcore.model.units import NS_PER_MS, NS_PER_S
from support.builders import T0_NS, window
from support.executions import SLUG, submit
from support.stories.dice import Dice, text

REFUSALS = (
    *("order match failed: post only", "Order already matched", "Order not found"),
    *("order is being delayed", "too soon", "Order not found or already canceled"),
)


class Venue:
    """Keeps orders by hash, answers late, wrongly or not at all."""

    def __init__(self, dice: Dice) -> None:
        self._dice = dice
        self._open: list[str] = []
        self._coming: list[tuple[int, int, ExecutionEvent]] = []
        self._count = 0

    def due(self, at_ns: int) -> list[ExecutionEvent]:
        """Answers that arrive until now."""
        due = sorted((item for item in self._coming if item[0] <= at_ns), key=lambda i: i[:2])
        self._coming = [item for item in self._coming if item[0] > at_ns]
        return [event for _, _, event in due]

    def ask(self, at_ns: int, request: ExecutionOutput) -> list[ExecutionEvent]:
        """Take a request; what is answered at once."""
        match request:
            case SignOrder(command=command):
                return [Signed(command.client_order_id, f"0x{command.client_order_id}")]
            case OrderSubmitting(client_order_id=order_id):
                self._later(at_ns, Recorded(order_id), 30)
            case PostOrder():
                self._later(at_ns, self._post(request), 200)
            case DeleteOrders(order_hashes=hashes):
                self._later(at_ns, self._delete(hashes), 200)
            case LookUpOrder(order_hash=order_hash):
                finding = (
                    LookUpResult.LIVE if order_hash in self._open else self._dice.pick(LookUpResult)
                )
                filled_u6 = self._dice.maybe(50, self._dice.upto(5) * 1_000_000)
                self._later(at_ns, OrderLookedUp(order_hash, finding, filled_u6), 200)
            case ListOpenOrders(slug=slug):
                self._later(at_ns, self._list(slug), 200)
            case CancelAll(number=number):
                self._open = self._open[:1]
                answer: AllCancelled | CancelAllFailed = AllCancelled(number, tuple(self._open))
                if self._dice.upto(1):
                    answer = CancelAllFailed(number, Reason.TRANSPORT, "no answer")
                self._later(at_ns, answer, 200)
            case _:
                pass
        return []

    def fill_one(self) -> None:
        """An order goes without a word to the executor."""
        if self._open:
            self._open.remove(self._dice.pick(self._open))

    def _later(self, at_ns: int, event: ExecutionEvent, most_ms: int) -> None:
        self._count += 1
        self._coming.append((at_ns + self._dice.upto(most_ms) * NS_PER_MS, self._count, event))

    def _rate(self) -> RateHeaders | None:
        reset_ns = self._dice.maybe(50, T0_NS + self._dice.upto(60) * NS_PER_S)
        return self._dice.maybe(30, RateHeaders(self._dice.pick((0, 3, 50)), reset_ns))

    def _post(self, request: PostOrder) -> ExecutionEvent:
        order_id, roll = request.client_order_id, self._dice.upto(99)
        if roll < 70:
            self._open.append(request.order_hash)
            return Posted(order_id, self._rate())
        if roll < 85:
            return PostRejected(
                order_id,
                self._dice.pick(Reason),
                self._dice.pick(("no", "x" * 300)),
                self._dice.maybe(20, self._dice.pick(VenueMode)),
                self._dice.maybe(30, self._dice.upto(3_000)),
                self._rate(),
            )
        if self._dice.chance(50):
            self._open.append(request.order_hash)
        return PostUnknown(order_id, self._dice.pick((Reason.TIMEOUT, Reason.TRANSPORT)), "lost")

    def _delete(self, hashes: tuple[str, ...]) -> ExecutionEvent:
        if self._dice.chance(15):
            return CancelsFailed(
                hashes,
                self._dice.pick((Reason.TIMEOUT, Reason.RATE_LIMITED, Reason.VENUE_ERROR)),
                "failed",
                self._dice.maybe(10, self._dice.pick(VenueMode)),
                self._dice.maybe(40, self._dice.upto(2_000)),
            )
        gone = tuple(h for h in hashes if h in self._open and self._dice.chance(90))
        self._open = [h for h in self._open if h not in gone]
        left = [h for h in hashes if h not in gone and self._dice.chance(90)]
        return CancelAnswered(
            hashes, gone, {h: self._dice.pick(REFUSALS) for h in left}, self._rate()
        )

    def _list(self, slug: str) -> ExecutionEvent:
        if self._dice.chance(15):
            return OpenOrdersFailed(slug, Reason.TIMEOUT, "slow")
        stray = ("0xstray",) if self._dice.chance(3) else ()
        return OpenOrdersAnswered(slug, (*self._open, *stray))


def executing() -> Iterator[str]:
    """One signer's day in fast motion, six times."""
    for seed in range(6):
        yield from _one_day(seed)


def _one_day(seed: int) -> Iterator[str]:
    dice = Dice(300 + seed)
    engine = ExecutionEngine(tier=RateTier.STANDARD, cancel_reserve=(20, 60)[seed % 2])
    venue, at_ns = Venue(dice), T0_NS - NS_PER_S
    known = window(length_s=80)
    events: list[ExecutionEvent] = [
        WindowAnnounced(window=known, ts_recv_ns=at_ns),
        Adopted(SLUG, "old", "0xold", was_accepted=bool(seed % 2), token="t-old"),
        Abandoned("t-never", submit("never", at_ns=at_ns)),
        PlacingGate(open=True),
    ]
    made: list[str] = ["old"]
    for number in range(700):
        while events:
            outputs = engine.step(at_ns, events.pop(0))
            said = [(type(output).__name__, output) for output in outputs]
            if said:
                yield f"{at_ns - T0_NS} {text(said)}"
            for output in outputs:
                events += venue.ask(at_ns, output)
        if number % 10 == 0:
            yield text(engine.view(), engine.open_orders, engine.flat, engine.refuses)
            yield text(engine.tokens(at_ns), engine.venue_mode, engine.slugs)
        at_ns += dice.pick((5, 20, 60, 100, 400)) * NS_PER_MS
        events = [*venue.due(at_ns), *_roll(dice, at_ns, made, number), Tick()]
        if dice.chance(10):
            venue.fill_one()


def _roll(dice: Dice, at_ns: int, made: list[str], number: int) -> list[ExecutionEvent]:
    roll = dice.upto(199)
    token = f"t{number}"
    if roll < 50:
        many = 45 if dice.chance(3) else dice.between(1, 2)
        orders = [f"o{number}-{n}" for n in range(many)]
        made += orders
        ttl_s = dice.pick((1.0, 1.0, 1.0, 1.0, 0.05, 0.0))
        price_e4 = 4_705 if dice.chance(3) else 4_700
        size_u6 = (1 if dice.chance(3) else 5) * 1_000_000
        slug = SLUG if dice.chance(97) else "unknown"
        return [
            Command(
                f"{token}-{order}",
                submit(
                    order,
                    slug=slug,
                    price_e4=price_e4,
                    size_u6=size_u6,
                    expires_s=ttl_s,
                    at_ns=at_ns,
                ),
            )
            for order in orders
        ]
    if roll < 100:
        ids = tuple(dict.fromkeys(dice.pick(made[-8:]) for _ in range(dice.between(1, 4))))
        slug = SLUG if dice.chance(97) else "unknown"
        command = CancelOrders(slug=slug, client_order_ids=ids, reason="story", ts_step_ns=at_ns)
        return [Command(token, command)]
    match roll:
        case 110 | 111 | 112:
            slug = SLUG if dice.chance(80) else "unknown"
            return [Command(token, CancelWindow(slug=slug, reason="story", ts_step_ns=at_ns))]
        case 113:
            return [PlacingGate(open=False, text=dice.pick(("", "no heartbeat")))]
        case 114 | 115 | 116 | 117 | 118:
            return [PlacingGate(open=True), Resume(by="x", ts_recv_ns=at_ns)]
        case 119:
            return [Halt(reason=dice.pick(("", "drill")), by="x", ts_recv_ns=at_ns)]
        case 120:
            return [Command(token, submit(dice.pick(made), at_ns=at_ns))]
        case 121 if number > 550:
            return [WindowEnded(SLUG)]
        case 122 if number > 620:
            return [Stop()]
        case 123:
            return [WindowAnnounced(window=window(length_s=80), ts_recv_ns=at_ns)]
        case _:
            return []
