"""Streams and infrastructure: Redis, the venue's channels, the feed, disks and the console."""

from __future__ import annotations

from pmresearch.dashboards.overview import NONE_BAD, UP
from pmresearch.dashboards.page import SERIES, DashboardPage, Query, rate, rise

SOME = " or vector(0)"


def streams() -> DashboardPage:
    """Streams and infrastructure."""
    page = DashboardPage("pm-streams", "streams and infrastructure")
    _bus(page)
    _market(page)
    _account(page)
    _machine(page)
    return page


def _bus(page: DashboardPage) -> None:
    page.row("Streams")
    redis = Query("min by (job) (pm_service_bus_connected)", "{{job}}")
    page.stat("Redis", redis, width=8, says=UP)
    denied = Query("sum(increase(pm_executor_redis_denied_total[1h]))")
    page.stat("Refused by Redis, last hour", denied, width=8, steps=NONE_BAD)
    page.stat("Dead letters", Query("max(pm_bus_dead_letters_state)"), width=8, steps=NONE_BAD)
    of_each = "{{job}} {{series}} {{stream}}"
    lag = Query("max by (job, series, stream) (pm_bus_lag_entries)", of_each)
    title = "Stream lag: entries not yet delivered"
    page.lines(title, lag, description="Of the group of each window the worst; Redis 7 or newer")
    oldest = Query("max by (job, series, stream) (pm_bus_pending_age_seconds)", of_each)
    page.lines("Oldest entry delivered and not acknowledged", oldest, unit="s")
    page.lines("Waiting for Redis", Query("pm_executor_unpublished_entries", "executor"))


def _market(page: DashboardPage) -> None:
    page.row("Market data")
    page.lines(
        "Frames and messages per second",
        Query(rate("pm_feed_frames_total"), "frames {{series}}"),
        Query(rate("pm_feed_events_total"), "messages {{series}}"),
    )
    feed = rise("pm_feed_unusable_frames_total", "reason", "")
    user = rise("pm_userws_unusable_frames_total", "reason", "")
    page.lines(
        "Unusable frames by reason",
        Query(f"{feed} > 0{SOME}", "feed {{reason}}"),
        Query(f"{user} > 0{SOME}", "userws {{reason}}"),
    )
    gaps = rise("pm_feed_book_gaps_total", "reason", "")
    page.lines(
        "Gaps, resyncs and connects",
        Query(f"{gaps}{SOME}", "gap {{reason}}"),
        Query(f"{rise('pm_feed_resyncs_total')}{SOME}", "resync {{series}}"),
        Query(rise("pm_feed_connects_total"), "connect {{series}}"),
    )
    checks = Query(rate("pm_feed_book_checks_total", "kind", ""), "{{kind}}")
    page.lines("Hash and touch checks in the feed, per second", checks)
    states = Query(rise("pm_feed_status_changes_total", "kind", ""), "{{kind}}")
    page.lines("Feed states entered", states)
    delay = Query(f"pm_feed_event_delay_seconds{SERIES}", "{{series}}")
    page.lines(
        "From the venue's stamp to the receipt",
        delay,
        unit="s",
        from_zero=False,
        description="Below 0: this clock is behind",
    )
    page.lines(
        "Price of the underlying: age",
        Query("pm_feed_underlying_age_seconds", "{{asset}}"),
        unit="s",
        description="Only with PM_UNDERLYING_URL",
    )
    unusable = rise("pm_feed_underlying_unusable_total", "reason", "")
    page.lines(
        "Price of the underlying: socket and prices",
        Query("pm_feed_underlying_connected_state", "connected {{asset}}"),
        Query(rise("pm_feed_underlying_connects_total", "asset", ""), "connect {{asset}}"),
        Query(rate("pm_feed_underlying_prices_total", "asset", ""), "prices/s {{asset}}"),
        Query(f"{unusable} > 0{SOME}", "unusable {{reason}}"),
    )
    windows = Query(rise("pm_feed_windows_total", "kind", ""), "{{kind}}")
    page.lines("Windows announced and over", windows)


def _account(page: DashboardPage) -> None:
    page.row("The user channel")
    page.stat("Channel", Query("pm_userws_channel_up"), width=6, says=UP)
    for title, name in (
        ("Own trades not readable", "pm_userws_own_trades_unreadable_total"),
        ("Own orders that took", "pm_userws_own_takes_total"),
        ("Fills only REST told", "pm_userws_fills_missed_total"),
    ):
        page.stat(title, Query(f"sum({name})"), width=6, steps=NONE_BAD)
    page.lines(
        "Frames and repeats",
        Query(rise("pm_userws_frames_total", "", ""), "frames"),
        Query(rise("pm_userws_repeats_total", "", ""), "repeats"),
        Query(rise("pm_userws_connects_total", "", ""), "connects"),
        Query(rise("pm_userws_fills_pulled_total", "", ""), "trades asked for"),
    )
    page.lines(
        "Readings by how they went",
        Query(rise("pm_userws_reconciliations_total", "kind", ""), "orders and trades {{kind}}"),
        Query(rise("pm_userws_positions_reads_total", "kind", ""), "positions {{kind}}"),
        Query(rise("pm_userws_balance_reads_total", "kind", ""), "balance {{kind}}"),
    )
    fills = Query(f"{rise('pm_userws_fills_total', 'kind', '')}{SOME}", "{{kind}}")
    page.lines("Fills published, by status", fills)


def _machine(page: DashboardPage) -> None:
    page.row("Processes")
    started = Query("time() - pm_service_start_time_seconds", "{{job}}")
    page.lines("Since the start", started, unit="s")
    free = Query("pm_service_disk_free_ratio", "{{job}}")
    page.lines("Free part of the disk", free, unit="percentunit")
    page.lines(
        "Console",
        Query(rate("pm_console_polls_total", "", ""), "polls per second"),
        Query(f"{rise('pm_console_refusals_total', 'reason', '')}{SOME}", "refused {{reason}}"),
        Query(f"{rise('pm_console_notifications_total', 'kind', '')}{SOME}", "notice {{kind}}"),
    )
    dropped = Query(rise("pm_feed_record_lines_dropped_total", "", ""), "lines")
    page.lines("Raw frames that were not recorded", dropped)
