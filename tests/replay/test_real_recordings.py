"""`pm replay` on real recordings: every hash, and one fingerprint however it travels."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pmsim.recordings.bytes import records
from support.recordings import recording

pytestmark = [pytest.mark.recordings, pytest.mark.timeout(300)]

HASHED = [
    "market_books/btc-updown-5m-1776327900.books.jsonl.gz",
    "market_books/btc-updown-5m-1776328200.books.jsonl.gz",
    "market_books/btc-updown-5m-1776328500.books.jsonl.gz",
    "market_books/btc-updown-5m-1776328800.books.jsonl.gz",
    "market_raw/jg15m_m9-rtds-natural-20260429T021025Z-fresh.raw_messages.jsonl.gz",
    "market_raw/marfusios_public_replay.txt.gz",
]
WITHOUT_HASHES = [
    "books_1hz/btc-updown-15m-1790586000.jsonl.gz",
    "books_1hz/btc-updown-15m-1790586900.jsonl.gz",
    "books_1hz/btc-updown-15m-1790587800.jsonl.gz",
    "books_1hz/btc-updown-15m-1790588700.jsonl.gz",
    "books_1hz/btc-updown-15m-1790589600.jsonl.gz",
    "books_1hz/btc-updown-15m-1790590500.jsonl.gz",
    "tob_trades/caio_sol-updown-15m-1765450800_orderbooks_up.json.gz",
]


REQUOTING = {
    "PM_BID_SIZE": "5",
    "PM_DEBOUNCE_MS": "0",
    "PM_MAX_NET_DIFF": "50",
    "PM_MAX_POSITION_VALUE": "500",
    "PM_OFI_TOXICITY_THRESHOLD": "1000",
    "PM_REPRICE_THRESHOLD": "0.001",
}


def pm_replay(
    path: Path, *arguments: str, hash_seed: str = "0", **variables: str
) -> dict[str, Any]:
    """Replay in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "pmtools.cli", "replay", str(path), "--json", *arguments],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
            "PYTHONHASHSEED": hash_seed,
            **variables,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return summary


@pytest.mark.parametrize("name", HASHED)
def test_every_whole_book_reproduces_its_hash(name: str) -> None:
    summary = pm_replay(recording(name)[0])
    assert summary["books_verified"] > 0
    assert summary["books_mismatched"] == 0
    assert summary["books_unverifiable"] == 0
    assert summary["change_hashes_mismatched"] == 0
    assert summary["touch_disagreements"] == 0
    assert summary["limit_violations"] == 0


@pytest.mark.parametrize("name", WITHOUT_HASHES)
def test_books_without_hashes_are_quoted_on(name: str) -> None:
    summary = pm_replay(recording(name)[0])
    assert summary["books_unverifiable"] > 400
    assert summary["orders_placed"] > 0
    assert summary["limit_violations"] == 0
    assert summary["unusable"] == {}


@pytest.mark.parametrize("name", [n for n in WITHOUT_HASHES if n.startswith("books_1hz")])
def test_sampled_books_refuse_no_order_for_its_tick(name: str) -> None:
    """Near 0 and 1 these books show a finer tick, and nothing announces it."""
    assert "tick" not in pm_replay(recording(name)[0], **REQUOTING)["orders_rejected"]


@pytest.mark.parametrize("variables", [{}, REQUOTING], ids=["default", "requoting"])
def test_every_window_with_known_payouts_settles_to_the_cent(variables: dict[str, str]) -> None:
    """Against the payouts in the first line, with what the replay says was bought and paid."""
    paths = recording("books_1hz/*.jsonl.gz")
    results: dict[str, dict[str, Any]] = {}
    for path in paths:
        summary = pm_replay(path, **{"PM_BID_SIZE": "5", **variables})
        assert summary["windows_settled"] == summary["windows"] == 1
        ((slug, found),) = summary["results"].items()
        market = json.loads(next(records(path, b"\n")) or b"")["market"]
        assert market["slug"] == slug
        worth = sum(
            Decimal(str(market[f"payout_{side}"])) * Decimal(str(found[side]))
            for side in ("up", "down")
        )
        assert round(Decimal(str(found["profit"])), 2) == round(
            worth - Decimal(str(found["paid"])), 2
        )
        assert summary["profit_settled"] == found["profit"]
        assert found.get("dearest_pair", 0) <= 0.99
        assert found["ledgers"]["central"]["profit"] == found["profit"]
        assert found["ledgers"]["pessimistic"]["paid"] <= found["paid"]
        results[slug] = found
    assert len(results) == len(paths) >= 6


def test_winners_beside_the_recordings_settle_them() -> None:
    told = json.loads(recording("market_books/winners.json")[0].read_text())
    path = recording("market_books/btc-updown-5m-1776327900.books.jsonl.gz")[0]
    summary = pm_replay(path, **REQUOTING)
    (found,) = summary["results"].values()
    assert "btc-updown-5m-1776327900" in told
    assert found["settlement"].endswith("won (winners.json)")
    assert summary["windows_settled"] == 1


@pytest.mark.parametrize("name", [HASHED[0], HASHED[4], WITHOUT_HASHES[-1]])
def test_neither_hash_seed_nor_memory_bus_changes_anything(name: str) -> None:
    path = recording(name)[0]
    direct = pm_replay(path)
    assert pm_replay(path, hash_seed="7") == direct
    assert pm_replay(path, "--bus", "memory") == direct


@pytest.mark.connected
@pytest.mark.parametrize("name", [HASHED[0], HASHED[4], WITHOUT_HASHES[-1]])
def test_redis_changes_nothing(name: str) -> None:
    path = recording(name)[0]
    assert pm_replay(path, "--bus", "redis") == pm_replay(path)
