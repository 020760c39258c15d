"""The arguments of `pm run` against the environment and a recording."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from pmcore.model.units import NS_PER_S
from pmtools.cli import build_parser
from pmtools.errors import UsageError
from pmtools.run.options import read_options
from support.small_recording import OPEN_S, SLUG, write_recording


def parse(*arguments: str) -> argparse.Namespace:
    return build_parser().parse_args(["run", *arguments])


def test_the_simulator_is_neither_dry_nor_live() -> None:
    options = read_options(parse(), {"PM_DRY_RUN": "false"})
    assert (options.mode, options.market) == ("sim", "btc-updown-60s")


def test_a_window_of_the_simulator_ends_while_one_watches() -> None:
    """Windows of a minute, two minutes of watching: whenever it starts, one of them ends."""
    options = read_options(parse(), {})
    assert options.market.endswith("-updown-60s")
    assert options.seconds >= 2 * 60


@pytest.mark.parametrize("said", ["", "true", "TRUE", "1", "yes"])
def test_the_real_venue_is_dry_by_default(said: str) -> None:
    assert read_options(parse("--venue", "polymarket"), {"PM_DRY_RUN": said}).mode == "dry"


def test_live_needs_the_word_itself() -> None:
    live = read_options(parse("--venue", "polymarket"), {"PM_DRY_RUN": "false"})
    assert live.mode == "live"
    for said in ("0", "no", "flase"):
        with pytest.raises(UsageError, match="PM_DRY_RUN"):
            read_options(parse("--venue", "polymarket"), {"PM_DRY_RUN": said})


def test_a_recording_brings_its_market_and_its_time(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "r.jsonl", seconds=3)
    options = read_options(parse("--recording", str(path), "--speed", "5"), {})
    assert options.market == SLUG
    assert options.recording_begins_ns == OPEN_S * NS_PER_S
    assert options.speed == 5.0


def test_a_recording_that_begins_long_before_its_window_is_entered_late(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "r.jsonl", seconds=3)
    text = path.read_text()
    early = text.replace(f'"recv": {OPEN_S}.0', f'"recv": {OPEN_S - 800}.0')
    path.write_text(early)
    options = read_options(parse("--recording", str(path)), {})
    assert OPEN_S - 20 < options.recording_begins_ns // NS_PER_S < OPEN_S


@pytest.mark.parametrize("venue", ["sim", "polymarket"])
def test_the_variable_is_the_default_of_market_at_either_venue(venue: str) -> None:
    environ = {"POLYMARKET_MARKET_SLUG": "eth-updown-5m,sol-updown-5m"}
    options = read_options(parse("--venue", venue), environ)
    assert options.market == "eth-updown-5m,sol-updown-5m"
    named = read_options(parse("--venue", venue, "--market", "xrp-updown-5m"), environ)
    assert named.market == "xrp-updown-5m"


def test_the_window_shortens_the_market_of_the_variable_too() -> None:
    options = read_options(parse("--window", "30"), {"POLYMARKET_MARKET_SLUG": "eth-updown-5m"})
    assert options.market == "eth-updown-30s"
