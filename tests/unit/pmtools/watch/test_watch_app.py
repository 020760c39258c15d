"""`pm watch` in front of a real console that tells what a run once told."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from pmtools.errors import CommandError
from pmtools.watch.app import WatchApp
from pmtools.watch.command import open_app
from pmtools.watch.link import ConsolePlace
from support.console_server import TOKEN, RecordedConsole, recorded_console
from support.control_ports import ControlPort
from support.screen import lines_of, text_of, until

RECORDED = json.loads(Path(__file__).with_name("recorded_state.json").read_text())
STATE: dict[str, Any] = RECORDED["strategy"]["/state"]
BTC, ETH = STATE["windows"]
TALL = 130
"""Lines, so that nothing needs to be scrolled to."""
WIDTHS = (80, 120, 200)
PANELS = (BTC, ETH, "Orders that rest", "ask 0.85", "ask 0.16", "down 4 0.46", "book to order")
"""A word of each panel: they are painted one after the other, so each is waited for."""


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[RecordedConsole]:
    async with recorded_console(RECORDED, tmp_path) as made:
        yield made


@asynccontextmanager
async def watching(
    console: RecordedConsole, width: int = 120, height: int = TALL
) -> AsyncIterator[tuple[WatchApp, Pilot[None]]]:
    app = await open_app(ConsolePlace(title="run-1", url=console.url, token=TOKEN))
    async with app.run_test(size=(width, height)) as pilot:
        await until(pilot, "the services", lambda text: "all services ready" in text)
        yield app, pilot


@pytest.mark.parametrize("width", WIDTHS)
async def test_all_that_the_console_shows_is_on_the_screen(
    console: RecordedConsole, width: int
) -> None:
    async with watching(console, width) as (app, pilot):
        await until(pilot, "all panels", lambda text: all(one in text for one in PANELS))
        text, lines = text_of(app), lines_of(app)
        assert max(map(len, lines)) <= width
        for slug in (BTC, ETH):
            assert slug in text
        assert "run-1 mode sim all services ready" in text
        assert re.search(r"quoting 0:\d\d", text), "the phase, and how long it lasts"
        assert "up 0.84/0.85 ours 0.54" in text
        assert "why no bid: down: 5 more down than up are held: only up is bid for" in text
        assert "net shares: 5 of 20" in text
        assert "Orders that rest: 2." in text
        assert "market data live" in text
        assert f"cash ${RECORDED['userws']['/state']['balance']:,.2f}" in text
        assert "profit -$1.98" in text
        assert f"{next(iter(STATE['results_today']))} -$1.64" in text
        assert "Nothing changed yet." in text, "decisions begin when the console does"
        for name in ("feed", "strategy", "executor", "userws"):
            assert f"{name} ready" in text
        assert "book to order" in text


@pytest.mark.parametrize("width", WIDTHS)
async def test_on_paper_each_fill_models_money_stands_on_one_line(
    console: RecordedConsole, width: int
) -> None:
    profits = {
        name: {"profit_today": -1234.5, "worst_case_profit_today": -1234.5}
        for name in ("pessimistic", "central", "optimistic")
    }
    ledgers = {BTC: {"pessimistic": {"worst_case_profit": -1234.5}}}
    paper = {"paper_fills": "pessimistic", "paper_profits": profits, "paper_ledgers": ledgers}
    console.answer("executor", "/state", {**RECORDED["executor"]["/state"], **paper})
    async with watching(console, width) as (_, pilot):
        whole = "pessimistic acts -$1234.50 -$1234.50 -$1234.50"
        await until(pilot, "the fill models", lambda text: whole in text)


@pytest.mark.parametrize("width", WIDTHS)
async def test_books_and_fills_are_whole(console: RecordedConsole, width: int) -> None:
    """A level, our bid among them, and a fill with its markouts stand on one line each."""
    async with watching(console, width) as (app, pilot):
        await until(pilot, "all panels", lambda text: all(one in text for one in PANELS))
        lines = [" ".join(line.split()) for line in lines_of(app)]
        assert any("ask 0.85 53.5 best" in line for line in lines)
        assert any("bid 0.84 41.47 best" in line for line in lines)
        assert any("ask 0.16 41.47 best" in line for line in lines), "the other book"
        assert any("bid 0.54 - OURS 5 resting" in line for line in lines), "deeper than is told"
        newest = STATE["fills"][-1]
        marks = newest["markout_cents"]
        row = f"{ETH} down 4 0.46 {marks['1s']:+.1f} {marks['5s']:+.1f} -"
        assert any(row in line for line in lines), row


async def test_a_decision_is_shown_with_its_reason(console: RecordedConsole) -> None:
    async with watching(console) as (_, pilot):
        changed = json.loads(json.dumps(STATE))
        side = changed["windows"][BTC]["outcomes"]["up"]
        side |= {"quote": None, "leaves": None, "why": "toxic order flow", "obstacle": "toxic"}
        console.answer("strategy", "/state", changed)
        text = await until(pilot, "a decision", lambda text: "up no bid: toxic" in text)
        assert "up no bid: toxic order flow" in text


async def test_another_window_is_chosen_by_keys(console: RecordedConsole) -> None:
    async with watching(console) as (_, pilot):
        await until(pilot, "the first one", lambda text: f"{BTC} · quoting" in text)
        await pilot.press("down")
        await until(pilot, "the other one", lambda text: f"{ETH} · quoting" in text)
        await pilot.press("down")
        await until(pilot, "the first again", lambda text: f"{BTC} · quoting" in text)


async def test_a_small_terminal_is_scrolled_by_keys(console: RecordedConsole) -> None:
    async with watching(console, 80, 24) as (app, pilot):
        await until(pilot, "the top", lambda text: "Windows" in text)
        assert "book to order" not in text_of(app)
        await pilot.press("end")
        await until(pilot, "the end", lambda text: "book to order" in text)
        await pilot.press("home")
        await until(pilot, "the top", lambda text: "Windows" in text)


async def test_a_kill_asks_first_and_reaches_every_service(console: RecordedConsole) -> None:
    async with watching(console) as (_, pilot):
        await pilot.press("K")
        await until(pilot, "the question", lambda text: "cancel every order?" in text)
        await pilot.press("escape")
        await until(pilot, "no question", lambda text: "cancel every order?" not in text)
        assert console.engine.heard("/kill") == []

        await pilot.press("K")
        await until(pilot, "the question", lambda text: "cancel every order?" in text)
        await pilot.press("ctrl+u", *"news", "enter")
        await until(pilot, "the answer", lambda text: "Every service is halted." in text)
        assert [body["reason"] for body in console.engine.heard("/kill")] == ["news"] * 4


async def test_a_resume_asks_first_too(console: RecordedConsole) -> None:
    async with watching(console) as (_, pilot):
        await pilot.press("R")
        await until(pilot, "an answer", lambda text: "Nothing is halted." in text)
        halt = {"halted": "news", "halt": {"since": "2027-01-15T08:00:00Z", "by": "someone@desk"}}
        for name in RECORDED:
            console.answer(name, "/state", {**RECORDED[name]["/state"], **halt})
        said = "HALTED (feed, strategy, executor, userws): news, since 2027-01-15 08:00:00Z"
        await until(pilot, "the halt of all four", lambda text: said in text)
        await pilot.press("R")
        await until(pilot, "the question", lambda text: "Lift the halt?" in text)
        await pilot.press("escape")
        await until(pilot, "no question", lambda text: "Lift the halt?" not in text)
        assert console.engine.heard("/resume") == []
        await pilot.press("R")
        await until(pilot, "the question", lambda text: "Lift the halt?" in text)
        await pilot.press("enter")
        await until(pilot, "the answer", lambda text: "Every service is resumed." in text)
        assert len(console.engine.heard("/resume")) == 4


async def test_a_kill_that_not_all_obey_says_so(console: RecordedConsole) -> None:
    async with watching(console) as (_, pilot):
        console.answer("executor", "/kill", {}, status=500)
        await pilot.press("K")
        await until(pilot, "the question", lambda text: "cancel every order?" in text)
        await pilot.press("enter")
        text = await until(pilot, "the answer", lambda text: "NOT halted" in text)
        assert "NOT halted everywhere: executor: HTTP 500. Use pm kill." in text


async def test_a_flat_venue_after_a_kill_is_said(console: RecordedConsole) -> None:
    async with watching(console, 80) as (_, pilot):
        state = RECORDED["executor"]["/state"]
        engine = {**state["engine"], "halted": True, "flat": True}
        halted = {"halted": "news", "open_orders": 0, "engine": engine}
        console.answer("executor", "/state", {**state, **halted})
        await until(pilot, "flat", lambda text: "nothing of ours rests there" in text)


async def test_a_dead_service_is_shown_as_dead(console: RecordedConsole) -> None:
    async with watching(console) as (_, pilot):
        console.engine.ports["strategy"].close()
        words = ("DEAD strategy: nobody listens there", "A SERVICE IS DEAD")
        await until(pilot, "a death", lambda text: all(one in text for one in words))
        await until(pilot, "its last words", lambda text: "up 0.84/0.85 ours 0.54" in text)


async def test_a_silent_console_is_told_and_what_is_shown_is_called_old(
    console: RecordedConsole,
) -> None:
    async with watching(console) as (_, pilot):
        await console.fall_silent()
        words = ("NO DATA for", "What stands below is old.")
        await until(pilot, "silence", lambda text: all(one in text for one in words))
        await until(pilot, "only that", lambda text: "all services ready" not in text)


async def test_a_wrong_token_is_one_clear_line(console: RecordedConsole) -> None:
    with pytest.raises(CommandError) as caught:
        await open_app(ConsolePlace(title="x", url=console.url, token="wrong"))
    (line,) = caught.value.lines
    assert line == (
        f"the console at {console.url} did not take the control token: "
        "set PM_CONTROL_TOKEN, or PM_CONTROL_TOKEN_FILE, to that of the engine"
    )


async def test_a_token_that_is_changed_later_is_told(console: RecordedConsole) -> None:
    app = await open_app(ConsolePlace(title="x", url=console.url, token=TOKEN))
    app._link._headers["Authorization"] = "Bearer old"
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, "refused", lambda text: "did not take the control token" in text)


async def test_another_service_is_no_console() -> None:
    port = ControlPort("strategy", TOKEN)
    port.answers["/history"] = (404, {})
    try:
        with pytest.raises(CommandError, match="is no console: give the console's address"):
            await open_app(ConsolePlace(title="x", url=port.url, token=TOKEN))
    finally:
        port.close()
    with pytest.raises(CommandError, match=f"nobody listens at {port.url}"):
        await open_app(ConsolePlace(title="x", url=port.url, token=TOKEN))


async def test_a_run_that_is_still_starting_is_waited_for() -> None:
    port = ControlPort("console", TOKEN)
    port.close()
    place = ConsolePlace(title="run-1", url=port.url, token=TOKEN)
    app = await open_app(place, patient=True)
    async with app.run_test(size=(80, 24)) as pilot:
        text = await until(pilot, "no console yet", lambda text: "NO DATA" in text)
        assert "nobody listens there" in text


async def test_nothing_is_said_by_colour_alone(
    console: RecordedConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With NO_COLOR the screen has the same words and only shades of grey."""
    monkeypatch.setenv("NO_COLOR", "1")
    async with watching(console) as (app, pilot):
        console.engine.ports["userws"].close()
        words = ("userws DEAD", "DEAD userws")
        await until(pilot, "a death", lambda text: all(one in text for one in words))
        picture = app.export_screenshot().partition("</defs>")[2]
        assert colours(picture) == set()


def colours(picture: str) -> set[str]:
    """Fills of cells that are no grey."""
    found = re.findall(r'<rect fill="#(\w{2})(\w{2})(\w{2})"', picture)
    return {"".join(rgb) for rgb in found if len(set(rgb)) > 1}
