"""Which venue the settings make, and how a misfit is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import Clock
from pmcore.shell.service.errors import StartupError
from pmsim.run.synthetic import SyntheticParams, SyntheticVenue
from pmsimulator import source
from pmsimulator.settings import SimulatorSettings, SourceKind, WorldName
from pmsimulator.source import make_venue
from support.small_recording import market_object, recorded_window, write_recording

NOW_NS = 1_790_000_110 * NS_PER_S
CLOCK = Clock.starting_at(NOW_NS, 1.0)


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PM_CLOCK", "PM_SIM_RECORDING", "PM_SIM_SOURCE", "POLYMARKET_MARKET_SLUG"):
        monkeypatch.delenv(name, raising=False)


def settings(**given: object) -> SimulatorSettings:
    return SimulatorSettings(**given)  # type: ignore[arg-type]  # checked at run time


def test_synthetic_is_the_default_and_begins_now() -> None:
    given = settings(market_slugs="btc-updown-60s", seed=7)
    assert given.source is SourceKind.SYNTHETIC
    begun_ns = CLOCK.now_ns()
    venue = make_venue(given, CLOCK)
    assert "seed 7" in venue.source
    assert begun_ns <= venue.now_ns <= CLOCK.now_ns()
    assert venue.listings()[0].window.series == "btc-60s"


def test_a_single_window_cannot_be_synthetic() -> None:
    with pytest.raises(StartupError, match="name a prefix such as btc-updown-60s"):
        make_venue(settings(market_slugs="btc-updown-5m-1790000100"), CLOCK)


def test_a_recording_makes_itself_the_source(tmp_path: Path) -> None:
    market = tmp_path / "market.json"
    market.write_text(json.dumps(market_object()))
    recording = write_recording(tmp_path / "small.jsonl")
    given = settings(recording=recording, market=market)
    assert given.source is SourceKind.RECORDING
    venue = make_venue(given, CLOCK)
    assert [listing.window for listing in venue.listings()] == [recorded_window()]
    assert not venue.done


def test_a_recording_in_another_time_says_which_clock_to_set(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "small.jsonl")
    first_ns = recorded_window().open_ns
    with pytest.raises(StartupError, match=rf"PM_CLOCK: .* {first_ns},[0-9]+,1$"):
        make_venue(settings(recording=recording), Clock.from_spec(""))


def test_a_file_without_frames_is_one_line(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    with pytest.raises(StartupError, match="PM_SIM_RECORDING: "):
        make_venue(settings(recording=empty), CLOCK)


def test_a_busy_world_sends_many_times_the_frames_of_a_light_one() -> None:
    counts = {}
    for name in WorldName:
        venue = make_venue(settings(market_slugs="btc-updown-5m", world=name), CLOCK)
        counts[name] = len(venue.advance(venue.now_ns + 5 * NS_PER_S))
    assert counts[WorldName.LIGHT] < counts[WorldName.FITTED] < counts[WorldName.BUSY]
    assert counts[WorldName.BUSY] > 4 * counts[WorldName.LIGHT]


def test_an_unknown_world_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PM_SIM_WORLD", "bussy")
    with pytest.raises(ValidationError, match="PM_SIM_WORLD"):
        settings(market_slugs="btc-updown-5m")


def test_takers_are_given_a_latency_when_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int | None] = []

    def look(params: SyntheticParams) -> SyntheticVenue:
        seen.append(params.world.crowd.informed_latency_ms)
        return SyntheticVenue(params)

    monkeypatch.setattr(source, "SyntheticVenue", look)
    for latency_ms in (None, 0, 80):
        given = {} if latency_ms is None else {"informed_latency_ms": latency_ms}
        make_venue(settings(market_slugs="btc-updown-60s", **given), CLOCK)
    assert seen == [None, 0, 80]
