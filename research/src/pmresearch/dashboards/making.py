"""Market making and toxicity: books, order flow, bids, and what kept them away."""

from __future__ import annotations

from pmresearch.dashboards.page import SERIES, DashboardPage, Query, rate, rise


def making() -> DashboardPage:
    """Market making and toxicity."""
    page = DashboardPage("pm-making", "market making and toxicity")
    _flow(page)
    _quotes(page)
    _books(page)
    return page


def _flow(page: DashboardPage) -> None:
    page.row("Order flow (OFI)")
    both = "{{series}} {{outcome}}"
    score = Query(f"pm_strategy_ofi_shares{SERIES}", both)
    threshold = Query(f"pm_strategy_threshold_shares{SERIES}", f"{both} threshold")
    page.lines("Score and threshold", score, threshold, from_zero=False)
    page.lines("Toxic", Query(f"pm_strategy_toxic_state{SERIES}", both))
    trades = Query(rate("pm_strategy_trades_total"), "{{series}}")
    page.lines("Public trades per second", trades)
    notices = Query(rise("pm_strategy_notices_total", "kind", ""), "{{kind}}")
    page.lines("Notices of the engine", notices)


def _quotes(page: DashboardPage) -> None:
    page.row("Quotes")
    both = "{{series}} {{outcome}}"
    bids = Query(f"pm_strategy_quote_price_dollars{SERIES} > 0", both)
    page.lines("Resting bids", bids, unit="currencyUSD", from_zero=False)
    page.lines(
        "Orders per second",
        Query(rate("pm_strategy_quotes_total"), "sent {{series}}"),
        Query(rate("pm_strategy_orders_placed_total"), "resting {{series}}"),
        Query(rate("pm_strategy_requotes_total"), "requoted {{series}}"),
        Query(rate("pm_strategy_cancels_total"), "cancelled {{series}}"),
    )
    away = Query(rate("pm_strategy_unquoted_seconds_total", "reason"), "{{reason}}")
    title = "Part of the time without a bid on a side, by reason"
    page.lines(title, away, unit="percentunit", stacked=True)
    page.lines("New risk allowed", Query(f"pm_strategy_can_open_state{SERIES}", "{{series}}"))
    failures = rise("pm_strategy_order_failures_total", "reason")
    page.lines("Rejections seen by the strategy", Query(f"{failures} or vector(0)", "{{reason}}"))
    page.lines("Windows joined", Query(rise("pm_strategy_windows_total"), "{{series}}"))


def _books(page: DashboardPage) -> None:
    page.row("Market data")
    page.lines(
        "Book age",
        Query(f"pm_strategy_book_age_seconds{SERIES}", "strategy {{series}} {{outcome}}"),
        Query(f"pm_feed_book_age_seconds{SERIES}", "feed {{series}}"),
        unit="s",
    )
    page.lines(
        "Books verified against the venue's hash, per second",
        Query(rate("pm_strategy_books_verified_total"), "verified {{series}}"),
        Query(rate("pm_strategy_book_mismatches_total"), "mismatched {{series}}"),
    )
