"""`pm bench` runs, and the costly paths stay near their floor. Ratios only, with wide bounds."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

pytestmark = [pytest.mark.connected, pytest.mark.timeout(300)]


def bench(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "pmtools.cli", "bench", "--json", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=280)
    figures: list[dict[str, Any]] = json.loads(done.stdout)["figures"]
    return {figure["name"]: figure for figure in figures}


def test_the_executors_post_call_stays_near_a_bare_socket() -> None:
    """2.3 to 2.7 times, also beside four busy loops on two cores; 22 times with httpx."""
    figure = bench("--only", "post", "--rounds", "5", "--samples", "60")["POST call"]
    assert (figure["rounds"], figure["samples"]) == (5, 300)
    assert figure["ratio"] < 10


def test_signing_stays_below_the_official_client() -> None:
    """0.14 of its time on a quiet machine; that the bytes are equal is checked in the run."""
    assert bench("--only", "signing", "--rounds", "3", "--samples", "30")["signing"]["ratio"] < 0.6


def test_the_pure_paths_and_the_bus_stay_near_their_floors() -> None:
    """On a busy machine a frame costs the feed 5 and the engine 12 times its json.loads.

    The bus takes 1.1 times bare redis-py.
    """
    wanted = ("--only", "feed", "--only", "engine", "--only", "bus")
    figures = bench(*wanted, "--rounds", "3", "--samples", "150")
    assert figures["feed, a frame"]["ratio"] < 15
    assert figures["engine, a frame"]["ratio"] < 40
    assert figures["bus, not acknowledged"]["ratio"] < 6
    assert figures["bus, acknowledged"]["ratio"] < 6


def test_the_whole_feed_takes_frames_at_the_rate_of_a_bare_loop() -> None:
    """0.9 times it; the books of the frames were verified, or the run ends with a message."""
    figures = bench("--only", "feed-process", "--rounds", "2", "--samples", "20")
    figure = figures["feed process, a frame"]
    assert figure["rounds"] == 2
    assert figure["rate_per_s"] > 0
    assert figure["ratio"] < 4


def test_one_feed_takes_the_frames_of_several_series() -> None:
    """Four series bring four times the frames of one, also beside tests on two cores."""
    figures = bench("--only", "feed-series", "--rounds", "1", "--samples", "20")
    assert figures["feed, 1 series"]["ratio"] == 1
    rates = {
        number: figures[f"feed, {number} series"]["quantities"]["frames a second, all series"]
        for number in (1, 4, 8)
    }
    assert rates[4] > 1.5 * rates[1] > 0


def test_a_scripted_market_makes_hundreds_of_orders_a_minute() -> None:
    """A POST and a DELETE for each frame of the floor; 3 times the relay on a busy machine."""
    figures = bench("--only", "tick-to-wire", "--rounds", "2", "--samples", "25")
    assert figures["tick-to-wire, relay with a record"]["samples"] == 50
    for name in ("POST", "second POST", "DELETE"):
        figure = figures[f"tick-to-wire, {name}"]
        assert figure["rounds"] == 2
        assert figure["samples"] > 40
        assert figure["ratio"] < 15


def test_open_pages_and_the_scraping_cost_an_order_little() -> None:
    """0.95 times without them; the rounds of a short run differ by a third and more."""
    figure = bench("--only", "console", "--rounds", "2", "--samples", "15")["console"]
    assert figure["rounds"] == 2
    assert figure["samples"] > 20
    assert figure["ratio"] < 3
