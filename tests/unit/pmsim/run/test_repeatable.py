"""A world is a function of its seed, not of the process it runs in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import hashlib
from pmsim.venue.ports import MarketFrame
from pmsim.run.synthetic import SyntheticParams, SyntheticVenue
from pmcore.model.market import parse_series
venue = SyntheticVenue(SyntheticParams(
    series=(parse_series("btc-updown-30s"), parse_series("eth-updown-30s")),
    seed={seed}, start_ns=1_790_766_900_000_000_000, taker_delay_ms=150, auto_tick=True,
))
digest = hashlib.sha256()
for second in range(1, 46):
    for event in venue.advance(1_790_766_900_000_000_000 + second * 10**9):
        if isinstance(event, MarketFrame):
            digest.update(f"{{event.at_ns}} {{event.text}}\\n".encode())
print(digest.hexdigest())
"""


def stream_digest(seed: int, hash_seed: str) -> str:
    path = os.pathsep.join(entry for entry in sys.path if entry and Path(entry).is_dir())
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(seed=seed)],
        env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def first() -> str:
    return stream_digest(11, "1")


def test_a_seed_gives_the_same_bytes_in_any_process(first: str) -> None:
    assert len(first) == 64
    assert stream_digest(11, "4242") == first


def test_another_seed_gives_others(first: str) -> None:
    assert stream_digest(12, "1") != first
