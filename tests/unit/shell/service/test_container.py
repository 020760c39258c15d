"""Where a container trades, and the token that all containers share."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pmcore.shell.service import container
from pmcore.shell.service.container import VenueNotClearError, is_healthy, settle_venue, share_token
from pmcore.shell.settings.paper_defaults import paper_defaults


def up() -> bool:
    return True


def absent() -> bool:
    return False


def must_not_be_asked() -> bool:
    pytest.fail("the simulator was looked for")


@pytest.mark.parametrize("venue", ["polymarket", "sim"])
def test_a_named_venue_is_taken_without_looking_for_the_simulator(
    tmp_path: Path, venue: str
) -> None:
    settled = settle_venue({"PM_VENUE": venue}, tmp_path / "venue", must_not_be_asked)
    assert settled["PM_VENUE"] == venue


def test_auto_is_the_simulator_while_one_is_up(tmp_path: Path) -> None:
    settled = settle_venue({"PM_VENUE": "auto"}, tmp_path / "venue", up)
    assert settled["PM_VENUE"] == "sim"
    assert settled["POLYMARKET_REST_URL"] == "http://simulator:8200"


def test_auto_is_the_real_venue_without_a_simulator(tmp_path: Path) -> None:
    environment = {"PM_VENUE": "auto", "POLYMARKET_MARKET_SLUG": "eth-updown-5m"}
    settled = settle_venue(environment, tmp_path / "venue", absent)
    assert settled == {**environment, "PM_VENUE": "polymarket", **paper_defaults({})}


@pytest.mark.parametrize(("first", "later"), [(up, absent), (absent, up)])
def test_a_container_keeps_to_its_first_choice(
    tmp_path: Path, first: Callable[[], bool], later: Callable[[], bool]
) -> None:
    environment = {"PM_VENUE": "auto"}
    chosen = settle_venue(environment, tmp_path / "venue", first)["PM_VENUE"]
    assert settle_venue(environment, tmp_path / "venue", later)["PM_VENUE"] == chosen


@pytest.mark.parametrize("dry_run", ["false", "False", "0", "no", "off", "nonsense"])
def test_auto_never_goes_with_live_trading(tmp_path: Path, dry_run: str) -> None:
    environment = {"PM_VENUE": "auto", "PM_DRY_RUN": dry_run}
    with pytest.raises(VenueNotClearError, match="PM_VENUE=polymarket"):
        settle_venue(environment, tmp_path / "venue", must_not_be_asked)


@pytest.mark.parametrize("venue", ["polymarket", "sim"])
def test_on_paper_what_nobody_set_is_as_in_the_example(tmp_path: Path, venue: str) -> None:
    environment = {"PM_VENUE": venue, "PM_BID_SIZE": "7", "PM_OFI_MODE": ""}
    settled = settle_venue(environment, tmp_path / "venue", must_not_be_asked)
    assert (settled["PM_BID_SIZE"], settled["PM_OFI_MODE"]) == ("7", "adaptive")


def test_with_real_money_nothing_is_set_for_the_user(tmp_path: Path) -> None:
    environment = {"PM_VENUE": "polymarket", "PM_DRY_RUN": "false"}
    assert settle_venue(environment, tmp_path / "venue", must_not_be_asked) == environment


def test_no_venue_means_the_real_one(tmp_path: Path) -> None:
    assert settle_venue({}, tmp_path / "venue", must_not_be_asked)["PM_VENUE"] == "polymarket"


def test_the_simulated_world_has_its_own_database_and_windows(tmp_path: Path) -> None:
    environment = {
        "PM_VENUE": "sim",
        "PM_REDIS_URL": "redis://:secret@elsewhere:6380/0",
        "PM_SIM_SERIES": "eth-updown-30s",
        "POLYMARKET_MARKET_SLUG": "btc-updown-15m",
    }
    settled = settle_venue(environment, tmp_path / "venue", must_not_be_asked)
    assert settled["PM_REDIS_URL"] == "redis://:secret@elsewhere:6380/1"
    assert settled["POLYMARKET_MARKET_SLUG"] == "eth-updown-30s"


def test_the_simulated_world_never_sees_a_real_account(tmp_path: Path) -> None:
    environment = {
        "PM_VENUE": "sim",
        "POLYMARKET_PRIVATE_KEY": "0x1",
        "POLYMARKET_API_SECRET_FILE": "/run/secrets/api_secret",
        "POLYMARKET_FUNDER_ADDRESS": "0x2",
        "POLYMARKET_API_CREDENTIALS_FILE": "/run/pm-credentials/api.json",
    }
    settled = settle_venue(environment, tmp_path / "venue", must_not_be_asked)
    assert environment.keys() & settled.keys() == {"PM_VENUE", "POLYMARKET_API_CREDENTIALS_FILE"}


def test_containers_without_a_token_share_the_first_ones(tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    files = {share_token({}, token_file)["PM_CONTROL_TOKEN_FILE"] for _ in range(3)}
    first = token_file.read_text()
    share_token({}, token_file)
    assert files == {str(token_file)}
    assert token_file.read_text() == first
    assert len(first) > 30
    assert token_file.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == [token_file]


@pytest.mark.parametrize("variable", ["PM_CONTROL_TOKEN", "PM_CONTROL_TOKEN_FILE"])
def test_a_given_token_is_kept(tmp_path: Path, variable: str) -> None:
    assert share_token({variable: "x"}, tmp_path / "token") == {variable: "x"}
    assert not (tmp_path / "token").exists()


class Health(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_health_is_what_healthz_answers(
    monkeypatch: pytest.MonkeyPatch, status: int, healthy: bool
) -> None:
    monkeypatch.setattr(Health, "status", status)
    with HTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert is_healthy(server.server_port) is healthy
        thread.join()
    assert not is_healthy(server.server_port)


def test_a_preset_reaches_the_service_as_plain_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[dict[str, str]] = []
    (tmp_path / "small.env").write_text("PM_OFI_MODE=off\nPM_MAX_NET_DIFF=6\n")
    monkeypatch.setattr(container, "PRESETS_FOLDER", tmp_path)
    monkeypatch.setattr(container, "TOKEN_FILE", tmp_path / "token")
    monkeypatch.setattr(os, "execve", lambda _path, _argv, environ: started.append(dict(environ)))
    monkeypatch.setattr(os, "environ", {"PM_VENUE": "polymarket", "PM_PRESET": "small"})
    container.main(["pmstrategy"])
    (environ,) = started
    assert (environ["PM_OFI_MODE"], environ["PM_MAX_NET_DIFF"]) == ("off", "6")
    assert environ["PM_BID_SIZE"] == paper_defaults({})["PM_BID_SIZE"]
    assert "PM_PRESET" not in environ


def test_an_unknown_preset_ends_the_container_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(container, "PRESETS_FOLDER", tmp_path)
    monkeypatch.setattr(container, "TOKEN_FILE", tmp_path / "token")
    monkeypatch.setattr(os, "environ", {"PM_VENUE": "polymarket", "PM_PRESET": "moon"})
    with pytest.raises(SystemExit) as ended:
        container.main(["pmstrategy"])
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
