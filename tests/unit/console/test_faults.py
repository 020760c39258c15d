"""Which faults are seen in what the services say; nothing old or missing is believed."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pmconsole.faults import (
    COUNTERS_KEPT,
    RISE_LASTS_S,
    Bounds,
    FaultSeen,
    Rises,
    find_faults,
)
from pmconsole.looks import DEAD_AFTER_S, Look
from pmcore.model.units import NS_PER_S
from support.tree import ROOT, anchors

NOW_S = 1000.0
SLUG = "btc-updown-60s-1800000000"
CLOSE_S = 1800000060


def look(name: str, state: dict[str, Any] | None = None, **fields: Any) -> Look:
    return Look(
        name=name,
        **{"answered_s": NOW_S, "problem": "", "ready": True, **fields},
        state=state or {},
    )


def side(**fields: Any) -> dict[str, Any]:
    return {"quote": None, "obstacle": "toxic", **fields}


def strategy(**window: Any) -> Look:
    view = {"state": "quoting", "outcomes": {"up": side(quote=0.4), "down": side()}, **window}
    return look("strategy", {"windows": {SLUG: view}})


def faults(*looks: Look, left_s: float = 40, disk: float | None = None) -> list[FaultSeen]:
    return find_faults(
        {one.name: one for one in looks},
        now_s=NOW_S,
        clock_ns=round((CLOSE_S - left_s) * NS_PER_S),
        bounds=Bounds(not_quoting_s=60, residual_shares=10),
        disk_free_ratio=disk,
    )


NO_BIDS = {"up": side(), "down": side()}
HALT = {"halted": "news", "halt": {"reason": "news", "by": "alice", "since": "x"}}


@pytest.mark.parametrize(
    ("given", "key", "says"),
    [
        (strategy(outcomes=NO_BIDS, why="toxic order flow"), "not quoting btc-updown-60s", "toxic"),
        (look("executor", HALT), "halt  news", "halted: news, by alice"),
        (
            look("strategy", {"series_halts": {"btc-15m": {"reason": "bad: see the dlq stream"}}}),
            "halt btc-15m bad: see the dlq stream",
            "btc-15m is halted: bad",
        ),
        (
            strategy(loss_limit="PM_MAX_WINDOW_LOSS", worst_case_profit=-5.5),
            f"loss {SLUG}",
            "PM_MAX_WINDOW_LOSS is reached, worst case -5.50 dollars",
        ),
        (
            look("strategy", {"limits": {"max_daily_loss": 20}, "worst_case_profit_today": -20.0}),
            "loss day",
            "daily loss limit of 20 dollars is reached",
        ),
        (strategy(distrust="fills of 1 orders"), f"distrust {SLUG}", "fills of 1 orders"),
        (strategy(positions_differ="5, not 4"), f"positions {SLUG}", "5, not 4"),
        (look("userws", {"channel": "down", "reason": "401"}), "user channel", "down (401)"),
        (
            look("feed", {"series": {SLUG: {"state": "late", "reason": "3 s"}}}),
            "feed btc-updown-60s",
            "market data is late (3 s)",
        ),
        (look("feed", problem="nobody listens there", refused=True), "service feed", "nobody"),
        (look("feed", answered_s=NOW_S - DEAD_AFTER_S - 1), "service feed", "does not answer"),
        (Look(name="feed"), "service feed", "never answered"),
        (look("feed", ready=False, reasons=("no frame",)), "ready feed", "no frame"),
    ],
)
def test_each_fault_is_seen_and_says_why(given: Look, key: str, says: str) -> None:
    (fault,) = faults(given)
    assert fault.key == key
    assert says in fault.text


@pytest.mark.parametrize(
    "well",
    [
        strategy(),
        strategy(state="pre_open", outcomes=NO_BIDS),
        strategy(state="winding_down", outcomes=NO_BIDS),
        strategy(outcomes={"up": side(obstacle="halted"), "down": side(obstacle="halted")}),
        strategy(outcomes={}),
        strategy(net_diff=9.9),
        look("userws", {"channel": "up"}),
        look("userws", {"channel": "idle", "mode": "dry"}),
        look("userws"),
        look("feed", {"series": {SLUG: {"state": "live"}}}),
        look("strategy", {"limits": {"max_daily_loss": 20}, "worst_case_profit_today": -19.9}),
        look("strategy", {"limits": {"max_daily_loss": None}, "worst_case_profit_today": -99.0}),
    ],
)
def test_what_is_well_is_no_fault(well: Look) -> None:
    assert faults(well, left_s=10) == []


@pytest.mark.parametrize(
    ("net", "left_s", "found"),
    [(10, 30, True), (-10, 1, True), (10, 31, False), (9, 5, False), (10, 0, False)],
)
def test_a_leg_without_a_pair_counts_near_the_end(net: float, left_s: float, found: bool) -> None:
    seen = faults(strategy(net_diff=net), left_s=left_s)
    assert [fault.key for fault in seen] == ([f"residual {SLUG}"] if found else [])
    if found:
        assert ("more Up than Down" in seen[0].text) is (net > 0)


def test_the_words_of_a_dead_service_are_old_and_not_believed() -> None:
    dead = look("strategy", strategy(outcomes=NO_BIDS, distrust="x").state, refused=True)
    assert [fault.key for fault in faults(dead)] == ["service strategy"]


def test_a_disk_is_full_below_a_twentieth() -> None:
    assert [one.key for one in faults(disk=0.049)] == ["disk"]
    assert faults(disk=0.05) == faults(disk=None) == []


def rises(book: Rises, now_s: float, *looks: Look) -> list[str]:
    return [fault.text for fault in book.look({one.name: one for one in looks}, now_s)]


def test_a_counter_that_rises_is_a_fault_for_a_while_and_its_start_is_none() -> None:
    book = Rises()

    def count(number: int, now_s: float) -> list[str]:
        one = look("feed", {"unusable": {"unknown_event": number}}, answered_s=now_s)
        return rises(book, now_s, one)

    assert count(7, 0.0) == count(7, 1.0) == []
    assert "could not read 2 messages" in count(9, 2.0)[0]
    assert "could not read 3 messages" in count(10, 3.0)[0]
    assert count(10, 3.0 + RISE_LASTS_S)
    assert count(10, 3.1 + RISE_LASTS_S) == []
    assert count(0, 400.0) == [], "a restart counts anew"
    assert "could not read 1 messages" in count(1, 401.0)[0]


def test_a_reason_that_appears_for_the_first_time_is_a_rise() -> None:
    book = Rises()
    rises(book, NOW_S, look("feed", {"unusable": {}}))
    assert rises(book, NOW_S, look("feed", {"unusable": {"unknown_event": 1}}))


@pytest.mark.parametrize(
    ("name", "low", "high", "says"),
    [
        ("userws", {"balance_falls": 0}, {"balance_falls": 1}, "money left"),
        ("userws", {"unusable": {"a": 1}}, {"unusable": {"a": 2}}, "userws could not read 1"),
        ("strategy", {"totals": {}}, {"totals": {"limit_violations": 1}}, "took a limit"),
        ("strategy", {"totals": {}}, {"totals": {"fills_unsettled": 2}}, "2 trades stay"),
    ],
)
def test_each_counter_has_its_words(
    name: str, low: dict[str, Any], high: dict[str, Any], says: str
) -> None:
    book = Rises()
    assert rises(book, NOW_S, look(name, low)) == []
    assert any(says in text for text in rises(book, NOW_S, look(name, high)))


def test_the_memory_of_counters_is_bounded() -> None:
    book = Rises()
    for number in range(COUNTERS_KEPT + 5):
        book._note(f"counter {number}", 1.0, NOW_S)
    assert len(book._counts) == COUNTERS_KEPT


def test_each_fault_leads_to_a_section_of_the_runbook() -> None:
    answers = anchors((ROOT / "docs/runbook.md").read_text())
    source = (ROOT / "services/console/src/pmconsole/faults.py").read_text()
    named = {text for text in answers if f'"{text}"' in source}
    every = {
        word
        for word in source.replace("\n", " ").split('"')[1::2]
        if re.fullmatch(r"[a-z]+(-[a-z]+)+", word)
    }
    assert every == named
    assert len(named) >= 14
