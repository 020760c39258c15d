"""What the strategy shows in Prometheus, refreshed from the engines once a second."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from prometheus_client import Counter

from pmcore.engine.strategy.counters import EngineCounters
from pmcore.engine.strategy.marking import attribution_view, mean_markouts, up_worth2_e4
from pmcore.engine.strategy.session import OUTCOMES, MarketSession
from pmcore.machines.markouts import HORIZONS_S
from pmcore.machines.rotation import WindowState
from pmcore.messages.notices import Notice
from pmcore.model.units import NS_PER_S, SHARE_U6
from pmcore.shell.service.metrics import ServiceMetrics
from pmcore.shell.service.views import DayView
from pmstrategy.time_metrics import TimeMetrics

LOSS_LIMITS = {"window": "PM_MAX_WINDOW_LOSS", "day": "PM_MAX_DAILY_LOSS"}
"""By kind: what the engine calls the limit that it reached."""


class StrategyMetrics:
    """Gauges show the newest window of a series; counters run over all windows."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        per_outcome = ("series", "outcome")
        series = ("series",)
        gauge, counter = metrics.gauge, metrics.counter
        self.ofi = gauge("ofi_shares", "Taker buys minus sells in the window", per_outcome)
        self.threshold = gauge("threshold_shares", "Toxicity threshold in force", per_outcome)
        self.toxic = gauge("toxic_state", "1 while the flow is toxic", per_outcome)
        self.book_age = gauge("book_age_seconds", "Age of the newest book frame", per_outcome)
        self.inventory = gauge("inventory_shares", "Shares held (MATCHED counts)", per_outcome)
        self.settled = gauge("settled_shares", "Shares held (MINED or CONFIRMED)", per_outcome)
        self.quote = gauge("quote_price_dollars", "Price of the resting bid, 0: none", per_outcome)
        self.net_diff = gauge("net_diff_shares", "Up shares minus Down shares", series)
        self.pair_cost = gauge(
            "pair_cost_dollars", "Average cost of one Up and one Down, 0: no pair", series
        )
        self.worst_case_profit = gauge(
            "worst_case_profit_dollars",
            "Profit of the window, in the worst case until the winner is known; negative: a loss",
            series,
        )
        self._make_money(metrics)
        self.can_open = gauge("can_open_state", "1 while new risk is allowed", series)
        self.state = gauge("window_state", "1 for the state the window is in", ("series", "state"))
        self.windows = counter("windows_total", "Windows joined", series)
        self.quotes = counter("quotes_total", "Bids sent to the executor", series)
        self.requotes = counter("requotes_total", "Bids cancelled for a better price", series)
        self.placed = counter("orders_placed_total", "Orders that came to rest", series)
        self.cancels = counter("cancels_total", "Orders confirmed cancelled", series)
        self.fills = counter("fills_total", "Fills counted", series)
        self.filled = counter("filled_shares_total", "Shares filled", series)
        self.reversed = counter("fills_reversed_total", "Fills that FAILED", series)
        text = "Fills that stay MATCHED, or did at the end"
        self.unsettled = counter("fills_unsettled_total", text, series)
        text = "1 while known fills miss their trades"
        self.distrusted = gauge("fills_unaccounted_state", text, series)
        self.differences = counter("position_differences_total", "Times they differed", series)
        text = "1 while the venue's positions differ, or must be read before a bid"
        self.unverified = gauge("positions_differ_state", text, series)
        self.trades = counter("trades_total", "Public trades seen", series)
        self.failures = counter("order_failures_total", "Failed orders", ("series", "reason"))
        self.violations = counter("limit_violations_total", "Fills beyond a limit", series)
        self.mismatches = counter("book_mismatches_total", "Whole books not verified", series)
        self.verified = counter("books_verified_total", "Whole books verified", series)
        self.notices = counter("notices_total", "Notices of the engine", ("kind",))
        self.of_engine: Mapping[str, tuple[Counter, int]] = {
            "quotes_submitted": (self.quotes, 1),
            "requotes": (self.requotes, 1),
            "orders_placed": (self.placed, 1),
            "orders_cancelled": (self.cancels, 1),
            "fills": (self.fills, 1),
            "filled_u6": (self.filled, SHARE_U6),
            "fills_reversed": (self.reversed, 1),
            "fills_unsettled": (self.unsettled, 1),
            "positions_differed": (self.differences, 1),
            "trades": (self.trades, 1),
            "limit_violations": (self.violations, 1),
        }
        """By the name in `EngineCounters`: the counter, and how many of its unit make one."""
        self._time = TimeMetrics(metrics)
        self._seen: dict[str, tuple[EngineCounters, int, int]] = {}

    def _make_money(self, metrics: ServiceMetrics) -> None:
        labels = ("series", "kind")
        text = "Parts of the window's profit, at its mid until the winner is known"
        self.profit_parts = metrics.gauge("profit_part_dollars", text, labels)
        text = "Mean of mid less price a share, so long after the window's fills"
        self.markout = metrics.gauge("markout_dollars", text, labels)
        self.window_left = metrics.gauge(
            "window_left_seconds", "To the close of the window", ("series",)
        )
        text = "1 while the loss limit of the window or of the day is reached"
        self.loss_limit = metrics.gauge("loss_limit_state", text, ("series", "kind"))
        text = "Money of the UTC day; worst_case counts open windows too"
        self.day_profit = metrics.gauge("day_profit_dollars", text, ("kind",))
        self.day_windows = metrics.gauge(
            "day_settled_windows", "Windows of the UTC day that are over"
        )

    def notice(self, notice: Notice) -> None:
        """Count a notice."""
        self.notices.labels(notice.kind.value).inc()

    def show(self, session: MarketSession, at_ns: int) -> None:
        """Set the gauges of a series from its newest window."""
        series, working = session.window.series, session.inventory.working
        self.net_diff.labels(series).set(working.net_diff_u6 / SHARE_U6)
        self.pair_cost.labels(series).set(working.portfolio_cost_dollars)
        self.worst_case_profit.labels(series).set(session.profit_u6 / SHARE_U6)
        self.can_open.labels(series).set(session.can_open)
        self.window_left.labels(series).set((session.window.close_ns - at_ns) / NS_PER_S)
        for kind, variable in LOSS_LIMITS.items():
            reached = session.loss_limit.reached == variable
            self.loss_limit.labels(series, kind).set(reached)
        self._show_attribution(session, at_ns)
        self.distrusted.labels(series).set(bool(session.trust.doubt))
        positions = session.positions
        differ = bool(positions.difference) or positions.unverified
        self.unverified.labels(series).set(differ)
        for state in WindowState:
            self.state.labels(series, state.value).set(session.clock.state is state)
        for outcome in OUTCOMES:
            labels = (series, outcome.value)
            flow, touch = session.flows[outcome], session.books.touch(outcome)
            order = session.orders.slot(outcome)
            self.ofi.labels(*labels).set(flow.flow.score_u6 / SHARE_U6)
            self.threshold.labels(*labels).set(flow.thresholds.enter_u6 / SHARE_U6)
            self.toxic.labels(*labels).set(flow.toxic)
            if touch.ts_recv_ns:
                self.book_age.labels(*labels).set((at_ns - touch.ts_recv_ns) / 1e9)
            self.inventory.labels(*labels).set(working.holding(outcome).qty_u6 / SHARE_U6)
            settled = session.inventory.settled.holding(outcome)
            self.settled.labels(*labels).set(settled.qty_u6 / SHARE_U6)
            self.quote.labels(*labels).set(order.price_e4 / 10_000 if order else 0)

    def show_day(self, day: DayView) -> None:
        """Set the money of the UTC day, over all series."""
        self.day_profit.labels("settled").set(day["profit_today"])
        self.day_profit.labels("unsettled").set(day["unsettled_today"])
        self.day_profit.labels("worst_case").set(day["worst_case_profit_today"])
        self.day_windows.set(day["windows_settled_today"])

    def _show_attribution(self, session: MarketSession, at_ns: int) -> None:
        """Set what is known; a window without a markout shows none, not the last one's."""
        series = session.window.series
        worth2_e4 = up_worth2_e4(session, at_ns)
        parts, markouts = (
            attribution_view(session, worth2_e4),
            mean_markouts(session.markouts.fills),
        )
        for part, dollars in parts.items():
            self.profit_parts.labels(series, part).set(dollars)
        for horizon_s in HORIZONS_S:
            cents = markouts.get(f"{horizon_s}s", math.nan)
            self.markout.labels(series, f"{horizon_s}s").set(cents / 100)

    def count(self, sessions: Iterable[MarketSession]) -> None:
        """Add to the counters what came since the last call."""
        for session in sessions:
            slug, series = session.window.slug, session.window.series
            now, books = session.counters, session.books.counters
            was, was_bad, was_good = self._seen.get(slug) or (EngineCounters(), 0, 0)
            for name, (counter, unit) in self.of_engine.items():
                counter.labels(series).inc((getattr(now, name) - getattr(was, name)) / unit)
            for reason, total in now.orders_rejected.items():
                self.failures.labels(series, reason).inc(total - was.orders_rejected.get(reason, 0))
            self.mismatches.labels(series).inc(books.books_mismatched - was_bad)
            self.verified.labels(series).inc(books.books_verified - was_good)
            self._time.count(slug, series, session.quoting_time)
            copy = EngineCounters()
            copy.add(now)
            self._seen[slug] = (copy, books.books_mismatched, books.books_verified)

    def forget(self, slug: str) -> None:
        """A window is over; its last counts were added."""
        self._seen.pop(slug, None)
        self._time.forget(slug)
