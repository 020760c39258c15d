"""Money: profit by day and window, its parts, markouts, pairs, and what does not agree."""

from __future__ import annotations

from pmresearch.dashboards.overview import NONE_BAD, PROFIT
from pmresearch.dashboards.page import SERIES, DashboardPage, Query, rise

EACH = "{{series}}"


def money() -> DashboardPage:
    """Money."""
    page = DashboardPage("pm-money", "money")
    page.row("The UTC day")
    for kind, title in (
        ("settled", "Profit of the day"),
        ("unsettled", "Of fills that did not settle"),
        ("worst_case", "In the worst case, with open windows"),
    ):
        query = Query(f'pm_strategy_day_profit_dollars{{kind="{kind}"}}')
        page.stat(title, query, unit="currencyUSD", width=6, steps=PROFIT)
    page.stat("Windows that are over", Query("pm_strategy_day_settled_windows"), width=6)
    day = Query("pm_strategy_day_profit_dollars", "{{kind}}")
    page.lines("Profit of the day", day, unit="currencyUSD", from_zero=False)
    for kind, title in (
        ("settled", "On paper: profit of the day by fill model"),
        ("worst_case", "On paper: in the worst case, by fill model"),
    ):
        models = Query(f'pm_executor_paper_profit_dollars{{kind="{kind}"}}', "{{model}}")
        page.lines(
            title,
            models,
            unit="currencyUSD",
            from_zero=False,
            description="In dry mode, since the executor's start: what the same orders won",
        )
    balance = Query("pm_userws_balance_dollars", "collateral; -1: not read")
    page.lines("The wallet", balance, unit="currencyUSD", from_zero=False)
    _window(page)
    _fills(page)
    _differences(page)
    return page


def _window(page: DashboardPage) -> None:
    page.row("The window")
    worst = Query(f"pm_strategy_worst_case_profit_dollars{SERIES}", EACH)
    page.lines("Profit in the worst case", worst, unit="currencyUSD", from_zero=False)
    parts = Query(f"pm_strategy_profit_part_dollars{SERIES}", "{{series}} {{kind}}")
    page.lines(
        "Parts of the profit",
        parts,
        unit="currencyUSD",
        from_zero=False,
        description="docs/modelling.md, attribution and markouts",
    )
    markouts = Query(f"pm_strategy_markout_dollars{SERIES}", "{{series}} {{kind}}")
    page.lines("Markouts of the fills", markouts, unit="currencyUSD", from_zero=False)
    cost = Query(f"pm_strategy_pair_cost_dollars{SERIES} > 0", EACH)
    page.lines("Pair cost", cost, unit="currencyUSD", from_zero=False)
    net = Query(f"pm_strategy_net_diff_shares{SERIES}", EACH)
    page.lines("Shares without a pair (net difference)", net, from_zero=False)
    left = Query(f"pm_strategy_window_left_seconds{SERIES}", EACH)
    page.lines("To the close", left, unit="s", from_zero=False)


def _fills(page: DashboardPage) -> None:
    page.row("Fills and inventory")
    both = "{{series}} {{outcome}}"
    page.lines(
        "Fills",
        Query(rise("pm_strategy_fills_total"), "counted {{series}}"),
        Query(rise("pm_strategy_fills_reversed_total"), "failed {{series}}"),
        Query(rise("pm_strategy_fills_unsettled_total"), "not settled {{series}}"),
    )
    page.lines("Shares filled", Query(rise("pm_strategy_filled_shares_total"), EACH))
    page.lines(
        "Shares held",
        Query(f"pm_strategy_inventory_shares{SERIES}", f"matched {both}"),
        Query(f"pm_strategy_settled_shares{SERIES}", f"settled {both}"),
    )
    limits = Query(f"pm_strategy_loss_limit_state{SERIES}", "{{series}} {{kind}}")
    page.lines("Loss limit reached", limits)


def _differences(page: DashboardPage) -> None:
    page.row("What does not agree")
    for title, expression in (
        ("Fills without their trades", f"max(pm_strategy_fills_unaccounted_state{SERIES})"),
        ("Positions differ", f"max(pm_strategy_positions_differ_state{SERIES})"),
        (
            "Times they differed, last hour",
            f"sum(increase(pm_strategy_position_differences_total{SERIES}[1h]))",
        ),
        ("Money that left, last hour", "sum(increase(pm_userws_balance_falls_total[1h]))"),
        ("Fills the channel missed", "sum(increase(pm_userws_fills_missed_total[1h]))"),
        ("Fills beyond a limit", f"sum(increase(pm_strategy_limit_violations_total{SERIES}[1h]))"),
    ):
        page.stat(title, Query(expression), steps=NONE_BAD)
