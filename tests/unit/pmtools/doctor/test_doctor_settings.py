"""Doctor and start-up look at the same settings with the same code, and name all that is wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pmcore.shell.settings.common import load_settings, variables
from pmcore.shell.settings.known_variables import nearest, unknown_variables
from pmtools.cli import main
from support.settings import settings_of
from support.tree import SERVICES

KEY = "0x" + "1f" * 32
WALLET = "0x" + "ab" * 20

# Each entry stops at least one service at its start: the variable that is to be named, what is set.
BAD: list[tuple[str, dict[str, str]]] = [
    ("PM_RATE_TIER", {"PM_RATE_TIER": "wood"}),
    ("PM_TICK_SIZE", {"PM_TICK_SIZE": "0.03"}),
    ("PM_TICK_SIZE", {"PM_TICK_SIZE": "NaN"}),
    ("PM_MAX_NET_DIFF", {"PM_MAX_NET_DIFF": "many"}),
    ("PM_OFI_CAP", {"PM_OFI_CAP": "10"}),
    ("PM_OFI_EXIT_QUANTILE", {"PM_OFI_EXIT_QUANTILE": "0.995"}),
    ("PM_BID_SIZE", {"PM_BID_SIZE": "10"}),
    ("PM_PREWARM_S", {"PM_PREWARM_S": "0"}),
    ("PM_USERWS_LOOKBACK_S", {"PM_USERWS_LOOKBACK_S": "1"}),
    ("PM_SIM_TIER", {"PM_SIM_TIER": "wood"}),
    ("PM_SIM_CHAIN_ID", {"PM_SIM_CHAIN_ID": "1"}),
    ("PM_SIM_FAULTS", {"PM_SIM_FAULTS": '{"faild_ppm":1}'}),
    ("PM_SIM_MARKET", {"PM_SIM_MARKET": "/nowhere"}),
    ("PM_SIM_SOURCE", {"PM_SIM_SOURCE": "recording"}),
    ("PM_HTTP_PORT", {"PM_HTTP_PORT": "70000"}),
    ("POLYMARKET_REST_URL", {"PM_VENUE": "sim", "POLYMARKET_REST_URL": "https://polymarket.com"}),
    ("POLYMARKET_FUNDER_ADDRESS", {"POLYMARKET_SIGNATURE_TYPE": "1"}),
    ("POLYMARKET_FUNDER_ADDRESS", {"POLYMARKET_FUNDER_ADDRESS": "0x12"}),
    ("POLYMARKET_SIGNATURE_TYPE", {"POLYMARKET_SIGNATURE_TYPE": "9"}),
    ("POLYMARKET_PRIVATE_KEY", {"PM_DRY_RUN": "false"}),
    ("POLYMARKET_PRIVATE_KEY", {"POLYMARKET_PRIVATE_KEY": WALLET}),
    ("POLYMARKET_PRIVATE_KEY_FILE", {"POLYMARKET_PRIVATE_KEY_FILE": "/nowhere"}),
    ("POLYMARKET_API_PASSPHRASE", {"POLYMARKET_API_KEY": "k", "POLYMARKET_API_SECRET": "aGk="}),
    ("POLYMARKET_ADDRESS", {"POLYMARKET_API_KEY": "k"}),
    ("PM_BIDSIZE", {"PM_BIDSIZE": "7"}),
    ("POLYMARKET_SLUG", {"POLYMARKET_SLUG": "btc-updown-5m"}),
    ("pm_bid_size", {"pm_bid_size": "7"}),
]


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("PM_", "POLYMARKET_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def failures(capsys: pytest.CaptureFixture[str]) -> dict[str, tuple[str, str]]:
    assert main(["doctor", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    return {
        each["subject"]: (each["text"], each["mend"])
        for each in report["findings"]
        if each["verdict"] == "FAIL"
    }


def refusals(capsys: pytest.CaptureFixture[str]) -> set[str]:
    """What the services say that will not start, by line."""
    lines: set[str] = set()
    for service in SERVICES:
        try:
            load_settings(settings_of(service))
        except SystemExit:
            lines |= set(capsys.readouterr().err.splitlines())
    return lines


@pytest.mark.parametrize(("variable", "given"), BAD)
def test_doctor_names_what_stops_a_service(
    variable: str,
    given: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    said = refusals(capsys)
    assert variable in {line.partition(":")[0] for line in said}
    found = failures(capsys)
    assert variable in found
    assert {line.partition(":")[0] for line in said} == set(found)
    assert all(mend for _, mend in found.values())


def test_all_errors_of_all_services_are_named_at_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    together = {
        "PM_RATE_TIER": "wood",
        "PM_TICK_SIZE": "0.03",
        "PM_MAX_POSITION_VALUE": "many",
        "PM_BID_SIZE": "10",
        "PM_OFI_CAP": "10",
        "PM_OFI_EXIT_QUANTILE": "0.995",
        "PM_PREWARM_S": "0",
        "PM_SIM_CHAIN_ID": "1",
        "PM_SIM_FAULTS": "{",
        "PM_USERWS_RECONCILE_S": "0",
        "POLYMARKET_PRIVATE_KEY": WALLET,
        "PM_BIDSIZE": "7",
    }
    for name, value in together.items():
        monkeypatch.setenv(name, value)
    found = failures(capsys)
    assert set(found) == set(together)
    assert {line.partition(":")[0] for line in refusals(capsys)} == set(together)
    assert "'wood'" in found["PM_RATE_TIER"][0]
    assert "'0.03'" in found["PM_TICK_SIZE"][0]
    assert "0.001" in found["PM_TICK_SIZE"][1]


def test_a_bad_secret_is_never_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {
        "POLYMARKET_PRIVATE_KEY": "hush-key",
        "POLYMARKET_API_SECRET": "hush-secret",
        "PM_REDIS_URL": "http://:hush-redis@redis",
        "PM_PRIVATE_KEY": "hush-misspelt",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    assert main(["doctor"]) == 1
    out, err = capsys.readouterr()
    assert all(name in out for name in secrets)
    assert "hush" not in out + err + "".join(refusals(capsys))


def test_a_key_file_that_cannot_be_read_is_not_called_a_missing_key(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PM_DRY_RUN", "false")
    monkeypatch.setenv("POLYMARKET_PRIVATE_KEY_FILE", "/nowhere")
    assert set(failures(capsys)) == {"POLYMARKET_PRIVATE_KEY_FILE"}


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("PM_BIDSIZE", "PM_BID_SIZE"),
        ("PM_MAX_DALY_LOSS", "PM_MAX_DAILY_LOSS"),
        ("PM_DRYRUN", "PM_DRY_RUN"),
        ("POLYMARKET_MARKET_SLUGS", "POLYMARKET_MARKET_SLUG"),
        ("POLYMARKET_PRIVATEKEY", "POLYMARKET_PRIVATE_KEY"),
        ("pm_bid_size", "PM_BID_SIZE"),
        ("PM_QWERTYUIOP", ""),
    ],
)
def test_the_variable_that_was_meant_is_named(wrong: str, meant: str) -> None:
    assert nearest(wrong) == meant
    (problem,) = unknown_variables({wrong: "7", "PATH": "/bin", "pm_id": "0", "PM_UNSET": ""})
    assert problem.variable == wrong
    assert meant in problem.reason
    assert "7" not in str(problem)


@pytest.mark.parametrize("command", ["run", "replay", "simulator"])
def test_the_other_commands_name_an_unknown_variable_too(
    command: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("PM_BIDSIZE", "7")
    monkeypatch.setenv("PM_SIM_TIER", "wood")
    recording = tmp_path / "x.jsonl"
    recording.write_text("{}\n")
    arguments = {"run": ["--seconds", "1"], "replay": [str(recording)], "simulator": []}[command]
    assert main([command, *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "PM_BID_SIZE was meant?" in err
    assert ("PM_SIM_TIER" in err) is (command != "replay")


def test_run_names_the_bad_variables_of_every_service_before_it_starts_any(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bad = {
        "PM_RATE_TIER": "wood",
        "PM_PREWARM_S": "0",
        "PM_TICK_SIZE": "0.03",
        "PM_DATA_DIR": str(tmp_path / "var"),
    }
    for name, value in bad.items():
        monkeypatch.setenv(name, value)
    assert main(["run", "--seconds", "1"]) == 2
    err = capsys.readouterr().err
    assert all(name in err for name in bad.keys() - {"PM_DATA_DIR"})
    assert not (tmp_path / "var").exists()


def test_names_in_a_file_for_compose_are_looked_at(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("# PM_NOTHING=1\nPM_BIDSIZE=7\nexport PM_MAX_DALY_LOSS=3\nA=b\n")
    found = failures(capsys)
    assert set(found) == {"PM_BIDSIZE", "PM_MAX_DALY_LOSS"}
    assert "in .env" in found["PM_BIDSIZE"][0]


@pytest.mark.parametrize("service", SERVICES)
def test_every_variable_of_a_service_is_looked_at(
    service: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value that no field can hold is refused for each typed variable by doctor and service."""
    cls = settings_of(service)
    any_text = {"PM_DATA_DIR", "PM_HTTP_HOST", "PM_SIM_HOST", "PM_CONTROL_TOKEN"}
    any_text |= {"PM_REDIS_PASSWORD", "PM_REDIS_SENTINEL_PASSWORD"}
    wanted = {
        name
        for name in variables(cls)
        if name not in any_text and not name.endswith("_FILE") and "_API_" not in name
    }
    for name in wanted:
        monkeypatch.setenv(name, "?!")
    assert wanted <= set(failures(capsys))
    with pytest.raises(SystemExit):
        load_settings(cls)
    assert {line.partition(":")[0] for line in capsys.readouterr().err.splitlines()} == wanted
