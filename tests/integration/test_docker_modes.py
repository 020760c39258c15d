"""Where containers trade: without the simulator on paper, and never live by accident."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.compose import System, fetch, wait_for

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[System]]:
    systems: list[System] = []
    yield systems
    for system in systems:
        system.remove()


def start(systems: list[System], directory: Path, **environment: str) -> System:
    system = System(f"pm-mode-{os.getpid()}", directory, **environment)
    systems.append(system)
    system.compose("up", "--detach", "--build", "redis", "feed", profile="")
    return system


def test_without_the_profile_it_is_the_real_venue_on_paper(
    started: list[System], tmp_path: Path
) -> None:
    system = start(started, tmp_path)
    wait_for("health", lambda: fetch(f"{system.url('feed')}/healthz"), within_s=60)
    assert "venue: polymarket" in system.logs("feed")
    assert '"mode":"dry"' in system.logs("feed").replace(": ", ":")


def test_live_trading_needs_the_venue_to_be_named(started: list[System], tmp_path: Path) -> None:
    system = start(started, tmp_path, PM_DRY_RUN="false")
    wait_for("refusal", lambda: "PM_VENUE=polymarket trades" in system.logs("feed"), within_s=60)
    assert system.containers()["feed"]["State"]["ExitCode"] in (0, 2)
    assert "venue:" not in system.logs("feed")


def test_a_preset_reaches_the_service_that_it_concerns(
    started: list[System], tmp_path: Path
) -> None:
    system = System(f"pm-mode-{os.getpid()}", tmp_path, PM_PRESET="first-test")
    started.append(system)
    system.compose("up", "--detach", "--build", "redis", "executor", profile="")
    said = "preset first-test: PM_BID_SIZE=5"
    wait_for("preset", lambda: said in system.logs("executor"), within_s=60)
    wait_for("health", lambda: fetch(f"{system.url('executor')}/healthz"), within_s=60)


def test_an_unknown_preset_ends_with_the_list(started: list[System], tmp_path: Path) -> None:
    system = System(f"pm-mode-{os.getpid()}", tmp_path, PM_PRESET="moon")
    started.append(system)
    system.compose("up", "--detach", "--build", "redis", "executor", profile="")
    said = "there are: careful, first-test, "
    wait_for("list", lambda: said in system.logs("executor"), within_s=60)
