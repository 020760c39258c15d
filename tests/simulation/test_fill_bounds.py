"""The fill models against a venue whose true queue is known: a crowd, and bids of ours in it.

The models see the market channel only, as for a recording. Our own orders are in that tape too, so
this is a test of the bounds, not of the distance to the truth.
"""

from __future__ import annotations

from random import Random

from pmcore.model.market import Outcome, Window
from pmcore.model.units import NS_PER_MS, NS_PER_S, SHARE_U6
from pmcore.venue.market_frames import MarketFrameParser
from pmsim.queue.line import FillModel
from pmsim.queue.model import QueueModel
from pmsim.run.synthetic import SyntheticVenue
from pmsim.venue.ports import MarketFrame
from support.sim_worlds import ME, new_order, synthetic

WINDOWS = 20
STEP_NS = 250 * NS_PER_MS
GRID_U6 = SHARE_U6 // 10
"""The models floor each fill to 0.01 shares; a window has some ten."""
SIZE_U6 = 10 * SHARE_U6


class _Trial:
    """One window: the same bids at the venue and in the queue of each model."""

    def __init__(self, seed: int) -> None:
        self._venue = synthetic(seed=seed)
        self._random = Random(seed)
        self._window = _running(self._venue)
        self._parser = MarketFrameParser(self._window)
        self._queues = {model: QueueModel(self._window, model) for model in FillModel}
        self._resting: dict[str, int] = {}
        self._bids: list[str] = []
        tokens = [self._window.up_token_id, self._window.down_token_id]
        dump = self._venue.initial_dump(tokens)
        assert dump is not None
        self._venue.advance(self._venue.now_ns)
        self._hear(dump, self._venue.now_ns)

    def run(self) -> dict[str, int]:
        """Shares filled by each model and in truth."""
        while self._venue.now_ns < self._window.close_ns - NS_PER_S:
            self._venture()
            self._listen(self._venue.now_ns + STEP_NS)
        for order_hash in list(self._resting):
            self._end(order_hash)
        filled = {
            model.value: sum(
                holding.qty_u6 for holding in (queue.ledgers[model].up, queue.ledgers[model].down)
            )
            for model, queue in self._queues.items()
        }
        orders = self._venue.accounts.orders
        filled["truth"] = sum(orders[order_hash].matched_u6 for order_hash in self._bids)
        return filled

    def _venture(self) -> None:
        now_ns = self._venue.now_ns
        for order_hash, until_ns in list(self._resting.items()):
            if now_ns >= until_ns:
                self._end(order_hash)
        if len(self._resting) < 2 and self._random.random() < 0.3:
            outcome = self._random.choice(list(Outcome))
            price_e4 = self._best_bid(outcome) - 100 * self._random.randrange(2)
            if price_e4 > 0:
                self._place(outcome, price_e4, now_ns + self._random.randrange(8) * NS_PER_S)

    def _place(self, outcome: Outcome, price_e4: int, until_ns: int) -> None:
        token_id = self._window.token_id(outcome)
        order = new_order(f"0x{len(self._bids)}", token_id, price_e4, shares=10)
        now_ns = self._venue.now_ns
        if self._venue.place(ME.owner, order, now_ns).error:
            return
        self._bids.append(order.order_hash)
        self._resting[order.order_hash] = until_ns
        for queue in self._queues.values():
            queue.add(order.order_hash, outcome, price_e4, SIZE_U6, now_ns)

    def _end(self, order_hash: str) -> None:
        """Cancel. Prints that come later, of trades before it, are not heard: 35 ms of them."""
        del self._resting[order_hash]
        self._venue.cancel(ME.owner, [order_hash], self._venue.now_ns)
        self._listen(self._venue.now_ns)
        for queue in self._queues.values():
            queue.remove(order_hash)

    def _best_bid(self, outcome: Outcome) -> int:
        bids, _ = self._queues[FillModel.CENTRAL].depth.own_book(outcome)
        return bids[-1][0] if bids else 0

    def _listen(self, to_ns: int) -> None:
        for event in self._venue.advance(to_ns):
            if isinstance(event, MarketFrame) and event.condition_id == self._window.condition_id:
                self._hear(event.text, event.at_ns)

    def _hear(self, text: str, at_ns: int) -> None:
        for message in self._parser.parse(text, ts_recv_ns=at_ns):
            for queue in self._queues.values():
                queue.on_market(message)


def _running(venue: SyntheticVenue) -> Window:
    return next(
        listing.window
        for listing in venue.listings()
        if listing.window.open_ns <= venue.now_ns < listing.window.close_ns
    )


def test_the_truth_lies_between_the_pessimistic_and_the_optimistic_model(rounds: int) -> None:
    shares = [_Trial(seed).run() for seed in range(1, rounds * WINDOWS + 1)]
    inside = [w["pessimistic"] <= w["truth"] <= w["optimistic"] + GRID_U6 for w in shares]
    outside = [window for window, is_inside in zip(shares, inside, strict=True) if not is_inside]
    assert sum(w["truth"] for w in shares) > len(shares) * SHARE_U6
    assert len(outside) <= 0.01 * len(shares), outside
