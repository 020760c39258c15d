"""What `pm simulator` hands to the simulator, and what it refuses."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from pmcore.shell.clock import Clock
from pmcore.tools.cli import build_parser
from pmcore.tools.errors import UsageError
from pmcore.tools.simulator import simulator_environment
from support.small_recording import SLUG, write_recording


def parsed(*arguments: str) -> Namespace:
    return build_parser().parse_args(["simulator", *arguments])


def test_without_arguments_it_is_five_minute_windows_here() -> None:
    variables = simulator_environment(parsed(), {"POLYMARKET_MARKET_SLUG": "eth-updown-15m"})
    assert variables["POLYMARKET_MARKET_SLUG"] == "btc-updown-5m"
    assert (variables["PM_SIM_HOST"], variables["PM_SIM_PORT"]) == ("127.0.0.1", "8200")
    assert "PM_CLOCK" not in variables


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
    with pytest.raises(UsageError, match="name a prefix"):
        simulator_environment(parsed("--series", SLUG), {})
