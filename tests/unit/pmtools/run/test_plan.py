"""Which process gets which variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from pmcore.wire.access import USERS
from pmtools.errors import UsageError
from pmtools.run.plan import (
    SERVICES,
    RunOptions,
    RunPlan,
    Surroundings,
    default_market,
    plan_run,
    with_window,
)

PORTS = (9200, 9105, 9100, 9101, 9102, 9103, 9104)


def plan(
    environ: dict[str, str] | None = None,
    passwords: dict[str, str] | None = None,
    **changes: object,
) -> RunPlan:
    fields = {"seconds": 5, "venue": "sim", "dry_run": False, "market": "btc-updown-60s"}
    around = Surroundings(
        directory=Path("runs/run-1"),
        redis_url="redis://127.0.0.1:7000/0",
        redis_passwords=passwords or {},
        control_token="token",
        clock="",
        environ=environ or {},
    )
    return plan_run(RunOptions(**{**fields, **changes}), around, PORTS)  # type: ignore[arg-type] # tests name fields


def environ_of(planned: RunPlan, name: str) -> dict[str, str]:
    return next(child.env for child in planned.children if child.name == name)


def test_a_simulated_run_has_its_own_venue() -> None:
    planned = plan()
    assert [child.name for child in planned.children] == ["simulator", *SERVICES]
    for name in SERVICES:
        assert environ_of(planned, name)["POLYMARKET_REST_URL"] == "http://127.0.0.1:9200"
        assert environ_of(planned, name)["POLYMARKET_WS_BASE_URL"] == "ws://127.0.0.1:9200/ws"
    assert environ_of(planned, "simulator")["PM_SIM_PORT"] == "9200"
    assert len({child.url for child in planned.children}) == 5


def test_a_run_that_asks_for_the_rule_is_given_the_simulators_stream() -> None:
    asked = {"PM_UNDERLYING_MOVE_BP": "2"}
    stream = "ws://127.0.0.1:9200/underlying/{asset}usdt@bookTicker"
    assert environ_of(plan(asked), "feed")["PM_UNDERLYING_URL"] == stream
    own = {**asked, "PM_UNDERLYING_URL": "wss://mine"}
    assert environ_of(plan(own), "feed")["PM_UNDERLYING_URL"] == "wss://mine"
    fair = {"PM_FAIR_VALUE_MARGIN": "0"}
    assert environ_of(plan(fair), "feed")["PM_UNDERLYING_URL"] == stream
    for environ in ({}, {"PM_UNDERLYING_MOVE_BP": "0"}, {"PM_FAIR_VALUE_MARGIN": ""}):
        assert "PM_UNDERLYING_URL" not in environ_of(plan(environ), "feed")
    real = plan(asked, venue="polymarket", dry_run=True)
    assert "PM_UNDERLYING_URL" not in environ_of(real, "feed")


def test_the_real_venue_has_no_simulator_and_no_address_of_ours() -> None:
    planned = plan(venue="polymarket", dry_run=True)
    assert [child.name for child in planned.children] == list(SERVICES)
    assert "POLYMARKET_REST_URL" not in environ_of(planned, "feed")


def test_paper_defaults_are_for_paper_only() -> None:
    assert environ_of(plan(), "strategy")["PM_BID_SIZE"] == "5"
    assert environ_of(plan({"PM_BID_SIZE": "7"}), "strategy")["PM_BID_SIZE"] == "7"
    live = plan(venue="polymarket", dry_run=False)
    assert live.defaulted == {}
    assert "PM_BID_SIZE" not in environ_of(live, "strategy")


def test_credentials_files_are_hidden_too() -> None:
    environ = {"POLYMARKET_PRIVATE_KEY_FILE": "key.txt", "POLYMARKET_API_KEY_FILE": "api.txt"}
    live = plan(environ, venue="polymarket", dry_run=False)
    assert environ_of(live, "executor")["POLYMARKET_PRIVATE_KEY_FILE"] == "key.txt"
    assert environ_of(live, "userws")["POLYMARKET_API_KEY_FILE"] == "api.txt"
    assert "POLYMARKET_PRIVATE_KEY_FILE" not in environ_of(live, "userws")
    for name in ("feed", "strategy"):
        assert not set(environ) & set(environ_of(live, name))


def test_each_process_is_given_its_own_password_of_the_runs_redis() -> None:
    passwords = {user: f"of-{user}" for user in USERS}
    planned = plan({"PM_REDIS_PASSWORD_FILE": "mine", "PM_REDIS_CA_FILE": "mine"}, passwords)
    for child in planned.children:
        assert child.env["PM_REDIS_PASSWORD"] == f"of-{child.name}"
        assert [text for text in child.env.values() if text.startswith("of-")] == [
            f"of-{child.name}"
        ]
        assert child.env["PM_REDIS_PASSWORD_FILE"] == child.env["PM_REDIS_CA_FILE"] == ""


def test_a_password_for_the_operators_own_redis_is_handed_through() -> None:
    planned = plan({"PM_REDIS_PASSWORD": "mine"})
    assert all(child.env["PM_REDIS_PASSWORD"] == "mine" for child in planned.children)


def test_executor_and_userws_share_the_file_of_derived_credentials() -> None:
    planned = plan()
    variable = "POLYMARKET_API_CREDENTIALS_FILE"
    assert environ_of(planned, "executor")[variable] == environ_of(planned, "userws")[variable]
    assert variable not in environ_of(planned, "feed")


def test_a_recording_and_a_seed_reach_the_simulator_alone(tmp_path: Path) -> None:
    planned = plan(recording=tmp_path / "r.jsonl", seed=7)
    assert environ_of(planned, "simulator")["PM_SIM_RECORDING"] == str(tmp_path / "r.jsonl")
    assert environ_of(planned, "simulator")["PM_SIM_SEED"] == "7"
    assert "PM_SIM_RECORDING" not in environ_of(planned, "feed")


def test_markets_of_a_run_that_named_none() -> None:
    assert (
        default_market("sim", {"POLYMARKET_MARKET_SLUG": "eth-updown-5m"}, 30) == "eth-updown-30s"
    )
    assert default_market("polymarket", {"POLYMARKET_MARKET_SLUG": "eth-updown-5m"}, None) == (
        "eth-updown-5m"
    )
    assert default_market("polymarket", {}, None) == "btc-updown-15m"


def test_a_window_length_replaces_that_of_each_series() -> None:
    assert with_window("btc-updown-15m,eth-updown-5m", 30) == "btc-updown-30s,eth-updown-30s"
    with pytest.raises(UsageError, match="single window"):
        with_window("btc-updown-5m-1790000100", 30)
