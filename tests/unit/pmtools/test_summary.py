"""Figures of services and engines added up under the names of the JSON object."""

from __future__ import annotations

import io
import json
from typing import Any

from rich.console import Console

from pmcore.engine.strategy.counters import EngineCounters
from pmcore.machines.book import BookCounters
from pmtools.summary import (
    RunSummary,
    Summary,
    add_reasons,
    as_json_line,
    inventory_of,
    print_summary,
    summarise_run,
)

KEYS = {
    "frames",
    "events",
    "books_verified",
    "books_mismatched",
    "books_unverifiable",
    "change_hashes_verified",
    "change_hashes_mismatched",
    "touch_agreements",
    "touch_disagreements",
    "unusable",
    "trades",
    "orders_placed",
    "orders_cancelled",
    "orders_rejected",
    "fills",
    "windows",
    "max_abs_net_diff",
    "max_pair_cost",
    "limit_violations",
    "fingerprint",
}


def test_the_object_has_the_agreed_names() -> None:
    assert set(json.loads(as_json_line(Summary()))) >= KEYS
    run_keys = KEYS | {"orders_left_at_venue", "hop_ms", "exit_reason"}
    assert run_keys <= set(json.loads(as_json_line(summarise_run({}))))


def test_every_counter_of_books_and_engines_is_known() -> None:
    names = set(json.loads(as_json_line(Summary())))
    assert set(BookCounters.__struct_fields__) <= names
    for field in EngineCounters.__struct_fields__:
        shown = field.removesuffix("_u6").removesuffix("_e4")
        elsewhere = {"quotes_submitted", "filled", "distrusted"}
        elsewhere |= {"fills_reversed", "fills_unsettled", "positions_differed"}
        assert shown in names | elsewhere


def test_counts_add_up_and_maxima_stay_maxima() -> None:
    summary = Summary()
    for net_u6, fills in ((5_000_000, 2), (3_000_000, 1)):
        summary.add_engine(
            {"max_abs_net_diff_u6": net_u6, "fills": fills, "orders_rejected": {"tick": 1}}
        )
    assert (summary.max_abs_net_diff, summary.fills) == (5.0, 3)
    assert summary.orders_rejected == {"tick": 2}


def test_nonsense_from_a_service_counts_as_nothing() -> None:
    states: dict[str, dict[str, Any]] = {
        "feed": {"frames": "many", "books": 7, "unusable": ["bad"]},
        "strategy": {"totals": None, "windows": "?", "hop_ms": {"a": 3}},
    }
    summary = summarise_run(states)
    assert (summary.frames, summary.unusable, summary.hop_ms) == (0, {}, {})


def test_rejections_come_from_the_executor_when_the_strategy_knows_none() -> None:
    states: dict[str, dict[str, Any]] = {
        "strategy": {"totals": {}},
        "executor": {"rejections": {"balance": 3}},
    }
    assert summarise_run(states).orders_rejected == {"balance": 3}


def test_reasons_add_up() -> None:
    counts = {"bad_json": 1}
    add_reasons(counts, {"bad_json": 2, "foreign_token": 1})
    assert counts == {"bad_json": 3, "foreign_token": 1}


def test_people_read_the_sign_and_the_unit_of_every_figure() -> None:
    view = {"net_diff": -5.0, "portfolio_cost": 0.96, "worst_case_profit": -0.2, "profit": None}
    summary = RunSummary(inventory=inventory_of({"w": view}), max_pair_cost=0.98)
    out = io.StringIO()
    print_summary(summary, Console(file=out, width=120), "pm run")
    assert "net diff -5 shares, portfolio cost $0.96, worst case profit -$0.20" in out.getvalue()
    assert "max pair cost" in out.getvalue()
    assert "$0.98" in out.getvalue()


def test_inventory_is_what_a_window_held_when_last_seen() -> None:
    view = {"net_diff": 5.0, "portfolio_cost": 0.0, "outcomes": {"up": {"qty": 5.0}}}
    assert inventory_of({"w": view}) == {"w": {"up": 5.0, "net_diff": 5.0, "portfolio_cost": 0.0}}
