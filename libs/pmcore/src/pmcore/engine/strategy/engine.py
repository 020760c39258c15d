"""The strategy's step: market data, user events, answers and time in; commands and notices out.

Synchronous and deterministic: the same inputs give the same outputs, byte for byte, whether they
come from live streams, the simulator or a journal. Books move on each event; decisions are made
on `BatchEnded` only, so that we never quote on a book that is known to be old.
"""

from __future__ import annotations

import hashlib
from typing import assert_never

import msgspec

from pmcore.engine.strategy.answers import Answers
from pmcore.engine.strategy.decision import decide_commands
from pmcore.engine.strategy.door import concerns
from pmcore.engine.strategy.marking import attribution_view, mark_fill, mean_markouts, up_worth2_e4
from pmcore.engine.strategy.merging import merge_if_short, note_merge
from pmcore.engine.strategy.session import OUTCOMES, MarketSession
from pmcore.machines.book import WindowBooks
from pmcore.machines.inventory import FillEffect
from pmcore.machines.ofi import count_trade
from pmcore.machines.ofi_threshold import WarmStart
from pmcore.machines.rotation import WindowState
from pmcore.messages.control import Halt, Resume
from pmcore.messages.execution import (
    CancelFailed,
    MergeReported,
    OrderAccepted,
    OrderCancelled,
    OrderFailed,
    OrderSubmitting,
    OrderUnknown,
    VenueModeChanged,
    WindowFlat,
)
from pmcore.messages.gate import PlacingGateChanged
from pmcore.messages.market_data import (
    BookDelta,
    BookSnapshot,
    FeedStatusChanged,
    TickSizeChanged,
    TradePrinted,
    UnderlyingPriced,
)
from pmcore.messages.notices import Notice, NoticeKind
from pmcore.messages.orders import CommandMessage
from pmcore.messages.prior_loss import PriorLossChanged
from pmcore.messages.rotation import WindowAnnounced, WindowResolved
from pmcore.messages.timers import BatchEnded, Tick
from pmcore.messages.union import EngineEvent
from pmcore.messages.user import FillReported, OrderUpdated, PositionsRead, UserChannelChanged
from pmcore.model.check import invariant
from pmcore.model.market import Outcome, Window
from pmcore.model.params import StrategyParams
from pmcore.model.units import SHARE_U6, format_profit, format_qty

Output = CommandMessage | Notice


