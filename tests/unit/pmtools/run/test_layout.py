"""The live view from 80 to 200 columns: no word broken, no reason cut, columns aligned."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from pmtools.run.view import RunView

LONG = (
    "PM_BID_SIZE=2 is below this market's minimum of 5 shares: set PM_BID_SIZE=5 or more; "
    "and once more, so that two lines are not enough at 80 columns"
)
NOTE = "GET https://gamma-api.polymarket.com/markets: ConnectError [Errno -2] Name or service"
SLUG = "btc-updown-15m-1790766900"
WINDOW: dict[str, Any] = {
    "state": "winding_down",
    "net_diff": -5.0,
    "portfolio_cost": 0.9815,
    "outcomes": {
        "up": {"bid": 0.4705, "ask": 0.4805, "quote": None, "qty": 123.25, "why": LONG},
        "down": {"bid": 0.5105, "ask": None, "quote": 0.5105, "qty": 0.0, "why": ""},
    },
}
STATES: dict[str, dict[str, Any]] = {
    "feed": {
        "troubles": [
            {
                "what": "window of btc-updown-15m",
                "cause": "name_resolution",
                "text": NOTE,
                "seconds": 12.0,
            }
        ]
    },
    "strategy": {"windows": {SLUG: WINDOW, "eth-updown-15m-1790766900": WINDOW}},
}


def rendered(width: int) -> list[str]:
    screen = io.StringIO()
    console = Console(file=screen, width=width, force_terminal=False)
    view = RunView("pm run, dry: btc-updown-15m", console)
    console.print(view.render(12.0, STATES, {"feed": "no window yet"}))
    return screen.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100, 120, 160, 200])
def test_reasons_are_whole_and_no_word_is_broken(width: int) -> None:
    lines = rendered(width)
    assert all(len(line.rstrip()) <= width for line in lines)
    words = " ".join(lines).split()
    for text in (LONG, NOTE, SLUG, "winding_down", "name resolution, 12 s:"):
        assert set(text.split()) <= set(words), text
    assert "…" not in "".join(lines)


@pytest.mark.parametrize("width", [80, 100, 120, 160, 200])
def test_a_reason_stands_together_in_its_own_column(width: int) -> None:
    lines = rendered(width)
    first = next(n for n, line in enumerate(lines) if line.startswith("up "))
    column = lines[first].index("PM_BID_SIZE")
    said = [lines[first][column:]]
    for line in lines[first + 1 :]:
        if line[:column].strip():
            break
        said.append(line[column:])
    assert " ".join(" ".join(said).split()) == LONG


@pytest.mark.parametrize("width", [80, 200])
def test_the_columns_of_all_windows_are_aligned(width: int) -> None:
    heads = [line for line in rendered(width) if line.startswith("side ")]
    assert len(heads) == 2
    assert heads[0] == heads[1]
    downs = [line for line in rendered(width) if line.startswith("down ")]
    assert {line.index("0.5105 ") for line in downs} == {heads[0].index("our bid")}
