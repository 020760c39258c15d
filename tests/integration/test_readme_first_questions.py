"""The first questions of the README, asked of a real run by the README's own words.

Each answer comes within a minute. The run is in a directory of its own, so that the kill reaches
no engine of the developer. The phone's way, the page, is in test_console_browser.py.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.compose import fetch, wait_for
from support.tree import ROOT
from support.webhook import Webhook

pytestmark = [pytest.mark.connected, pytest.mark.timeout(300)]

MINUTE_S = 60.0
FILL_S = 120.0
"""Takers come by chance."""


def commands_of(question: str) -> list[list[str]]:
    """What the README says to type, in its row of the table, without what is the shell's."""
    _, _, table = (ROOT / "README.md").read_text().partition("## First questions")
    (row,) = [line for line in table.splitlines() if line.startswith(f"| {question} |")]
    written = re.findall(r"`(?:PM_\S+ )?pm ([^`]+)`", row)
    return [shlex.split(text.partition(" > ")[0]) for text in written]


class Newcomer:
    """A run of the simulator, and a person who types."""

    def __init__(self, directory: Path, webhook: Webhook) -> None:
        self.directory, self.webhook = directory, webhook
        hidden = ("PM_", "POLYMARKET_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        self.environ = {
            **kept,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "PM_DATA_DIR": str(directory / "var"),
            "PM_NOTIFY_URLS": webhook.url,
        }

    def start(self) -> subprocess.Popen[bytes]:
        words = (sys.executable, "-m", "pmtools.cli", "run", "--seconds", "280", "--window", "60")
        with (self.directory / "run.txt").open("wb") as log:
            return subprocess.Popen(
                words, cwd=self.directory, env=self.environ, stdout=log, stderr=log
            )

    def types(self, words: list[str]) -> str:
        """What the command prints; it ends well and within a minute."""
        done = subprocess.run(
            [sys.executable, "-m", "pmtools.cli", *words],
            cwd=self.directory,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=MINUTE_S,
            check=False,
        )
        log = (self.directory / "run.txt").read_text()
        assert done.returncode == 0, f"pm {shlex.join(words)}: {done.stderr}\n{log[-2000:]}"
        return done.stdout


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    webhook = Webhook()
    person = Newcomer(tmp_path_factory.mktemp("newcomer"), webhook)
    run = person.start()
    try:
        record = person.directory / "var/run-1/run.json"
        wait_for("the run", record.exists, within_s=60)
        urls = json.loads(record.read_text())["urls"]
        wait_for("the console", lambda: fetch(f"{urls['console']}/readyz")["ready"], within_s=60)
        yield person
    finally:
        run.send_signal(signal.SIGINT)
        run.wait(60)
        webhook.server.shutdown()
        webhook.server.server_close()


def test_the_fills_come_as_csv(newcomer: Newcomer) -> None:
    (words,) = commands_of("have the fills in a spreadsheet")
    assert words == ["fills", "--csv"]

    def rows() -> list[dict[str, str]]:
        return list(csv.DictReader(newcomer.types(words).splitlines()))

    wait_for("a fill", rows, within_s=FILL_S)
    assert {"side", "price", "shares"} <= rows()[0].keys()


def test_the_profit_of_the_last_hour_is_told(newcomer: Newcomer) -> None:
    (words,) = commands_of("see the profit of the last hour")
    assert words == ["pnl", "--since", "1h"]
    assert "profit" in newcomer.types(words)


def test_each_side_without_a_bid_has_its_reason(newcomer: Newcomer) -> None:
    orders, positions = commands_of("know why it does not quote")
    assert (orders, positions) == (["orders"], ["positions"])

    def told() -> bool:
        sides = list(csv.DictReader(newcomer.types([*orders, "--csv"]).splitlines()))
        assert {side["side"] for side in sides} == {"up", "down"}
        return all(side["our_bid"] or side["why_no_bid_rests"] for side in sides)

    wait_for("a bid or a reason on each side", told, within_s=MINUTE_S)
    assert "btc-updown-60s-" in newcomer.types(orders)
    assert "btc-updown-60s-" in newcomer.types(positions)


def test_a_link_to_the_page_is_printed(newcomer: Newcomer) -> None:
    console, _watch = commands_of("see it move")
    assert re.search(r"http://127\.0\.0\.1:\d+/#\S+", newcomer.types(console))


def test_an_alert_arrives(newcomer: Newcomer) -> None:
    run, test = commands_of("get an alert")
    assert (run, test) == (["run"], ["notify", "test"])
    newcomer.types(test)
    wait_for("the test", lambda: "pm notify test" in newcomer.webhook.text, within_s=MINUTE_S)


def test_what_went_wrong_is_in_the_logs(newcomer: Newcomer) -> None:
    (words,) = commands_of("find what went wrong")
    newcomer.types(words)
    assert newcomer.types([word for word in words if word not in ("--level", "warning")])


def test_a_kill_stops_it_and_a_resume_lifts_the_halt(newcomer: Newcomer) -> None:
    kill, resume = commands_of("stop it")
    assert (kill, resume) == (["kill"], ["resume"])
    newcomer.types(kill)
    wait_for("the alert of the kill", lambda: "halted: " in newcomer.webhook.text, within_s=30)
    newcomer.types(resume)
