"""`pm doctor`: what it finds, how it says to mend it, and its exit code."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pmcore.shell.clock import real_now_ns
from pmcore.shell.settings.common import try_settings
from pmcore.shell.settings.strategy import StrategySettings
from pmtools.cli import main
from pmtools.doctor.checks import Verdict, local_findings
from pmtools.run.redis_server import LocalRedis

KEY = "0x" + "1f" * 32
WALLET = "0x" + "ab" * 20


class Venue:
    """A venue that tells the time and lists one market."""

    def __init__(self) -> None:
        self.skew_s = 0
        self.listing: dict[str, Any] = {
            "conditionId": "0x" + "ee" * 32,
            "clobTokenIds": json.dumps(["11" * 20, "22" * 20]),
            "outcomes": json.dumps(["Up", "Down"]),
            "orderPriceMinTickSize": 0.01,
            "orderMinSize": 5,
            "acceptingOrders": True,
            "closed": False,
        }
        venue = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = venue.answer(self.path)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        polling = {"poll_interval": 0.01}  # how long a shutdown may wait
        threading.Thread(target=self.server.serve_forever, kwargs=polling, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"

    def answer(self, path: str) -> bytes:
        if path == "/time":
            return str(real_now_ns() // 10**9 + self.skew_s).encode()
        slug = path.partition("slug=")[2]
        return json.dumps([{**self.listing, "slug": slug}]).encode()


@pytest.fixture
def venue() -> Iterator[Venue]:
    made = Venue()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, venue: Venue) -> None:
    for name in list(os.environ):
        if name.startswith(("PM_", "POLYMARKET_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("POLYMARKET_REST_URL", f"http://{venue.address}")
    monkeypatch.setenv("POLYMARKET_GAMMA_URL", f"http://{venue.address}")
    monkeypatch.setenv("POLYMARKET_WS_BASE_URL", f"ws://{venue.address}/ws")
    monkeypatch.setenv("PM_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PM_BID_SIZE", "5")
    monkeypatch.chdir(tmp_path)


def examine(capsys: pytest.CaptureFixture[str], code: int) -> dict[str, tuple[str, str, str]]:
    assert main(["doctor", "--json"]) == code
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["ok"] is (code == 0)
    return {
        finding["subject"].partition(" btc-")[0]: (
            finding["verdict"],
            finding["text"],
            finding["mend"],
        )
        for finding in report["findings"]
    }


def test_all_well(capsys: pytest.CaptureFixture[str]) -> None:
    findings = examine(capsys, 0)
    assert {verdict for verdict, _, _ in findings.values()} == {"OK"}
    assert {"settings", "mode", "clock", "venue REST", "venue WebSocket", "market", "bid size"} <= (
        set(findings)
    )


def test_a_size_below_the_minimum_names_the_value(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PM_BID_SIZE", "2")
    verdict, text, mend = examine(capsys, 1)["bid size"]
    assert verdict == "FAIL"
    assert "PM_BID_SIZE=2" in text
    assert mend == "set PM_BID_SIZE=5"


@pytest.mark.parametrize(("skew_s", "verdict"), [(0, "OK"), (5, "WARN"), (-60, "FAIL")])
def test_a_clock_that_is_off(
    skew_s: int, verdict: str, venue: Venue, capsys: pytest.CaptureFixture[str]
) -> None:
    venue.skew_s = skew_s
    assert examine(capsys, 1 if verdict == "FAIL" else 0)["clock"][0] == verdict


def test_a_market_that_takes_no_orders(venue: Venue, capsys: pytest.CaptureFixture[str]) -> None:
    venue.listing["acceptingOrders"] = False
    assert examine(capsys, 0)["market"][0] == "WARN"


def test_an_unlisted_market(
    venue: Venue, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venue, "listing", {})
    venue.answer = lambda path: b"[]"  # type: ignore[method-assign] # another venue
    findings = examine(capsys, 1)
    assert findings["market"][0] == "FAIL"
    assert "POLYMARKET_MARKET_SLUG" in findings["market"][2]
    assert findings["clock"][0] == "WARN"


def test_nobody_there(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, url in (
        ("POLYMARKET_REST_URL", "http://127.0.0.1:1"),
        ("POLYMARKET_GAMMA_URL", "http://127.0.0.1:1"),
        ("POLYMARKET_WS_BASE_URL", "ws://127.0.0.1:1/ws"),
        ("PM_REDIS_URL", "redis://127.0.0.1:1/0"),
    ):
        monkeypatch.setenv(name, url)
    findings = examine(capsys, 1)
    for subject in ("venue REST", "Gamma", "venue WebSocket", "Redis"):
        assert findings[subject][0] == "FAIL"
        assert findings[subject][2]


@pytest.mark.parametrize(("dry", "verdict"), [("true", "OK"), ("false", "FAIL")])
def test_an_unset_size_is_what_pm_run_takes_but_never_with_real_money(
    dry: str,
    verdict: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PM_BID_SIZE")
    monkeypatch.setenv("PM_DRY_RUN", dry)
    monkeypatch.setenv("POLYMARKET_PRIVATE_KEY", KEY)
    findings = examine(capsys, 0 if verdict == "OK" else 1)
    assert findings["bid size"][0] == verdict
    assert ("PM_BID_SIZE=5" in findings["settings"][1]) is (verdict == "OK")


@pytest.mark.connected
def test_redis_is_asked_for_its_version_and_a_halt(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with LocalRedis() as server:
        monkeypatch.setenv("PM_REDIS_URL", server.url)
        findings = examine(capsys, 0)
    assert findings["Redis"][1].startswith("version ")
    assert "halt" not in findings


def verdicts(environ: dict[str, str]) -> dict[str, tuple[Verdict, str]]:
    settings, problems = try_settings(StrategySettings, {"PM_DRY_RUN": "false"})
    assert settings is not None, problems
    found = local_findings(settings, environ)
    return {finding.subject: (finding.verdict, finding.mend) for finding in found}


def test_a_key_is_not_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PM_DRY_RUN", "false")
    monkeypatch.setenv("POLYMARKET_PRIVATE_KEY", KEY)
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "private key" in out
    assert "1f1f" not in out


def test_a_key_may_stand_in_a_file_that_nobody_else_may_read(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(KEY + "\n")
    path.chmod(0o644)
    found = verdicts({"POLYMARKET_PRIVATE_KEY_FILE": str(path)})
    assert found["POLYMARKET_PRIVATE_KEY_FILE"] == (Verdict.WARN, f"chmod 600 {path}")
    path.chmod(0o600)
    found = verdicts({"POLYMARKET_PRIVATE_KEY_FILE": str(path)})
    assert found["POLYMARKET_PRIVATE_KEY_FILE"][0] is Verdict.OK


@pytest.mark.parametrize(
    ("kind", "funder", "verdict"),
    [("", "", Verdict.OK), ("0", WALLET, Verdict.WARN), ("3", WALLET, Verdict.OK)],
)
def test_the_wallet_fits_the_signature_type(kind: str, funder: str, verdict: Verdict) -> None:
    environ = {"POLYMARKET_SIGNATURE_TYPE": kind, "POLYMARKET_FUNDER_ADDRESS": funder}
    assert verdicts(environ)["wallet"][0] is verdict


def test_a_control_token_that_others_can_read(tmp_path: Path) -> None:
    token = tmp_path / "control_token"
    token.write_text("t")
    token.chmod(0o640)
    assert verdicts({})["control token"] == (Verdict.WARN, f"chmod 600 {token}")
