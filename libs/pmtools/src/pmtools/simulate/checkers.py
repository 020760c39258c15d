"""The laws of a simulated world, judged on the venue's own records, never on our belief.

`Judge.problems` has one `Breach` for each law and subject. What a law cannot see is said in its
method.
"""

from __future__ import annotations

from collections.abc import Iterable

import httpx
import msgspec

from pmcore.engine.strategy.engine import WindowEngine
from pmcore.engine.strategy.session import MarketSession
from pmcore.messages.execution import (
    CancelFailed,
    MergeReported,
    MergeStatus,
    OrderAccepted,
    OrderCancelled,
    OrderFailed,
    OrderSubmitting,
)
from pmcore.messages.market_data import BookCheckpoint, BookDelta, BookSnapshot
from pmcore.messages.orders import SubmitOrder
from pmcore.messages.user import PositionsRead
from pmcore.model.errors import Reason
from pmcore.model.market import Outcome, Window
from pmcore.model.units import NS_PER_S, PRICE_ONE_E4, SHARE_U6
from pmcore.model.units import value_u6 as cost_u6
from pmcore.shell.settings.strategy import StrategySettings
from pmcore.wire.ports import Outgoing
from pmsim.venue.accounts import Accounts
from pmsim.venue.conservation import ledger_problems
from pmsim.venue.ports import OrderSide, VenueOrder
from pmstrategy.service import StrategyService
from pmtools.simulate.world import SeededWorld

KILL_GRACE_S = 3.0
"""A halt travels by Redis to the other processes, and a POST may be on its way."""
OUTLIVE_S = 17.0
"""The venue's own dead-man's time, and its check's step: nobody has to be alive for it."""
HEARTBEAT_S = 11.0
STALE_S = 5.0
EXPIRY_S = 0.1
CALM_S = 20.0
"""At the end, in a sound world, every process has run for so long."""
PHANTOM_U6 = 50 * SHARE_U6
POSITIONS_STAY_NS = 10 * NS_PER_S
POSITIONS_GRACE_NS = 2 * NS_PER_S


class Breach(msgspec.Struct, frozen=True):
    """A law that did not hold, of what, at which virtual second."""

    law: str
    subject: str
    text: str
    at_s: float

    def __str__(self) -> str:
        return f"{self.at_s:.3f} s {self.law}: {self.subject} {self.text}"


