"""What a page shows, made of what the services said."""

from __future__ import annotations

from typing import Any

import pytest

from pmconsole.looks import DEAD_AFTER_S, Look
from pmconsole.snapshot import FILLS_SHOWN, chart_point, make_snapshot
from pmcore.model.units import NS_PER_S

SLUG = "btc-updown-60s-1800000000"
NOW_S = 1000.0
NAMES = ("feed", "strategy", "executor", "userws")


def look(name: str, state: dict[str, Any] | None = None, **changes: Any) -> Look:
    fields = {"answered_s": NOW_S, "problem": "", "ready": True, "state": state or {}}
    return Look(name=name, **{**fields, **changes})


def snapshot(**looks: Look) -> dict[str, Any]:
    all_looks = {name: looks.get(name, look(name)) for name in NAMES}
    return make_snapshot(
        all_looks, clock_ns=1_800_000_010 * NS_PER_S, now_s=NOW_S, speed=1.0, events=()
    )


def executor(halted: str = "stop", *, flat: bool | None = True, **more: Any) -> Look:
    engine = {"halted": halted, "flat": flat}
    return look("executor", {"halted": halted, "open_orders": 0, "engine": engine, **more})


def test_a_window_tells_when_it_opens_and_closes() -> None:
    strategy = look("strategy", {"windows": {SLUG: {"state": "quoting", "why": "toxic"}}})
    (window,) = snapshot(strategy=strategy)["windows"]
    assert (window["opens_s"], window["closes_s"]) == (1_800_000_000, 1_800_000_060)
    assert (window["series"], window["slug"]) == ("btc-updown-60s", SLUG)
    assert (window["state"], window["why"]) == ("quoting", "toxic")


def test_a_slug_without_times_is_shown_without_them() -> None:
    (window,) = snapshot(strategy=look("strategy", {"windows": {"odd": {}}}))["windows"]
    assert window["closes_s"] is None


def test_a_window_has_the_limits_of_its_series() -> None:
    own = {"max_net_diff": 7}
    state = {"windows": {SLUG: {}, "odd": {}}, "limits_by_series": {"btc-60s": own}}
    first, odd = snapshot(strategy=look("strategy", state))["windows"]
    assert (first["limits"], odd["limits"]) == (own, {})


def test_new_fields_of_a_window_reach_the_page() -> None:
    strategy = look("strategy", {"windows": {SLUG: {"markouts": {"5s": 0.01}}}})
    assert snapshot(strategy=strategy)["windows"][0]["markouts"] == {"5s": 0.01}


def test_the_newest_fills_come_first_with_what_is_known_of_them() -> None:
    fills = [{"trade_id": str(n), "markout_cents": {"1s": -0.5}} for n in range(FILLS_SHOWN + 1)]
    shown = snapshot(strategy=look("strategy", {"fills": fills}))["fills"]
    assert shown == fills[:0:-1]
    assert snapshot(strategy=look("strategy", {"fills": "odd"}))["fills"] == []


def test_paper_money_is_told_by_model_and_absent_elsewhere() -> None:
    day = {"central": {"profit_today": 1.5, "worst_case_profit_today": -0.5}}
    windows = {SLUG: {"central": {"worst_case_profit": -0.25}}}
    state = {"paper_fills": "central", "paper_profits": day, "paper_ledgers": windows}
    shown = snapshot(executor=look("executor", state))["paper"]
    assert shown == {"fills": "central", "day": day, "windows": windows}
    assert snapshot()["paper"] == {"fills": "", "day": {}, "windows": {}}


def healths(**looks: Look) -> dict[str, str]:
    return {one["name"]: one["health"] for one in snapshot(**looks)["services"]}


def test_a_service_is_ready_waiting_dead_or_unknown() -> None:
    assert healths(feed=look("feed", ready=False, reasons=("no window yet",)))["feed"] == "waiting"
    assert healths(feed=look("feed", answered_s=NOW_S - DEAD_AFTER_S - 0.1))["feed"] == "dead"
    assert healths(feed=look("feed", answered_s=NOW_S - DEAD_AFTER_S + 0.1))["feed"] == "ready"
    assert healths(feed=look("feed", refused=True))["feed"] == "dead"
    assert healths(feed=Look(name="feed"))["feed"] == "unknown"


def test_the_worst_health_is_that_of_the_whole() -> None:
    assert snapshot()["health"] == "ready"
    assert snapshot(userws=look("userws", ready=False))["health"] == "waiting"
    both = snapshot(userws=look("userws", ready=False), feed=look("feed", refused=True))
    assert both["health"] == "dead"


def test_one_halt_at_several_services_is_told_once() -> None:
    state = {"halted": "stop", "halt": {"reason": "stop", "by": "me", "since": "now"}}
    halts = snapshot(feed=look("feed", state), strategy=look("strategy", state))["halts"]
    assert halts == [
        {
            "reason": "stop",
            "by": "me",
            "since": "now",
            "series": "",
            "services": ["feed", "strategy"],
        }
    ]


def test_a_halt_of_one_series_names_it() -> None:
    strategy = look("strategy", {"series_halts": {"btc-60s": {"reason": "dlq", "by": "strategy"}}})
    (halt,) = snapshot(strategy=strategy)["halts"]
    assert (halt["series"], halt["reason"], halt["services"]) == ("btc-60s", "dlq", ["strategy"])


def test_flat_is_said_when_the_executor_asked_the_venue_after_a_halt() -> None:
    assert snapshot(executor=executor())["venue"]["flat"] is True


@pytest.mark.parametrize(
    "doubtful",
    [
        executor(halted=""),
        executor(open_orders=1),
        executor(open_orders=None),
        executor(flat=False),
        executor(flat=None),
        look("executor", {"halted": "stop", "open_orders": 0}),
        look("executor", {"halted": "stop", "open_orders": 0, "engine": {"halted": ""}}),
        Look(name="executor"),
    ],
)
def test_flat_is_not_said_with_any_doubt(doubtful: Look) -> None:
    assert snapshot(executor=doubtful)["venue"]["flat"] is False


def test_flat_is_not_said_by_an_executor_that_is_gone() -> None:
    old = look("executor", executor().state, answered_s=NOW_S - DEAD_AFTER_S - 1)
    assert snapshot(executor=old)["venue"]["flat"] is False


def test_the_latencies_of_all_services_stand_together() -> None:
    hops = snapshot(
        feed=look("feed", {"hop_ms": {"feed_parse": {"p50": 1}}}),
        strategy=look("strategy", {"hop_ms": {"md_to_decision": {"p50": 2}}}),
    )["hops"]
    assert hops == {"feed_parse": {"p50": 1}, "md_to_decision": {"p50": 2}}


def test_a_point_of_the_charts_leaves_out_windows_that_are_over() -> None:
    sides = {"up": {"bid": 0.4, "ask": 0.42}}
    windows = {
        SLUG: {"state": "awaiting_resolution", "outcomes": {}},
        "btc-updown-60s-1800000060": {"state": "quoting", "outcomes": sides},
        "eth-updown-60s-1800000060": {"state": "quoting", "outcomes": {"up": {"bid": None}}},
    }
    strategy = look("strategy", {"windows": windows, "profit_today": 1.5})
    point = chart_point(snapshot(strategy=strategy))
    assert point["profit"] == 1.5
    assert point["series"]["btc-updown-60s"] == {"mid": 0.41}
    assert point["series"]["eth-updown-60s"]["mid"] is None
