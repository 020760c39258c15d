"""The terminal's panels: figures, bars, the ladder, and snapshots of which anything is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pmconsole.looks import Look
from pmconsole.snapshot import make_snapshot
from pmtools.watch import book_panel, panels
from pmtools.watch.figures import countdown, meter, money, price, shares, sparkline, words

RECORDED = json.loads(Path(__file__).with_name("recorded_state.json").read_text())
STATE = RECORDED["strategy"]["/state"]
SLUG = next(iter(STATE["windows"]))


def snapshot() -> dict[str, Any]:
    """What the console makes of the recorded answers."""
    looks = {
        name: Look(name=name, answered_s=1.0, ready=True, problem="", state=paths["/state"])
        for name, paths in RECORDED.items()
    }
    event = {"id": 1, "at_s": 1.0, "kind": "bid", "slug": SLUG, "side": "up", "text": "bid 0.5"}
    at_ns = int(STATE["clock_s"] * 1e9)
    made = make_snapshot(looks, clock_ns=at_ns, now_s=1.5, speed=1.0, events=[event])
    copied: dict[str, Any] = json.loads(json.dumps(made))
    return copied


def paper_snapshot() -> dict[str, Any]:
    """As in dry mode."""
    copied: dict[str, Any] = json.loads(json.dumps({**snapshot(), "paper": PAPER}))
    return copied


def all_panels(given: dict[str, Any]) -> str:
    chosen = panels.choose_window(panels.windows_of(given), "")
    texts = [
        panels.header(given, "run-1", live=True),
        panels.overview(given, chosen),
        panels.limits(given, chosen),
        panels.today(given, chosen),
        book_panel.detail(given, chosen),
        *(book_panel.side(given, chosen, name) for name in ("up", "down")),
        *(
            make(given)
            for make in (
                panels.venue,
                panels.services,
                panels.latencies,
                panels.decisions,
                panels.fills,
            )
        ),
    ]
    return "\n".join([*panels.alarms(given), *(text.plain for text in texts)])


def paths_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(value, dict):
        for name in value:
            yield from paths_in(value[name], (*path, name))
    elif isinstance(value, list):
        for index in range(min(1, len(value))):
            yield from paths_in(value[index], (*path, index))


@pytest.mark.parametrize("instead", [None, "text", -1, {}, []], ids=repr)
def test_whatever_an_older_service_leaves_out_the_screen_stands(instead: Any) -> None:
    """Each field in turn is something else; the panels are made all the same."""
    for path in paths_in(paper_snapshot()):
        given = paper_snapshot()
        place: Any = given
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = instead
        assert all_panels(given)


def test_an_empty_snapshot_says_what_is_missing() -> None:
    text = all_panels({})
    for said in ("starting", "No window yet.", "no window yet", "No fill yet.", "Not known what"):
        assert said in text


@pytest.mark.parametrize(
    ("mode", "size", "others"), [("sim", 30.0, "25"), ("live", 5.0, "0"), ("dry", 30.0, "30")]
)
def test_others_at_our_price_are_without_us_unless_we_only_pretend(
    mode: str, size: float, others: str
) -> None:
    side = {
        "levels": {"bid": [[0.5, 9.0], [0.49, size]], "ask": [[0.52, 7.0]]},
        "bid": 0.5,
        "ask": 0.52,
        "quote": 0.49,
        "leaves": 5.0,
        "order_state": "resting",
    }
    window = {"slug": "x-1", "outcomes": {"up": side}}
    lines = book_panel.side({"mode": mode}, window, "up").plain.splitlines()
    assert [" ".join(line.split()) for line in lines[1:4]] == [
        "ask 0.52 7 best",
        "bid 0.50 9 best",
        f"bid 0.49 {others} OURS 5 resting",
    ]


@pytest.mark.parametrize(
    ("value", "limit", "end"), [(0.0, 10.0, "x"), (8.0, 10.0, "near"), (10.0, 10.0, "FULL")]
)
def test_a_limit_that_is_near_or_reached_is_said_in_words(
    value: float, limit: float, end: str
) -> None:
    assert meter("net", value, limit, "x").plain.endswith(end)


@pytest.mark.parametrize("limit", [0.0, -1.0])
def test_a_limit_of_nothing_divides_nothing(limit: float) -> None:
    assert "net: x" in meter("net", 5.0, limit, "x").plain


def window(slug: str, state: str) -> dict[str, Any]:
    return {"slug": slug, "series": slug.rpartition("-")[0], "state": state}


@pytest.mark.parametrize(
    ("windows", "chosen", "expected"),
    [
        ([], "", None),
        ([window("a-1", "pre_open"), window("b-1", "quoting")], "", "b-1"),
        ([window("a-1", "quoting"), window("b-1", "quoting")], "b-1", "b-1"),
        (
            [window("b-2", "quoting"), window("a-1", "settled"), window("a-2", "pre_open")],
            "a-1",
            "a-2",
        ),
        ([window("b-2", "quoting"), window("a-2", "quoting")], "a-1", "a-2"),
        ([window("a-1", "settled")], "a-1", "a-1"),
        ([window("a-1", "settled")], "b-1", "a-1"),
    ],
)
def test_after_the_end_of_a_window_the_next_of_its_series_is_shown(
    windows: list[dict[str, Any]], chosen: str, expected: str | None
) -> None:
    found = panels.choose_window(windows, chosen)
    assert (found or {}).get("slug") == expected


PAPER = {
    "fills": "central",
    "day": {
        "pessimistic": {"profit_today": -0.4, "worst_case_profit_today": -1.2},
        "central": {"profit_today": 1.25, "worst_case_profit_today": 0.0},
    },
    "windows": {SLUG: {"central": {"worst_case_profit": -2.05}}},
}


def test_on_paper_the_money_of_each_fill_model_is_shown() -> None:
    given = {**snapshot(), "paper": PAPER}
    chosen = panels.choose_window(panels.windows_of(given), SLUG)
    lines = [" ".join(line.split()) for line in panels.today(given, chosen).plain.splitlines()]
    assert lines[4:7] == [
        "paper, by model profit worst window",
        "pessimistic -$0.40 -$1.20 -",
        "central acts +$1.25 $0.00 -$2.05",
    ]
    assert "paper" not in panels.today(snapshot(), chosen).plain


def test_figures_for_people() -> None:
    assert [price(x) for x in (0.5, 0.545, None, True)] == ["0.50", "0.545", "-", "-"]
    assert [shares(x) for x in (5.0, 4.121186, None)] == ["5", "4.12", "-"]
    assert [money(x) for x in (1.254, -0.001, None)] == ["+$1.25", "$0.00", "-"]
    assert [countdown(100.0, at) for at in (99.5, 40.0, 100.0, None)] == [
        "0:01",
        "1:01",
        "closed",
        "-",
    ]
    assert words("a_b\n\x1b[31mc") == "a b [31mc", "nothing that steers a terminal"


def test_a_sparkline_keeps_the_newest_value_and_fits() -> None:
    assert sparkline([], 10) == ""
    assert sparkline([1.0, 1.0], 10) == "▁▁"
    drawn = sparkline([float(n) for n in range(100)], 10)
    assert (len(drawn), drawn[-1]) == (10, "█")


def test_the_value_of_a_side_is_what_its_limit_bounds() -> None:
    """With merges that is less than its shares cost."""
    side = {"qty": 20.0, "avg_cost": 0.5, "capital_in_use": 2.5}
    given = {"limits": {"max_position_value": 5.0}}
    text = panels.limits(given, {"slug": SLUG, "outcomes": {"up": side}}).plain
    assert "value of up: $2.50 of $5.00" in text
