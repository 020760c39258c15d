"""`pm status`: halts first, then services, then profit; without a token it says what is missing."""

from __future__ import annotations

import json

import pytest

from pmtools.cli import main
from support.control_ports import FakeCheckout, FakeEngine

HALT = {"reason": "news at 14:30", "by": "alice@desk", "since": "2026-11-25T14:30:05Z"}
MONEY = {
    "profit_today": 1.25,
    "worst_case_profit_today": -3.1,
    "windows_settled_today": 3,
    "winners_unknown_today": 1,
    "windows": {
        "btc-updown-15m-3": {"state": "quoting", "profit": None, "worst_case_profit": -2.0},
        "btc-updown-15m-2": {"state": "settled", "profit": 0.35, "worst_case_profit": None},
    },
    "results_today": {
        "btc-updown-15m-1": {"profit": 0.9},
        "btc-updown-15m-0": {"worst_case_profit": -2.35},
    },
}


def say(engine: FakeEngine, service: str, path: str, body: object, status: int = 200) -> None:
    assert isinstance(body, dict)
    engine.ports[service].answers[path] = (status, body)


def halt(engine: FakeEngine, *services: str) -> None:
    for name in services or engine.ports:
        say(engine, name, "/readyz", {"ready": True, "reasons": [], "halted": HALT["reason"]})
        say(engine, name, "/state", {"halted": HALT["reason"], "halt": HALT})


def test_the_first_line_is_the_halt(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.run(checkout.engine("t"))
    checkout.compose(stack := checkout.engine("u"))
    halt(stack)
    assert main(["status"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "HALTED compose pm-as-ofi: news at 14:30 (since 2026-11-25 14:30:05 UTC, by alice@desk)"
    )
    assert "run-1 (sim, process 4711)" in lines
    assert "compose pm-as-ofi" in lines


def test_a_halt_that_not_every_service_heard_of_names_the_others(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.run(engine := checkout.engine("t"))
    halt(engine, "strategy", "executor")
    assert main(["status"]) == 1
    assert "NOT halted: feed, userws" in capsys.readouterr().out.splitlines()[0]


def test_a_halted_series_is_a_halt_too(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.run(engine := checkout.engine("t"))
    view = {"reason": "bad entry", "by": "strategy", "since": "2026-11-25T14:00:00Z"}
    say(engine, "strategy", "/state", {"series_halts": {"btc-15m": view}})
    assert main(["status"]) == 1
    assert capsys.readouterr().out.splitlines()[0] == (
        "HALTED run-1, series btc-15m: bad entry (since 2026-11-25 14:00:00 UTC, by strategy)"
    )


def test_all_well_is_0_and_no_word_of_a_halt(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.run(checkout.engine("t"))
    assert main(["status"]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0] == "run-1 (sim, process 4711)"
    assert "HALTED" not in said
    assert "cannot be shown" not in said


def test_a_service_that_is_not_ready_says_why(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.run(engine := checkout.engine("t"))
    say(engine, "feed", "/readyz", {"ready": False, "reasons": ["no frame for 3 s"]}, 503)
    engine.ports["userws"].close()
    assert main(["status"]) == 1
    said = capsys.readouterr().out
    assert "not ready: no frame for 3 s" in said
    assert "not ready: nobody listens there" in said


def test_without_a_token_it_shows_the_halt_and_says_what_it_cannot_show(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.compose(stack := checkout.engine("t"), readable=False)
    halt(stack)
    assert main(["status"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("HALTED compose pm-as-ofi: news at 14:30 (since unknown, by unknown)")
    assert "cannot be shown: profit, windows, orders, and since when and by whom" in said
    assert "its control token could not be read" in said


def test_profit_today_and_by_window(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.run(engine := checkout.engine("t"))
    say(engine, "strategy", "/state", MONEY)
    assert main(["status"]) == 0
    assert capsys.readouterr().out.splitlines()[-6:] == [
        "  profit today (UTC): +$1.25 in 2 settled windows, 1 more without a known winner",
        "  if every window without a winner ends at its worst: -$3.10",
        "    btc-updown-15m-3  quoting  no winner known; profit in the worst case -$2.00",
        "    btc-updown-15m-2  settled  profit +$0.35",
        "    btc-updown-15m-1  over  profit +$0.90",
        "    btc-updown-15m-0  over  no winner known; profit in the worst case -$2.35",
    ]


def test_the_object_has_the_halts_and_every_state(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.run(engine := checkout.engine("t"))
    halt(engine)
    assert main(["status", "--json"]) == 1
    (told,) = json.loads(capsys.readouterr().out)["engines"]
    assert told["halts"] == [{**HALT, "series": "", "services": list(engine.ports)}]
    assert told["services"]["strategy"]["state"]["halt"] == HALT


def test_what_a_service_says_cannot_move_the_cursor(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.run(engine := checkout.engine("t"))
    say(engine, "feed", "/state", {"halt": {"reason": "a\x1b[2J\nb", "by": "c", "since": "d"}})
    main(["status"])
    assert capsys.readouterr().out.startswith("HALTED run-1: a[2J b (since d, by c")
