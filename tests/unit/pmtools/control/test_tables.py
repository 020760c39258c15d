"""`pm positions`, `orders`, `fills`, `pnl`: tables, JSON and CSV of what the strategy says."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from pmtools.cli import main
from pmtools.control.tables import _cell, fills, orders, pnl, positions, print_table
from support.control_ports import FakeCheckout

CLOCK_S = 1_800_003_600.0
OPEN, OVER, OLD = (f"btc-updown-5m-{1_800_003_600 - 300 * n}" for n in (0, 1, 20))
STATE = {
    "clock_s": CLOCK_S,
    "windows": {
        OPEN: {
            "state": "quoting",
            "net_diff": 4.0,
            "portfolio_cost": 0.99,
            "worst_case_profit": -2.0,
            "profit": None,
            "outcomes": {
                "up": {"qty": 5.0, "avg_cost": 0.5, "quote": None, "why": "toxic order flow"},
                "down": {"qty": 1.0, "avg_cost": 0.49, "quote": 0.47, "leaves": 4.0, "why": ""},
            },
        }
    },
    "results": {
        OLD: {"close_s": CLOCK_S - 5700, "profit": 7.0},
        OVER: {"close_s": CLOCK_S, "profit": 0.25},
    },
    "fills": [
        {"at_s": CLOCK_S - 7200, "slug": OLD, "outcome": "up", "price": 0.4, "shares": 5.0},
        {
            "at_s": CLOCK_S - 60,
            "slug": OVER,
            "outcome": "down",
            "price": 0.52,
            "shares": 5.0,
            "failed": True,
            "trade_id": "t2",
            "markout_cents": {"1s": -1.5},
            "reason": "hedge",
            "phase": "winding_down",
            "flow": "calm",
            "ahead_shares": 12.5,
            "rested_s": 3.25,
        },
    ],
}


@pytest.fixture(autouse=True)
def _one_engine(checkout: FakeCheckout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    engine = checkout.engine("t")
    engine.ports["strategy"].answers["/state"] = (200, STATE)
    checkout.run(engine)


def said(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(list(argv)) == 0
    return capsys.readouterr().out


@pytest.mark.usefixtures("checkout")
def test_each_table_says_what_one_looks_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "positions").splitlines()[0] == "run-1 (sim, process 4711)"
    assert "-$2.00" in said(capsys, "positions")
    orders = said(capsys, "orders")
    assert "toxic order flow" in orders
    assert "0.47" in orders
    fills = said(capsys, "fills")
    assert "0.52" in fills
    assert "2027-01-15 08:59:00.000" in fills
    last = said(capsys, "pnl").splitlines()[-1]
    assert last == (
        "profit of 2 windows with a known winner: +$7.25; "
        "1 without one, if each ends at its worst: -$2.00"
    )


@pytest.mark.usefixtures("checkout")
def test_since_counts_back_from_the_engines_clock(capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(said(capsys, "pnl", "--since", "1h", "--json"))["run-1"]
    assert [row["window"] for row in told] == [OVER, OPEN]
    told = json.loads(said(capsys, "fills", "--since", "2m", "--json"))["run-1"]
    assert [row["trade_id"] for row in told] == ["t2"]
    assert json.loads(said(capsys, "fills", "--since", "59s", "--json"))["run-1"] == []
    assert "nothing" in said(capsys, "fills", "--since", "59s")


@pytest.mark.usefixtures("checkout")
def test_csv_can_be_read_by_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(said(capsys, "fills", "--csv"))))
    assert [row["price"] for row in rows] == ["0.4", "0.52"]
    assert rows[1]["engine"] == "run-1"
    assert rows[1]["markout_1s_cents"] == "-1.5"
    assert rows[1]["failed"] == "yes"
    noted = ("reason", "phase", "flow", "ahead_shares", "rested_s")
    assert [rows[1][name] for name in noted] == ["hedge", "winding_down", "calm", "12.5", "3.25"]
    assert "winding_down" not in said(capsys, "fills")


@pytest.mark.parametrize("span", ["1", "h", "-1h", "1.5h", "1w", ""])
def test_a_wrong_span_is_one_line(span: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["pnl", f"--since={span}"])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "is not a span such as" in line


def test_an_engine_that_does_not_answer_is_named(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str]
) -> None:
    second = checkout.engine("u")
    second.ports["strategy"].close()
    checkout.run(second)
    assert main(["fills", "--csv"]) == 1
    out, err = capsys.readouterr()
    assert "t2" in out
    assert "run-2" in err
    assert "nobody listens there" in err


@pytest.mark.parametrize("state", [{}, {"fills": 3, "results": [], "windows": {"w": 1}}])
@pytest.mark.parametrize("command", ["positions", "orders", "fills", "pnl"])
def test_an_older_engine_says_less_and_breaks_nothing(
    tmp_path: Path,
    checkout: FakeCheckout,
    capsys: pytest.CaptureFixture[str],
    command: str,
    state: dict[str, object],
) -> None:
    del tmp_path
    old = checkout.engine("u")
    old.ports["strategy"].answers["/state"] = (200, state)
    checkout.run(old)
    assert "run-2" in said(capsys, command, "--run", "2")


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_width_breaks_a_figure_or_a_word_of_a_reason(width: int) -> None:
    """At 80 columns the reason once stood in a column of seven letters."""
    for make in (orders, positions, fills, pnl):
        printed = io.StringIO()
        console = Console(file=printed, width=width, force_terminal=True, color_system=None)
        rows = make(STATE, None)
        print_table(console, "engine", rows)
        lines = printed.getvalue().splitlines()
        assert max(map(len, lines)) <= width
        words = " ".join(lines).replace(",", " ").split()
        for row in rows:
            for name, value in row.items():
                if value is not None:
                    assert set(_cell(name, value).split()) <= set(words), (make.__name__, value)


def test_a_pipe_gets_whole_rows() -> None:
    printed = io.StringIO()
    print_table(Console(file=printed, width=60), "engine", orders(STATE, None))
    up = next(line for line in printed.getvalue().splitlines() if " up " in line)
    assert up.startswith(OPEN)
    assert up.endswith("toxic order flow")
