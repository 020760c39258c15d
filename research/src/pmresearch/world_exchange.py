"""A synthetic world as the exchange of an execution engine: real matching, both ways delayed.

A request arrives `half_ns` after it was sent, and its answer is heard `half_ns` after that; so is
what the user channel tells. Fills are those of the world's own book, in which our orders stand.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

import msgspec

from pmcore.engine.execution.io import (
    CancelAnswered,
    LookUpResult,
    OpenOrdersAnswered,
    OrderLookedUp,
    Posted,
    PostRejected,
)
from pmcore.messages.market_data import MarketDataMessage
from pmcore.messages.orders import SubmitOrder
from pmcore.messages.user import UserChannelChanged, UserChannelState
from pmcore.model.market import Window
from pmcore.venue.rest_models import parse_post_order_response
from pmcore.venue.user_frames import UserFrameParser
from pmsim.queue.paper_venue import PaperAnswer, PaperMessage, VenueAnswer
from pmsim.run.synthetic import SyntheticVenue
from pmsim.venue.ports import Account, NewOrder, OrderSide, OrderStatus, UserFrame

_FOUND = {
    OrderStatus.LIVE: LookUpResult.LIVE,
    OrderStatus.DELAYED: LookUpResult.LIVE,
    OrderStatus.MATCHED: LookUpResult.MATCHED,
}
_Action = Callable[[int], Sequence[PaperMessage]]


class WorldExchange:
    """A `VirtualExchange` for one account and the windows that are added to it."""

    def __init__(self, venue: SyntheticVenue, account: Account, half_ns: int) -> None:
        self._venue = venue
        self._owner = account.owner
        self._half_ns = half_ns
        self._user = UserFrameParser(api_key=account.owner, maker_addresses=frozenset())
        self._windows: dict[str, Window] = {}
        self._due: list[tuple[int, int, _Action]] = []
        self._turns = 0
        self._requests = 0

    def next_ns(self) -> int | None:
        """When a request arrives, or an answer or a report is heard."""
        return self._due[0][0] if self._due else None

    def add_window(self, window: Window) -> None:
        """Trade a window; the user channel is up from then on."""
        self._windows[window.slug] = window
        up = UserChannelChanged(state=UserChannelState.UP, ts_recv_ns=self._venue.now_ns)
        self._at(self._venue.now_ns, lambda _: [up])

    def hear(self, event: UserFrame, at_ns: int) -> None:
        """Take a frame of the user channel as the world sent it."""
        raw = msgspec.json.encode(event.frame)
        self._at(at_ns + self._half_ns, lambda now_ns: [*self._user.parse(raw, ts_recv_ns=now_ns)])

    def post(self, at_ns: int, command: SubmitOrder, order_hash: str) -> int:
        """Send an order."""
        return self._send(at_ns, lambda now_ns: self._place(command, order_hash, now_ns))

    def delete(self, at_ns: int, order_hashes: tuple[str, ...]) -> int:
        """Cancel by ids."""
        return self._send(at_ns, lambda now_ns: self._cancel(order_hashes, now_ns))

    def list_open(self, at_ns: int, slug: str) -> int:
        """Ask for the open orders of a window."""
        return self._send(at_ns, lambda _: self._open(slug))

    def look_up(self, at_ns: int, order_hash: str) -> int:
        """Ask what became of an order."""
        return self._send(at_ns, lambda _: self._found(order_hash))

    def market(
        self, at_ns: int, message: MarketDataMessage, *, unseen_trade_e4: int | None = None
    ) -> list[PaperMessage]:
        """Fill nothing by what is heard: the world's own book does."""
        del message, unseen_trade_e4
        return self.advance(at_ns)

    def advance(self, at_ns: int) -> list[PaperMessage]:
        """Let what is due by `at_ns` happen, in order of time."""
        out: list[PaperMessage] = []
        while self._due and self._due[0][0] <= at_ns:
            due_ns, _, action = heapq.heappop(self._due)
            out += action(due_ns)
        return out

    def _at(self, at_ns: int, action: _Action) -> None:
        self._turns += 1
        heapq.heappush(self._due, (at_ns, self._turns, action))

    def _send(self, at_ns: int, request: Callable[[int], VenueAnswer]) -> int:
        self._requests += 1
        number = self._requests

        def arrive(now_ns: int) -> list[PaperMessage]:
            answer = PaperAnswer(number, request(now_ns))
            self._at(now_ns + self._half_ns, lambda _: [answer])
            return []

        self._at(at_ns + self._half_ns, arrive)
        return number

    def _place(self, command: SubmitOrder, order_hash: str, at_ns: int) -> VenueAnswer:
        placed = self._venue.place(
            self._owner,
            NewOrder(
                order_hash=order_hash,
                token_id=self._windows[command.slug].token_id(command.outcome),
                side=OrderSide.BUY,
                price_e4=command.price_e4,
                size_u6=command.size_u6,
                post_only=True,
            ),
            at_ns,
        )
        result = parse_post_order_response(
            {
                "success": not placed.error,
                "errorMsg": placed.error,
                "orderID": order_hash,
                "status": placed.status,
            }
        )
        if result.reason is None:
            return Posted(command.client_order_id)
        return PostRejected(command.client_order_id, result.reason, result.text)

    def _cancel(self, order_hashes: tuple[str, ...], at_ns: int) -> VenueAnswer:
        done = self._venue.cancel(self._owner, list(order_hashes), at_ns)
        return CancelAnswered(order_hashes, tuple(done.canceled), dict(done.not_canceled))

    def _open(self, slug: str) -> VenueAnswer:
        condition_id = self._windows[slug].condition_id
        found = self._venue.open_orders(self._owner)
        return OpenOrdersAnswered(
            slug, tuple(one.order_hash for one in found if one.condition_id == condition_id)
        )

    def _found(self, order_hash: str) -> VenueAnswer:
        order = self._venue.order(order_hash)
        if order is None:
            return OrderLookedUp(order_hash, LookUpResult.ABSENT)
        result = _FOUND.get(order.status, LookUpResult.CANCELED)
        return OrderLookedUp(order_hash, result, order.matched_u6)
