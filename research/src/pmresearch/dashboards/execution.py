"""Execution and latency: the way of an order, kills, what the venue refuses, and its limits."""

from __future__ import annotations

from pmresearch.dashboards.overview import NONE_BAD
from pmresearch.dashboards.page import DashboardPage, Query, rate, rise

NEVER = {"-1": ("none yet", "text")}


def execution() -> DashboardPage:
    """Execution and latency."""
    page = DashboardPage("pm-execution", "execution and latency")
    _latency(page)
    _orders(page)
    _refusals(page)
    return page


def _latency(page: DashboardPage) -> None:
    page.row("Latency per hop")
    rates = "sum by (hop, le) (rate(pm_hop_latency_seconds_bucket[$__rate_interval]))"
    hops = "docs/control-api.md names the hops"
    for title, part in (("Median", 0.5), ("99th percentile", 0.99)):
        query = Query(f"histogram_quantile({part}, {rates})", "{{hop}}")
        page.lines(title, query, unit="s", description=hops)
    page.row("Kills")
    last, verified = (
        "pm_executor_kill_to_last_cancel_seconds",
        "pm_executor_kill_to_verified_seconds",
    )
    page.stat("Last kill: to the last cancel", Query(last), unit="s", width=6, says=NEVER)
    page.stat("Last kill: to the empty list", Query(verified), unit="s", width=6, says=NEVER)
    kills = 'pm_executor_kill_seconds_count{kind="cancelled"}'
    page.stat("Kills since the start", Query(kills), width=6)
    late = (
        'sum(pm_executor_kill_seconds_count{kind="cancelled"})'
        ' - sum(pm_executor_kill_seconds_bucket{kind="cancelled",le="0.1"})'
    )
    page.stat("Of them slower than 0.1 s", Query(late), width=6, steps=NONE_BAD)


def _orders(page: DashboardPage) -> None:
    page.row("Orders")
    page.lines(
        "Orders per second",
        Query(rate("pm_executor_orders_signed_total", "", ""), "signed"),
        Query(rate("pm_executor_orders_accepted_total", "", ""), "accepted"),
        Query(rate("pm_executor_cancels_total", "", ""), "cancelled"),
    )
    commands = Query(rate("pm_executor_commands_total", "kind", ""), "{{kind}}")
    page.lines("Commands per second", commands)
    page.lines(
        "Open orders",
        Query("pm_executor_open_orders", "open"),
        Query("pm_executor_outliving_orders", "outlive their window"),
    )
    page.lines("Rate budget left", Query("pm_executor_budget_tokens", "{{kind}}"))
    page.lines("Venue's mode", Query("pm_executor_venue_mode_state == 1", "{{kind}}"))
    beat = Query("pm_executor_heartbeat_age_seconds >= 0", "since the last one")
    page.lines("Heartbeat to the venue", beat, unit="s")


def _refusals(page: DashboardPage) -> None:
    page.row("Rejections by reason")
    refused = rise("pm_executor_orders_rejected_total", "reason", "")
    title = "Denied here or refused by the venue"
    page.lines(title, Query(f"{refused} or vector(0)", "{{reason}}"))
    cancels = rise("pm_executor_cancels_failed_total", "reason", "")
    unknown = rise("pm_executor_orders_unknown_total", "reason", "")
    page.lines(
        "Cancels that failed, POSTs without an answer",
        Query(f"{cancels} or vector(0)", "cancel {{reason}}"),
        Query(f"{unknown} > 0 or vector(0)", "POST {{reason}}"),
    )
    notices = rise("pm_executor_notices_total", "kind", "")
    page.lines("Notices of the executor", Query(f"{notices} > 0 or vector(0)", "{{kind}}"))
    dropped = rise("pm_executor_inputs_dropped_total", "reason", "")
    title = "Stream entries that could not be used"
    page.lines(title, Query(f"{dropped} or vector(0)", "{{reason}}"))