class WindowEngine:
    """The decisions of one window. `step` is the only input; everything else is for reading.

    `books`: given where several engines take the same market data, one message at a time.
    """

    def __init__(
        self,
        window: Window,
        params: StrategyParams,
        run_id: str,
        *,
        warm_start: dict[Outcome, WarmStart] | None = None,
        prior_loss_u6: int = 0,
        gated: bool = True,
        books: WindowBooks | None = None,
    ) -> None:
        self.run_id = run_id
        self.session = MarketSession(
            window,
            params,
            warm_start=warm_start,
            prior_loss_u6=prior_loss_u6,
            gated=gated,
            books=books,
        )
        self._answers = Answers(self.session, run_id)
        self.counters = self.session.counters
        self._at_ns = 0
        self._hash = hashlib.sha256()
        self._submitted = 0
        self._told_unsettled: set[tuple[str, Outcome]] = set()

    @property
    def finished(self) -> bool:
        """Settled: the window's groups may be destroyed."""
        return self.session.clock.state is WindowState.SETTLED

    @property
    def fingerprint(self) -> str:
        """SHA-256 over every output so far with its time."""
        return self._hash.hexdigest()

    def warm_start(self) -> dict[Outcome, WarmStart]:
        """What the next window of the series should start with."""
        return {o: self.session.flows[o].thresholds.warm_start() for o in OUTCOMES}

    def view(self) -> dict[str, object]:
        """For /state: see `MarketSession.as_view` and `marking`; with its rules, the price."""
        view, worth2_e4 = self.session.as_view(self._at_ns), up_worth2_e4(self.session, self._at_ns)
        view["attribution"] = attribution_view(self.session, worth2_e4)
        view["markout_cents"] = mean_markouts(self.session.markouts.fills)
        if self.session.merging.is_on:
            merges = self.session.inventory.merges
            view["merged"] = merges.merged_u6 / SHARE_U6
            view["merge_unknown"] = merges.doubted_u6 / SHARE_U6
        if self.session.underlying.is_on:
            view["underlying"] = self.session.underlying.as_view(self._at_ns)
        if self.session.fair_value.is_on:
            view["fair_value"] = self.session.fair_value.as_view(self._at_ns)
        return view

    def step(self, at_ns: int, event: EngineEvent) -> list[Output]:
        """Apply one input at a time that never runs backwards; raise nothing for a bad input."""
        invariant(at_ns >= self._at_ns, "time ran backwards")
        self._at_ns = at_ns
        if not concerns(self.session.window, event):
            return []
        outputs = self._apply(at_ns, event)
        for output in outputs:
            self._hash.update(b"%d " % at_ns + msgspec.json.encode(output) + b"\n")
        return outputs

    def _apply(self, at_ns: int, event: EngineEvent) -> list[Output]:  # noqa: PLR0911, PLR0912 - one arm a message
        session, answers = self.session, self._answers
        match event:
            case BookSnapshot() | BookDelta() | TickSizeChanged() | TradePrinted():
                return self._market(at_ns, event)
            case BatchEnded():
                return self._decide(at_ns)
            case Tick():
                return []
            case FeedStatusChanged():
                session.hear_feed(event)
                return []
            case UnderlyingPriced():
                if session.hear_underlying(event):
                    session.cause.market(event.ts_recv_ns, None)
                return []
            case FillReported():
                return self._fill(at_ns, event)
            case OrderUpdated():
                return answers.order_updated(at_ns, event)
            case UserChannelChanged():
                session.hear_user(event)
                return []
            case PositionsRead():
                return self._positions(event)
            case (
                OrderSubmitting()
                | OrderAccepted()
                | OrderFailed()
                | OrderUnknown()
                | OrderCancelled()
                | CancelFailed()
            ):
                return answers.execution(at_ns, event)
            case WindowFlat():
                return answers.window_flat(at_ns, event)
            case MergeReported():
                return list(note_merge(session, at_ns, event))
            case VenueModeChanged():
                session.venue_mode.hear(event)
                return []
            case WindowResolved():
                session.resolve(at_ns, event)
                return []
            case WindowAnnounced():
                return []
            case Halt():
                session.halt.hear(event)
                return [self._notice(NoticeKind.HALTED, event.reason, f"by {event.by}")]
            case Resume():
                session.halt.resume()
                return [self._notice(NoticeKind.RESUMED, "", f"by {event.by}")]
            case PlacingGateChanged():
                session.gate.hear(event)
                return []
            case PriorLossChanged():
                session.loss_limit.hear(event)
                return []
        assert_never(event)

    def _notice(self, kind: NoticeKind, reason: str, detail: str = "") -> Notice:
        return Notice(kind=kind, slug=self.session.window.slug, reason=reason, detail=detail)

    def _market(
        self, at_ns: int, event: BookSnapshot | BookDelta | TickSizeChanged | TradePrinted
    ) -> list[Output]:
        session = self.session
        effect = session.books.apply(event)
        session.cause.market(event.ts_recv_ns, effect.unseen_trade_e4)
        outputs: list[Output] = []
        if effect.gap:
            outputs.append(self._notice(NoticeKind.BOOK_GAP, effect.gap))
        if isinstance(event, TradePrinted):
            session.counters.trades += 1
            outputs += self._trade(at_ns, event)
        return outputs

    def _trade(self, at_ns: int, event: TradePrinted) -> list[Output]:
        flows, tick_e4 = self.session.flows, self.session.tick_e4
        before = {outcome: flows[outcome].toxic for outcome in OUTCOMES}
        count_trade(flows, event.outcome, at_ns, event.taker_side, event.size_u6, tick_e4=tick_e4)
        return [
            self._toxicity_notice(outcome)
            for outcome in OUTCOMES
            if flows[outcome].toxic is not before[outcome]
        ]

    def _toxicity_notice(self, outcome: Outcome) -> Notice:
        flow = self.session.flows[outcome]
        kind = NoticeKind.TOXIC_ENTERED if flow.toxic else NoticeKind.TOXIC_LEFT
        detail = f"score {flow.flow.score_u6} u6, threshold {flow.thresholds.enter_u6} u6"
        return self._notice(kind, outcome.value, detail)

    def _fill(self, at_ns: int, fill: FillReported) -> list[Output]:
        session = self.session
        outcome = session.window.outcome_of(fill.token_id)
        if outcome is None:
            return [self._notice(NoticeKind.INPUT_DROPPED, "foreign_token", fill.trade_id)]
        net_diff_u6 = session.inventory.working.net_diff_u6
        effect = session.inventory.apply(fill, outcome)
        if effect is FillEffect.CONTRADICTION:
            detail = f"trade {fill.trade_id} {fill.status.value}"
            return [self._notice(NoticeKind.INPUT_DROPPED, "contradicting_fill", detail)]
        if effect is FillEffect.ADDED:
            session.counters.fills += 1
            session.counters.filled_u6 += fill.size_u6
            mark_fill(session, at_ns, fill, outcome, net_diff_u6=net_diff_u6)
        self._answers.note_fill(at_ns, fill.order_hash)
        outputs = self._measure_inventory(effect)
        if effect is FillEffect.REVERSED:
            session.counters.fills_reversed += 1
            session.markouts.fail(fill.trade_id, fill.order_hash)
            outputs.append(self._notice(NoticeKind.FILL_REVERSED, "failed", fill.trade_id))
        return outputs

    def _positions(self, event: PositionsRead) -> list[Output]:
        """Compare; say when a difference begins to be believed, and when it is gone."""
        session, before = self.session, self.session.positions.difference
        session.hear_positions(event)
        after = session.positions.difference
        if bool(after) is bool(before):
            return []
        session.counters.positions_differed += bool(after)
        reason = "entered" if after else "left"
        return [self._notice(NoticeKind.POSITIONS_DIFFER, reason, after or before)]

    def _measure_inventory(self, effect: FillEffect) -> list[Output]:
        counters, working = self.session.counters, self.session.inventory.working
        counters.max_abs_net_diff_u6 = max(counters.max_abs_net_diff_u6, abs(working.net_diff_u6))
        cost_e4 = -int(-working.portfolio_cost_dollars * 10_000 // 1)
        counters.max_pair_cost_e4 = max(counters.max_pair_cost_e4, cost_e4)
        reasons = {FillEffect.ADDED: "fill", FillEffect.REVERSED: "reversed fill"}
        if effect not in reasons or working.can_open(self.session.params.limits):
            return []
        counters.limit_violations += 1
        net = f"net {working.net_diff_u6} u6"
        return [self._notice(NoticeKind.LIMIT_REACHED, reasons[effect], net)]

    def _decide(self, at_ns: int) -> list[Output]:
        session = self.session
        outputs: list[Output] = []
        for outcome in OUTCOMES:
            session.sides[outcome].forget_crosses(at_ns, session.params)
        seen, tick_e4 = session.side_views(at_ns), session.tick_e4
        for outcome in OUTCOMES:
            flow = session.flows[outcome]
            before = flow.toxic
            mid2_e4 = seen[outcome].mid2_e4
            if outcome is Outcome.UP:
                session.markouts.advance(at_ns, mid2_e4)
            if mid2_e4 is not None:
                flow.mids.note(at_ns, mid2_e4)
            flow.advance(at_ns, tick_e4=tick_e4)
            if flow.toxic is not before:
                outputs.append(self._toxicity_notice(outcome))
        outputs += self._account(at_ns)
        outputs += self._loss_limits()
        if session.clock.advance(at_ns):
            outputs.append(self._notice(NoticeKind.WINDOW_STATE, session.clock.state.value))
            if session.refusals.text and session.clock.may_quote:
                text = session.refusals.text
                outputs.append(self._notice(NoticeKind.QUOTES_REFUSED, "min_size", text))
        outputs += self._tell_unsettled(at_ns)
        session.look_at_first_leg(at_ns, seen[Outcome.UP].mid2_e4)
        may_quote = session.clock.may_quote
        session.quoting_time.advance(at_ns, session.decision.whys, may_quote=may_quote)
        outputs += decide_commands(session, at_ns, seen, self._next_order_id)
        outputs += merge_if_short(session, at_ns, self.run_id)
        session.cause.decided()
        elapsed_ns = at_ns - session.window.open_ns
        for outcome in OUTCOMES:
            flow = session.flows[outcome]
            flow.thresholds.sample(at_ns, elapsed_ns, abs(flow.flow.score_u6))
        return outputs

    def _account(self, at_ns: int) -> list[Output]:
        """Close what is accounted for; say when the account's events cannot be trusted."""
        session, before = self.session, self.session.trust.doubt
        session.orders.settle_accounts(at_ns)
        if not session.trust.judge(session.orders, at_ns):
            return []
        session.counters.distrusted += bool(session.trust.doubt)
        reason = "entered" if session.trust.doubt else "left"
        return [self._notice(NoticeKind.UNACCOUNTED, reason, session.trust.doubt or before)]

    def _tell_unsettled(self, at_ns: int) -> list[Output]:
        """Fills that stay MATCHED for too long, and at the latest when the window is over."""
        session = self.session
        late_ns = at_ns - session.params.settle_timeout_ns
        outputs: list[Output] = []
        for entry in session.inventory.unsettled:
            key = (entry.trade_id, entry.outcome)
            if key in self._told_unsettled or not (self.finished or entry.since_ns <= late_ns):
                continue
            self._told_unsettled.add(key)
            session.counters.fills_unsettled += 1
            shares = f"{format_qty(entry.size_u6)} {entry.outcome.value} shares"
            text = f"trade {entry.trade_id}: {shares} matched, not settled"
            reason = "window over" if self.finished else "late"
            outputs.append(self._notice(NoticeKind.UNSETTLED, reason, text))
        return outputs

    def _next_order_id(self) -> str:
        """Unique in the account: windows of several series begin at one time."""
        self._submitted += 1
        return f"{self.run_id}.{self.session.window.slug}.{self._submitted}"

    def _loss_limits(self) -> list[Output]:
        session, limits = self.session, self.session.params.limits
        if limits.max_window_loss_u6 is None and limits.max_daily_loss_u6 is None:
            return []
        loss_u6 = max(session.inventory.working.worst_loss_u6, -session.worst_profit_u6)
        window = limits.max_window_loss_u6 is not None and loss_u6 >= limits.max_window_loss_u6
        daily = (
            limits.max_daily_loss_u6 is not None
            and session.loss_limit.prior_loss_u6 + loss_u6 >= limits.max_daily_loss_u6
        )
        if not (window or daily) or not session.clock.may_open:
            return []
        session.clock.wind_down()
        reason = "PM_MAX_WINDOW_LOSS" if window else "PM_MAX_DAILY_LOSS"
        session.loss_limit.reach(reason)
        detail = f"profit of this window in the worst case: {format_profit(-loss_u6)} dollars"
        return [self._notice(NoticeKind.LOSS_LIMIT, reason, detail)]
