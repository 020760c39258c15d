"""Whether the engine is healthy, what it holds, what it earns, and why it is not quoting."""

from __future__ import annotations

from pmresearch.dashboards.page import SERIES, DashboardPage, Query

UP = {"1": ("up", "green"), "0": ("DOWN", "red")}
READY = {"1": ("ready", "green"), "0": ("not ready", "orange")}
HALTED = {"0": ("quoting allowed", "green"), "1": ("HALTED", "red")}
LIVE = {"1": ("live", "green"), "0": ("not live", "orange")}
NONE_BAD = ((None, "green"), (1, "red"))
PROFIT = ((None, "red"), (0, "green"))


def overview() -> DashboardPage:
    """The page that opens first."""
    page = DashboardPage("pm-overview", "overview")
    page.row("At a glance")
    page.stat("Services", Query("up", "{{job}}"), width=8, says=UP)
    page.stat("Ready", Query("pm_service_ready", "{{job}}"), width=8, says=READY)
    page.stat("Halted", Query("max(pm_service_halted)"), says=HALTED)
    mode = 'max by (mode) (pm_service_build_info{job="executor"})'
    page.stat("Mode", Query(mode, "{{mode}}"), names_only=True)
    window = f"pm_strategy_window_state{SERIES} == 1"
    page.stat("Window", Query(window, "{{series}} {{state}}"), width=8, names_only=True)
    left = Query(f"pm_strategy_window_left_seconds{SERIES}", "{{series}}")
    page.stat("To the close", left, unit="s")
    page.stat("Market data", Query(f"pm_feed_market_live{SERIES}", "{{series}}"), says=LIVE)
    redis = Query("min by (job) (pm_service_bus_connected)", "{{job}}")
    page.stat("Redis", redis, width=8, says=UP)
    _positions(page)
    _quoting(page)
    return page


def _positions(page: DashboardPage) -> None:
    page.row("What is held, and what it earns")
    net = Query(f"pm_strategy_net_diff_shares{SERIES}", "{{series}}")
    page.stat("Net difference", net)
    cost = Query(f"pm_strategy_pair_cost_dollars{SERIES}", "{{series}}")
    page.stat("Pair cost", cost, unit="currencyUSD")
    worst = Query(f"pm_strategy_worst_case_profit_dollars{SERIES}", "{{series}}")
    page.stat("Profit in the worst case", worst, unit="currencyUSD", steps=PROFIT)
    day = Query('pm_strategy_day_profit_dollars{kind="settled"}')
    page.stat("Profit of the day", day, unit="currencyUSD", steps=PROFIT)
    fills = f"sum(increase(pm_strategy_fills_total{SERIES}[1h]))"
    page.stat("Fills, last hour", Query(fills))
    page.stat("Open orders", Query("pm_executor_open_orders"))
    violations = f"sum(increase(pm_strategy_limit_violations_total{SERIES}[1h]))"
    page.stat("Limit violations", Query(violations), width=6, steps=NONE_BAD)
    page.stat("Dead letters", Query("max(pm_bus_dead_letters_state)"), width=6, steps=NONE_BAD)
    limits = Query(f"max by (series, kind) (pm_strategy_loss_limit_state{SERIES})", "{{kind}}")
    page.stat("Loss limits reached", limits, width=6, steps=NONE_BAD)
    outliving = Query("max(pm_executor_outliving_orders)")
    page.stat("Orders that outlive a window", outliving, width=6, steps=NONE_BAD)


def _quoting(page: DashboardPage) -> None:
    page.row("Why it is not quoting")
    idle = f"sum by (reason) (rate(pm_strategy_idle_seconds_total{SERIES}[$__rate_interval]))"
    page.lines(
        "Part of the time without any bid, by reason",
        Query(idle, "{{reason}}"),
        unit="percentunit",
        stacked=True,
        description="docs/runbook.md, It is not quoting",
    )
    both = f"sum by (series) (rate(pm_strategy_both_rest_seconds_total{SERIES}[$__rate_interval]))"
    window = f"sum by (series) (rate(pm_strategy_window_seconds_total{SERIES}[$__rate_interval]))"
    page.lines(
        "Part of the time in which both bids rest",
        Query(f"{both} / {window}", "{{series}}"),
        unit="percentunit",
    )
    bids = Query(f"pm_strategy_quote_price_dollars{SERIES} > 0", "{{series}} {{outcome}}")
    page.lines("Resting bids", bids, unit="currencyUSD", from_zero=False)
    profit = Query(f"pm_strategy_worst_case_profit_dollars{SERIES}", "{{series}}")
    title = "Profit of the window in the worst case"
    page.lines(title, profit, unit="currencyUSD", from_zero=False)