class Judge:
    """Watches a world from its start to its end."""

    def __init__(self, world: SeededWorld) -> None:
        self.problems: list[Breach] = []
        self._world = world
        self._told: set[tuple[str, str]] = set()
        self._trades_seen = 0
        self._seen = (-1, -1)
        self._engines: dict[str, WindowEngine] = {}
        self._submits: dict[str, SubmitOrder] = {}
        self.merges: dict[str, MergeReported] = {}
        """What the executor said last of each merge."""
        self._ends: dict[str, set[str]] = {}
        self._recorded_s: dict[str, float] = {}
        self._client_ids: dict[str, str] = {}
        self._answered_beat_s: float | None = None
        self._market_s = 0.0
        self._books_ns: dict[str, int] = {}
        self._restless_s = 0.0
        self._phantoms_ns: dict[str, tuple[int, int]] = {}
        world.on_step.append(self._step)
        world.on_publish.append(self._published)
        world.on_read.append(self._read)
        world.network.on_request = self._requested
        world.network.on_answer = self._answered
        world.network.on_frame = self._frame

    @property
    def _accounts(self) -> Accounts:
        return self._world.accounts

    def _tell(self, law: str, subject: str, text: str) -> None:
        if (law, subject) not in self._told:
            self._told.add((law, subject))
            breach = Breach(law, subject, text, self._world.loop.time())
            self.problems.append(breach)
            self._world.say("judge", str(breach))

    # ---- after every turn of the loop

    def _step(self) -> None:
        self._mind_operator()
        self._learn_engines()
        accounts = self._accounts
        seen = (len(accounts.trades), len(accounts.orders))
        if seen == self._seen or not self._world.owner:
            return
        self._seen = seen
        self._exposure()
        self._no_taking()
        self._no_small_belief()

    def _mind_operator(self) -> None:
        """How long ago it last was impossible to hear a halt."""
        world = self._world
        executor = world.hosts["executor"]
        deaf = (
            not world.store.available
            or world.redis.full
            or bool(world.redis.cut_off)
            or not executor.alive
            or executor.frozen
            or world.redis.delay_s > 0.01
            or world.redis.entry_delay_s > 0
        )
        if deaf:
            self._restless_s = world.loop.time()

    def _learn_engines(self) -> None:
        service = self._world.hosts["strategy"].service
        if isinstance(service, StrategyService):
            for slug, runner in service.runners.items():
                self._engines[slug] = runner.engine

    def _exposure(self) -> None:
        """Held, and held with all that rests, stays below the net limit; so does the value."""
        owner, ledger = self._world.owner, self._accounts.ledger
        resting: dict[str, list[VenueOrder]] = {}
        for record in self._accounts.open_orders(owner):
            resting.setdefault(record.condition_id, []).append(record)
        for window in self._windows():
            limits = self._world.limits_of(window.series)
            held = {o: ledger.shares_u6(owner, window.token_id(o)) for o in Outcome}
            orders = resting.get(window.condition_id, [])
            going = {o: sum(r.leaves_u6 for r in orders if r.outcome is o) for o in Outcome}
            for one in Outcome:
                net_u6 = held[one] - held[one.complement]
                if net_u6 >= limits.max_net_diff_u6:
                    self._tell("net limit", window.slug, f"holds {net_u6 / SHARE_U6:g} net")
                elif net_u6 + going[one] >= limits.max_net_diff_u6 and going[one]:
                    text = f"{(net_u6 + going[one]) / SHARE_U6:g} net if what rests is bought"
                    self._tell("exposure", window.slug, text)
                value_u6 = self._paid_u6(window, one) - self._freed_u6(window, one)
                value_u6 += sum(
                    cost_u6(r.price_e4, r.leaves_u6) for r in orders if r.outcome is one
                )
                if value_u6 >= limits.max_position_value_u6:
                    subject = f"{window.slug} {one.value}"
                    self._tell("value limit", subject, f"{value_u6 / SHARE_U6:.2f} $ at risk")

    def _paid_u6(self, window: Window, outcome: Outcome) -> int:
        """What our shares of an outcome cost, FAILED trades aside; millionths of a dollar."""
        owner = self._world.owner
        return sum(
            cost_u6(fill.price_e4, fill.size_u6)
            for trade in self._accounts.trades_of(owner)
            if trade.condition_id == window.condition_id and trade.status != "FAILED"
            for fill in trade.makers
            if fill.account.owner == owner and fill.outcome is outcome
        )

    def _freed_u6(self, window: Window, outcome: Outcome) -> int:
        """What the pairs that the venue merged had cost, by its own count of the shares.

        It cannot see whether the average is the right one: that is what the executor said.
        """
        return sum(
            (m.up_cost_e4u6 if outcome is Outcome.UP else m.down_cost_e4u6) // PRICE_ONE_E4
            for m in self.merges.values()
            if m.slug == window.slug and m.status is MergeStatus.MERGED
        )

    def _bought_u6(self, window: Window, outcome: Outcome) -> int:
        """Our shares of an outcome by the venue's trades, FAILED ones aside."""
        owner = self._world.owner
        return sum(
            fill.size_u6
            for trade in self._accounts.trades_of(owner)
            if trade.condition_id == window.condition_id and trade.status != "FAILED"
            for fill in trade.makers
            if fill.account.owner == owner and fill.outcome is outcome
        )

    def _merged_u6(self, window: Window) -> int:
        """Pairs that the venue merged: bought and no longer held, of either outcome."""
        held_u6 = self._accounts.ledger.shares_u6(self._world.owner, window.up_token_id)
        return self._bought_u6(window, Outcome.UP) - held_u6

    def _merges(self) -> None:
        """What is said of merges is what the venue has, and cash is what the chain says.

        What Redis lost is said by nobody.
        """
        owner, ledger = self._world.owner, self._accounts.ledger
        cash_u6 = self._world.accounts_params.cash_u6
        for window in self._windows():
            said = [m for m in self.merges.values() if m.slug == window.slug]
            least_u6 = sum(m.size_u6 for m in said if m.status is MergeStatus.MERGED)
            most_u6 = least_u6 + sum(m.size_u6 for m in said if m.status is MergeStatus.UNKNOWN)
            merged_u6 = self._merged_u6(window)
            cash_u6 += merged_u6 - sum(self._paid_u6(window, one) for one in Outcome)
            as_said = least_u6 <= merged_u6 <= most_u6
            if not as_said and not self._world.redis.lost_data:
                text = f"merged {merged_u6 / SHARE_U6:g}, said {least_u6 / SHARE_U6:g}"
                self._tell("merges", window.slug, f"{text} to {most_u6 / SHARE_U6:g}")
        if ledger.cash_u6(owner) != cash_u6:
            text = f"is {ledger.cash_u6(owner)} u6, the chain's trades and merges give {cash_u6}"
            self._tell("cash", "venue", text)

    def _no_taking(self) -> None:
        owner, trades = self._world.owner, self._accounts.trades
        for trade in trades[self._trades_seen :]:
            if trade.taker.owner == owner:
                self._tell("maker only", trade.trade_id, "an order of ours took")
        self._trades_seen = len(trades)
        for record in self._accounts.open_orders(owner):
            if record.side is not OrderSide.BUY:
                self._tell("buys only", record.order_hash[:12], "sells")

    def _no_small_belief(self) -> None:
        """Where quoting is allowed, what is held is believed, or thought possible."""
        owner, ledger, now_ns = self._world.owner, self._accounts.ledger, self._world.now_ns
        host = self._world.hosts["strategy"]
        if not host.alive or not isinstance(host.service, StrategyService):
            return
        for runner in host.service.runners.values():
            session = runner.engine.session
            if session.hold(now_ns) or session.placing_blocked(now_ns):
                continue
            for outcome in Outcome:
                held_u6 = ledger.shares_u6(owner, session.window.token_id(outcome))
                possible_u6 = _possible_u6(session, outcome)
                if held_u6 > possible_u6:
                    most = f"at most {possible_u6 / SHARE_U6:g} thought of"
                    text = f"held {held_u6 / SHARE_U6:g}, {most}"
                    self._tell("belief", f"{session.window.slug} {outcome.value}", text)

    # ---- on the way to the venue

    def _requested(self, name: str, request: httpx.Request, sent_s: float) -> None:
        if name != "executor" or request.method != "POST" or request.url.path != "/order":
            return
        killed_s = self._world.killed_since_s
        if killed_s is not None and sent_s > max(killed_s, self._restless_s) + KILL_GRACE_S:
            self._tell("kill", "executor", "sent an order while a halt was in force")
        beat_s = self._answered_beat_s
        if beat_s is None or sent_s - beat_s > HEARTBEAT_S:
            self._tell("heartbeat", "executor", "sent an order without a heartbeat")
        if sent_s - self._market_s > STALE_S:
            age_s = sent_s - self._market_s
            text = f"sent an order on market data that left the venue {age_s:.1f} s ago"
            self._tell("stale book", "executor", text)

    def _answered(
        self, name: str, request: httpx.Request, answer: httpx.Response | None, sent_s: float
    ) -> None:
        if name == "feed" and request.url.path.startswith("/book"):
            self._market_s = self._world.loop.time()
        if answer is None or request.method != "POST" or not answer.is_success:
            return
        if request.url.path == "/v1/heartbeats":
            self._answered_beat_s = sent_s
        elif request.url.path == "/order":
            order_hash = msgspec.json.decode(answer.content).get("orderID", "")
            self._posted(order_hash, sent_s)

    def _posted(self, order_hash: str, sent_s: float) -> None:
        client_id = self._client_ids.get(order_hash)
        if client_id is None or self._recorded_s.get(client_id, sent_s + 1) > sent_s:
            self._tell("record first", order_hash[:12], "was sent before its id stood in exe")
            return
        command = self._submits.get(client_id)
        if command is None:
            return
        machine = self._world.hosts["executor"].machine
        wall_ns = machine.wall_ns() - int((self._world.loop.time() - sent_s) * NS_PER_S)
        if wall_ns > command.expires_at_ns + EXPIRY_S * NS_PER_S and not self._world.clock_moved:
            self._tell("expiry", client_id, "was sent after it had expired")

    def _frame(self, name: str, left_s: float) -> None:
        if name == "feed":
            self._market_s = max(self._market_s, left_s)

    # ---- on the bus

    def _published(self, source: str, item: Outgoing) -> None:
        message = item.message
        if isinstance(message, SubmitOrder):
            self._submits[message.client_order_id] = message
            self._on_fresh_book(message)
            self._on_positions(message)
        elif isinstance(message, OrderSubmitting):
            self._recorded_s.setdefault(message.client_order_id, self._world.loop.time())
            self._client_ids[message.order_hash] = message.client_order_id
        elif isinstance(message, MergeReported):
            known = self.merges.get(message.merge_id)
            if known is None or known.status is MergeStatus.UNKNOWN:
                self.merges[message.merge_id] = message
        elif isinstance(message, OrderAccepted | OrderFailed | OrderCancelled | CancelFailed):
            ends = self._ends.setdefault(message.client_order_id, set())
            ends.add(type(message).__name__)
            self._not_held_back(message)
            # of an order whose entries Redis lost, a new executor knows the command alone
            if {"OrderAccepted", "OrderFailed"} <= ends and not self._world.redis.lost_data:
                self._tell("one end", message.client_order_id, f"has {' and '.join(sorted(ends))}")

    def _not_held_back(
        self, message: OrderAccepted | OrderFailed | OrderCancelled | CancelFailed
    ) -> None:
        """A strategy that is right never meets the executor's own limits."""
        if not isinstance(message, OrderFailed) or self._world.redis.lost_data:
            return
        if message.reason is Reason.RISK:
            self._tell("executor's limits", message.client_order_id, message.text)

    def _read(self, source: str, message: object) -> None:
        if source == "strategy" and isinstance(message, PositionsRead):
            self._learn_positions(message)
        if source == "strategy" and isinstance(message, BookSnapshot | BookDelta | BookCheckpoint):
            known_ns = self._books_ns.get(message.slug, 0)
            self._books_ns[message.slug] = max(known_ns, message.ts_recv_ns)

    def _learn_positions(self, read: PositionsRead) -> None:
        """For each window: when the strategy first and last read shares that nobody holds."""
        shown = {one.token_id: one.size_u6 for one in read.held}
        for window in self._windows():
            held_u6 = self._accounts.ledger.shares_u6(self._world.owner, window.up_token_id)
            first_ns, _ = self._phantoms_ns.get(window.slug, (read.asked_ns, 0))
            if shown.get(window.up_token_id, 0) - held_u6 >= PHANTOM_U6 // 2:
                self._phantoms_ns[window.slug] = (first_ns, read.asked_ns)
            else:
                self._phantoms_ns.pop(window.slug, None)

    def _on_positions(self, command: SubmitOrder) -> None:
        """No bid after two readings, far enough apart, of shares that nobody holds."""
        first_ns, last_ns = self._phantoms_ns.get(command.slug, (0, 0))
        since_ns = command.ts_step_ns - last_ns
        if last_ns - first_ns >= POSITIONS_STAY_NS and since_ns > POSITIONS_GRACE_NS:
            self._tell("positions", command.slug, "bids although the venue shows other shares")

    def _on_fresh_book(self, command: SubmitOrder) -> None:
        """An order was decided on a book that had reached the strategy, and was not too old."""
        settings: StrategySettings = self._world.hosts["strategy"].settings
        age_ns = command.ts_step_ns - self._books_ns.get(command.slug, 0)
        if age_ns > settings.as_params().stale_after_ns and not self._world.clock_moved:
            text = f"was decided on a book of {age_ns / NS_PER_S:.1f} s ago"
            self._tell("stale book", command.client_order_id, text)

    # ---- at the end, when everything has come to rest

    def finish(self) -> None:
        """Judge what only quiet shows. The world is halted and nothing is on its way."""
        owner, accounts = self._world.owner, self._accounts
        if not owner:
            self._tell("start", "executor", "never made its account")
            return
        for problem in ledger_problems(accounts, self._windows()):
            self._tell("conserved", "venue", problem)
        self._merges()
        for record in accounts.open_orders(owner):
            self._tell("flat after a kill", record.order_hash[:12], "rests")
        for record in accounts.orders.values():
            if record.account.owner == owner and record.order_hash not in self._client_ids:
                self._tell("record first", record.order_hash[:12], "is at the venue, never in exe")
        executor_host = self._world.hosts["executor"]
        executor, clock = executor_host.service, executor_host.machine
        # an executor whose clock is wrong leaves its windows, and ends its searches, at other times
        left = executor.state()["open_orders"] if executor is not None else 0
        if left and not clock.offset_ns:
            self._tell("belief at rest", "executor", f"believes in {left} open orders")
        for slug, engine in self._engines.items():
            self._agrees(slug, engine)
        if not (self._world.redis.lost_data or clock.offset_ns):  # commands go with lost data
            for client_id in self._submits:
                if client_id not in self._ends:
                    self._tell("one end", client_id, "has none")
        now_s = self._world.loop.time()
        for host in self._world.hosts.values():
            for error in host.errors:
                self._tell("no crash", host.name, f"ended by {error!r}"[:300])
            if not host.alive or now_s - host.started_s < CALM_S:
                self._tell("up at rest", host.name, "still ends, long after the last fault")
        for problem in self._world.problems:
            self._tell("no crash", "loop", problem)

    def _agrees(self, slug: str, engine: WindowEngine) -> None:
        """The newest engine of a window, if it still lives or came to its end."""
        service = self._world.hosts["strategy"].service
        living = isinstance(service, StrategyService) and slug in service.runners
        if not living and not engine.finished:
            return
        session, owner = engine.session, self._world.owner
        for outcome in Outcome:
            held_u6 = self._accounts.ledger.shares_u6(owner, session.window.token_id(outcome))
            held_u6 += self._merged_u6(session.window)
            known_u6 = session.inventory.working.holding(outcome).qty_u6
            if held_u6 != known_u6:
                text = f"believes in {known_u6 / SHARE_U6:g}, the venue has {held_u6 / SHARE_U6:g}"
                self._tell("belief at rest", f"{slug} {outcome.value}", text)

    def outlived(self) -> None:
        """No order rests long after its window's close; call it now and then."""
        closed = {w.condition_id: w for w in self._windows()}
        for record in self._accounts.open_orders(self._world.owner):
            window = closed.get(record.condition_id)
            if window and self._world.now_ns > window.close_ns + OUTLIVE_S * NS_PER_S:
                self._tell("outlives its window", record.order_hash[:12], f"of {window.slug} rests")

    def _windows(self) -> Iterable[Window]:
        return [listing.window for listing in self._world.venue.listings()]


def _possible_u6(session: MarketSession, outcome: Outcome) -> int:
    """What the strategy reckons with: shares, and what its orders may have bought."""
    known_u6 = session.inventory.working.holding(outcome).qty_u6
    return known_u6 + sum(
        exposure.qty_u6 for exposure in session.orders.exposures() if exposure.outcome is outcome
    )
