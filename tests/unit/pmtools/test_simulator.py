"""What `pm simulator` hands to the simulator, and what it refuses."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from pmcore.shell.clock import Clock
from pmcore.shell.settings.common import check_settings, variables
from pmcore.shell.settings.strategy import StrategySettings
from pmsimulator.settings import SimulatorSettings
from pmtools.cli import build_parser
from pmtools.errors import UsageError
from pmtools.simulator import simulator_environment
from support.small_recording import SLUG, write_recording


def parsed(*arguments: str) -> Namespace:
    return build_parser().parse_args(["simulator", *arguments])


def test_without_arguments_it_offers_what_the_services_ask_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in variables(SimulatorSettings):
        monkeypatch.delenv(name, raising=False)
    settings, problems = check_settings(SimulatorSettings, simulator_environment(parsed(), {}))
    assert settings is not None, problems
    wanted, _ = check_settings(StrategySettings, {})
    assert wanted is not None
    assert settings.series == wanted.series
    assert (settings.sim_host, settings.sim_port) == ("127.0.0.1", 8200)
    assert settings.clock == ""


def test_variables_count_where_no_argument_is_given() -> None:
    environ = {
        "PM_SIM_HOST": "0.0.0.0",
        "PM_SIM_PORT": "8300",
        "PM_SIM_SEED": "9",
        "POLYMARKET_MARKET_SLUG": "eth-updown-15m",
    }
    assert simulator_environment(parsed(), environ).items() >= environ.items()
    given = simulator_environment(parsed("--port", "0", "--host", "127.0.0.1"), environ)
    assert (given["PM_SIM_HOST"], given["PM_SIM_PORT"]) == ("127.0.0.1", "0")


def test_arguments_become_variables() -> None:
    arguments = parsed(
        *("--port", "0", "--seed", "7", "--series", "eth-updown-15m", "--window", "60"),
        *("--world", "busy", "--protocol", "v2", "--faults", '{"failed_ppm":5}', "--speed", "2"),
    )
    variables = simulator_environment(arguments, {})
    assert variables["POLYMARKET_MARKET_SLUG"] == "eth-updown-60s"
    assert (variables["PM_SIM_PORT"], variables["PM_SIM_SEED"]) == ("0", "7")
    assert (variables["PM_SIM_PROTOCOL"], variables["PM_SIM_FAULTS"]) == ("v2", '{"failed_ppm":5}')
    assert variables["PM_SIM_WORLD"] == "busy"
    assert Clock.from_spec(variables["PM_CLOCK"]).speed == 2


def test_a_key_of_the_operator_is_not_passed_on() -> None:
    environ = {"POLYMARKET_PRIVATE_KEY": "0x1", "PATH": "/bin"}
    variables = simulator_environment(parsed(), environ)
    assert "POLYMARKET_PRIVATE_KEY" not in variables
    assert variables["PATH"] == "/bin"


def test_a_recording_brings_its_own_market_and_time(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "small.jsonl", seconds=5)
    variables = simulator_environment(parsed("--recording", str(recording)), {})
    assert variables["POLYMARKET_MARKET_SLUG"] == SLUG
    assert variables["PM_SIM_RECORDING"] == str(recording)
    assert variables["PM_CLOCK"]
    with pytest.raises(UsageError, match="--seed does not go with --recording"):
        simulator_environment(parsed("--recording", str(recording), "--seed", "1"), {})


def test_a_single_window_is_not_a_series() -> None:
    with pytest.raises(UsageError, match=r"--series .* name a prefix"):
        simulator_environment(parsed("--series", SLUG), {})
    with pytest.raises(UsageError, match=r"POLYMARKET_MARKET_SLUG .* name a prefix"):
        simulator_environment(parsed(), {"POLYMARKET_MARKET_SLUG": SLUG})
