"""The execution engine against a venue that loses requests, answers, and time.

Laws, after every step: no order is posted twice; no command is finished twice; an order has at
most one end; `WindowFlat` is said only while the venue has nothing open or on its way in. And
once the venue answers everything: every command is finished, and every order the engine does not
count as open is not open.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pmcore.engine.execution.engine import ExecutionEngine
from pmcore.engine.execution.io import (
    AllCancelled,
    CancelAll,
    CancelAllFailed,
    CancelAnswered,
    CancelsFailed,
    Command,
    DeleteOrders,
    ExecutionEvent,
    Finished,
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
    Recorded,
    Signed,
    SignOrder,
    WindowEnded,
)
from pmcore.messages.control import Halt, Resume
from pmcore.messages.execution import (
    OrderAccepted,
    OrderCancelled,
    OrderFailed,
    OrderSubmitting,
    VenueMode,
    WindowFlat,
)
from pmcore.messages.orders import CancelOrders, CancelWindow
from pmcore.messages.rotation import WindowAnnounced
from pmcore.messages.timers import Tick
from pmcore.model.errors import Reason
from pmcore.model.units import NS_PER_MS, NS_PER_S
from support.builders import T0_NS, window
from support.executions import SLUG, submit

NETWORK = (PostOrder, DeleteOrders, CancelAll, LookUpOrder, ListOpenOrders)


@dataclass
class ModelVenue:
    """Orders by hash: open, or how they ended."""

    open: set[str] = field(default_factory=set)
    ended: dict[str, LookUpResult] = field(default_factory=dict)

    def take(self, order_hash: str) -> None:
        assert order_hash not in self.open
        assert order_hash not in self.ended
        self.open.add(order_hash)

    def cancel(self, order_hashes: tuple[str, ...]) -> CancelAnswered:
        canceled = tuple(h for h in order_hashes if h in self.open)
        for order_hash in canceled:
            self.open.discard(order_hash)
            self.ended[order_hash] = LookUpResult.CANCELED
        refused = {
            h: "Order already matched"
            if self.ended.get(h) is LookUpResult.MATCHED
            else "Order not found or already canceled"
            for h in order_hashes
            if h not in canceled
        }
        return CancelAnswered(order_hashes, canceled, refused)

    def look_up(self, order_hash: str) -> OrderLookedUp:
        if order_hash in self.open:
            return OrderLookedUp(order_hash, LookUpResult.LIVE, 0)
        return OrderLookedUp(order_hash, self.ended.get(order_hash, LookUpResult.ABSENT), 0)


class ExecutionMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.engine = ExecutionEngine(cancel_reserve=20)
        self.venue = ModelVenue()
        self.at_ns = T0_NS
        self.requests: list[object] = []
        self.to_record: list[str] = []
        self.orders: list[str] = []
        self.tokens: set[str] = set()
        self.finished: set[str] = set()
        self.posted: set[str] = set()
        self.accepted: set[str] = set()
        self.ended: set[str] = set()
        self.feed(WindowAnnounced(window=window(length_s=10**6), ts_recv_ns=T0_NS))

    def feed(self, event: ExecutionEvent) -> None:
        queue = [event]
        while queue:
            for output in self.engine.step(self.at_ns, queue.pop(0)):
                match output:
                    case SignOrder(command=command):
                        order_hash = f"0x{command.client_order_id}"
                        queue.append(Signed(command.client_order_id, order_hash))
                    case OrderSubmitting():
                        self.to_record.append(output.client_order_id)
                    case PostOrder():
                        assert output.client_order_id not in self.posted, "posted twice"
                        self.posted.add(output.client_order_id)
                        self.requests.append(output)
                    case Finished(token=token):
                        assert token in self.tokens
                        assert token not in self.finished, "finished twice"
                        self.finished.add(token)
                    case OrderAccepted():
                        assert output.client_order_id not in self.accepted | self.ended
                        self.accepted.add(output.client_order_id)
                    case OrderFailed() | OrderCancelled():
                        assert output.client_order_id not in self.ended, "ended twice"
                        assert not (
                            isinstance(output, OrderFailed)
                            and output.client_order_id in self.accepted
                        )
                        self.ended.add(output.client_order_id)
                    case WindowFlat():
                        assert not self.venue.open, "called flat, but it is not"
                        on_its_way = [r for r in self.requests if isinstance(r, PostOrder)]
                        assert not on_its_way, "called flat with a POST under way"
                    case _ if isinstance(output, NETWORK):
                        self.requests.append(output)
                    case _:
                        pass

    def command(self, message: object) -> None:
        token = f"t{len(self.tokens)}"
        self.tokens.add(token)
        self.feed(Command(token, message))  # type: ignore[arg-type] # any command

    def request(self, index: int) -> object:
        return self.requests.pop(index % len(self.requests))

    # ---- the strategy ------------------------------------------------------------------------

    @rule(expires_s=st.sampled_from([0.0, 0.05, 1.0]))
    def places(self, expires_s: float) -> None:
        order = f"o{len(self.orders)}"
        self.orders.append(order)
        self.command(submit(order, at_ns=self.at_ns, expires_s=expires_s))

    @rule()
    def places_and_it_is_posted(self) -> None:
        self.places(1.0)
        while self.to_record:
            self.feed(Recorded(self.to_record.pop(0)))

    @rule()
    def places_and_it_rests(self) -> None:
        self.places_and_it_is_posted()
        if self.requests and isinstance(self.requests[-1], PostOrder):
            self.answer(self.requests.pop())

    @precondition(lambda self: self.orders)
    @rule(index=st.integers(0, 1_000))
    def places_again(self, index: int) -> None:
        order = self.orders[index % len(self.orders)]
        self.command(submit(order, at_ns=self.at_ns))

    @precondition(lambda self: self.orders)
    @rule(indexes=st.lists(st.integers(0, 1_000), min_size=1, max_size=3))
    def cancels(self, indexes: list[int]) -> None:
        ids = tuple(self.orders[-1 - index % len(self.orders)] for index in indexes)
        self.command(
            CancelOrders(slug=SLUG, client_order_ids=ids, reason="x", ts_step_ns=self.at_ns)
        )

    @rule()
    def cancels_the_window(self) -> None:
        self.command(CancelWindow(slug=SLUG, reason="x", ts_step_ns=self.at_ns))

    # ---- the operator, the heartbeat, time ---------------------------------------------------

    @rule(action=st.sampled_from(["halt", "resume", "resume", "close", "open", "open"]))
    def somebody_pulls_a_lever(self, action: str) -> None:
        match action:
            case "halt":
                self.feed(Halt(reason="x", by="y", ts_recv_ns=0))
            case "resume":
                self.feed(Resume(by="y", ts_recv_ns=0))
            case _:
                self.feed(PlacingGate(action == "open"))

    @rule(ms=st.sampled_from([1, 30, 100, 400, 2_000, 6_000]))
    def time_passes(self, ms: int) -> None:
        self.at_ns += ms * NS_PER_MS
        self.feed(Tick())

    # ---- Redis and the network ---------------------------------------------------------------

    @precondition(lambda self: self.to_record)
    @rule()
    def is_recorded(self) -> None:
        self.feed(Recorded(self.to_record.pop(0)))

    @precondition(lambda self: self.requests)
    @rule(index=st.integers(0, 1_000))
    def venue_answers(self, index: int) -> None:
        self.answer(self.request(index))

    @rule()
    def all_is_well_for_a_while(self) -> None:
        """No halt, everything answered: the next rules meet an engine that may place."""
        self.feed(Resume(by="y", ts_recv_ns=0))
        self.feed(PlacingGate(open=True))
        for _ in range(6):
            while self.requests:
                self.answer(self.requests.pop(0))
            self.time_passes(400)

    @precondition(lambda self: self.requests)
    @rule(index=st.integers(0, 1_000), arrives=st.booleans())
    def answer_is_lost(self, index: int, arrives: bool) -> None:
        """The request reached the venue, or did not; we hear nothing."""
        request = self.request(index)
        match request:
            case PostOrder():
                if arrives:
                    self.venue.take(request.order_hash)
                self.feed(PostUnknown(request.client_order_id, Reason.TIMEOUT))
            case DeleteOrders():
                if arrives:
                    self.venue.cancel(request.order_hashes)
                self.feed(CancelsFailed(request.order_hashes, Reason.TRANSPORT))
            case LookUpOrder():
                self.feed(OrderLookedUp(request.order_hash, LookUpResult.UNANSWERED))
            case ListOpenOrders():
                self.feed(OpenOrdersFailed(SLUG, Reason.TRANSPORT))
            case CancelAll():
                if arrives:
                    self.venue.cancel(tuple(self.venue.open))
                self.feed(CancelAllFailed(request.number, Reason.TRANSPORT))
            case _:
                raise AssertionError(request)

    @precondition(lambda self: any(isinstance(r, PostOrder) for r in self.requests))
    @rule(
        refusal=st.sampled_from(
            [
                (Reason.POST_ONLY_CROSSES, None),
                (Reason.RATE_LIMITED, None),
                (Reason.RESTARTING, VenueMode.RESTARTING),
                (Reason.CANCEL_ONLY, VenueMode.CANCEL_ONLY),
                (Reason.TRANSPORT, None),
            ]
        )
    )
    def venue_refuses(self, refusal: tuple[Reason, VenueMode | None]) -> None:
        post = next(r for r in self.requests if isinstance(r, PostOrder))
        self.requests.remove(post)
        self.feed(PostRejected(post.client_order_id, refusal[0], "", refusal[1]))

    @precondition(lambda self: self.venue.open)
    @rule(index=st.integers(0, 1_000))
    def an_order_is_filled(self, index: int) -> None:
        order_hash = sorted(self.venue.open)[index % len(self.venue.open)]
        self.venue.open.discard(order_hash)
        self.venue.ended[order_hash] = LookUpResult.MATCHED

    def answer(self, request: object) -> None:
        match request:
            case PostOrder():
                self.venue.take(request.order_hash)
                self.feed(Posted(request.client_order_id))
            case DeleteOrders():
                self.feed(self.venue.cancel(request.order_hashes))
            case CancelAll():
                self.venue.cancel(tuple(self.venue.open))
                self.feed(AllCancelled(request.number, tuple(sorted(self.venue.open))))
            case LookUpOrder():
                self.feed(self.venue.look_up(request.order_hash))
            case ListOpenOrders():
                self.feed(OpenOrdersAnswered(SLUG, tuple(sorted(self.venue.open))))
            case _:
                raise AssertionError(request)

    @invariant()
    def ends_follow_beginnings(self) -> None:
        assert self.accepted <= self.posted
        assert self.finished <= self.tokens

    def teardown(self) -> None:
        """Everything is answered from now on: everything must come to an end."""
        self.feed(PlacingGate(open=True))
        for _ in range(200):
            while self.to_record:
                self.feed(Recorded(self.to_record.pop(0)))
            while self.requests:
                self.answer(self.requests.pop(0))
            self.at_ns += NS_PER_S // 2
            self.feed(Tick())
        assert len(self.venue.open) <= self.engine.open_orders
        self.command(CancelWindow(slug=SLUG, reason="end", ts_step_ns=self.at_ns))
        self.feed(WindowEnded(SLUG))  # only now a POST that was never answered is given up
        for _ in range(60):
            while self.requests:
                self.answer(self.requests.pop(0))
            self.at_ns += NS_PER_S // 2
            self.feed(Tick())
        assert not self.venue.open
        assert self.engine.flat
        assert self.finished == self.tokens, "a command was never answered"
        assert set(self.orders) == self.accepted | self.ended


TestExecutionEngine = ExecutionMachine.TestCase
TestExecutionEngine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
