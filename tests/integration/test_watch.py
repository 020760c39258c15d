"""`pm watch` beside a real engine and its console: it moves, kills, resumes, and shows the dead."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pmtools.watch.command import open_app
from pmtools.watch.link import ConsolePlace
from support.console_process import console_of
from support.screen import text_of, until
from support.whole_engine import TOKEN, engine

pytestmark = [pytest.mark.connected, pytest.mark.timeout(240)]


async def test_a_person_looks_kills_and_resumes_in_a_terminal(tmp_path: Path) -> None:
    async with engine(tmp_path) as running, console_of(running, tmp_path) as console:
        url = str(console.http.base_url).rstrip("/")
        app = await open_app(ConsolePlace(title="engine", url=url, token=TOKEN))
        async with app.run_test(size=(120, 100)) as pilot:
            await until(pilot, "all ready", lambda text: "all services ready" in text)
            await until(pilot, "our bid in a book", lambda text: "OURS" in text)
            before = text_of(app)
            await until(pilot, "time goes on", lambda text: text[:60] != before[:60])
            await until(pilot, "a decision", lambda text: "bid" in text.partition("Decisions")[2])

            await pilot.press("K", "ctrl+u", *"tried", "enter")
            await until(pilot, "the halt", lambda text: "HALTED (" in text and ": tried" in text)
            flat = "After the kill the venue was asked"
            await until(pilot, "a flat venue", lambda text: flat in text)
            assert await running.open_orders() == 0

            await pilot.press("R", "enter")
            await until(pilot, "no halt", lambda text: "HALTED" not in text)
            await until(pilot, "our bid again", lambda text: "OURS" in text)

            os.kill(running.children["strategy"].pid, signal.SIGKILL)
            await until(pilot, "a death", lambda text: "DEAD strategy: nobody listens" in text)
            console.process.kill()
            text = await until(pilot, "no console", lambda text: "NO DATA" in text)
            assert "What stands below is old." in text
            assert TOKEN not in text
