"""What `pm run` says where no terminal is: one line every few seconds."""

from __future__ import annotations

from typing import Any

import pytest

from pmtools.run.view import RunView

STATES: dict[str, dict[str, Any]] = {
    "feed": {"frames": 120, "market_socket": "live"},
    "strategy": {
        "windows": {
            "btc-updown-60s-1800000060": {
                "state": "quoting",
                "mode": "balanced",
                "net_diff": 5.0,
                "outcomes": {
                    "up": {"bid": 0.47, "ask": 0.49, "quote": 0.47, "qty": 5.0},
                    "down": {"bid": 0.51, "ask": None, "quote": None, "qty": 0.0},
                },
            },
            "btc-updown-60s-1800000000": {"state": "settled"},
        }
    },
}


def test_a_line_tells_books_bids_and_holdings(capsys: pytest.CaptureFixture[str]) -> None:
    with RunView("a run") as view:
        view.show(0.0, STATES, {})
    said = capsys.readouterr()
    assert said.out == ""
    assert "frames 120" in said.err
    assert "resting 1" in said.err
    assert "up 0.47/0.49 bid 0.47 has 5, down 0.51/- bid - has 0 (balanced)" in said.err
    assert "settled" not in said.err


def test_lines_come_every_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    with RunView("a run") as view:
        for second in range(11):
            view.show(float(second), STATES, {})
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_a_service_that_is_not_ready_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    with RunView("a run") as view:
        view.show(0.0, {}, {"feed": "no frame for 3 s"})
    assert "feed: no frame for 3 s" in capsys.readouterr().err
