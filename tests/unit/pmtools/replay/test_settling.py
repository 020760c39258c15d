"""`pm replay` settles a window whose winner is known, and marks any other at its last mid."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pmcore.machines.book import WindowBooks
from pmcore.machines.inventory import Position
from pmcore.messages.market_data import BookSnapshot, SnapshotOrigin
from pmcore.model.market import Outcome
from pmcore.shell.recording import WINNERS_FILE
from pmcore.venue.encode import market_resolved_frame
from pmtools.cli import main
from pmtools.replay.settling import marked_profit_u6, up_mid2_e4
from support.small_recording import SLUG, market_object, recorded_window, write_recording

UP, DOWN = Outcome.UP, Outcome.DOWN
Replay = Callable[..., dict[str, Any]]


_SMALL_U6 = 12_000_000
"""A trade that does not reach the end of a queue."""


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("PM_", "POLYMARKET_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PM_BID_SIZE", "5")
    monkeypatch.setenv("PM_OFI_TOXICITY_THRESHOLD", "1000")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = write_recording(tmp_path / "window.jsonl")
    (tmp_path / "window.market.json").write_text(json.dumps(market_object()))
    return path


@pytest.fixture
def replay(capsys: pytest.CaptureFixture[str]) -> Replay:
    def run(*arguments: object) -> dict[str, Any]:
        assert main(["replay", "--json", *map(str, arguments)]) == 0
        summary: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
        return summary

    return run


def test_without_a_winner_the_shares_are_marked_at_the_last_mid(
    recording: Path, replay: Replay
) -> None:
    summary = replay(recording)
    results = summary["results"][SLUG]
    assert results["settlement"] == "unsettled, marked at the last mid (Up 0.5)"
    worth = 0.5 * (results["up"] + results["down"])
    assert results["profit_marked"] == pytest.approx(worth - results["paid"])
    assert summary["profit_marked"] == results["profit_marked"]
    assert (summary["windows_settled"], summary["profit_settled"]) == (0, 0)
    assert "profit" not in results


@pytest.mark.parametrize("model", ["pessimistic", "central", "optimistic"])
@pytest.mark.parametrize("winner", [(), ("--winner", "up")])
def test_each_fill_model_has_a_ledger_of_the_same_orders(
    recording: Path, replay: Replay, model: str, winner: tuple[str, ...]
) -> None:
    write_recording(recording, sold_u6=_SMALL_U6)
    summary = replay(recording, "--fill-model", model, *winner)
    results = summary["results"][SLUG]
    ledgers = results["ledgers"]
    assert list(ledgers) == ["pessimistic", "central", "optimistic"]
    assert summary["ledgers"] == ledgers  # of one window
    named = {"up", "down", "paid", "profit" if winner else "profit_marked"}
    assert all(set(ledger) == named for ledger in ledgers.values())
    assert ledgers[model] == {name: results[name] for name in named}
    shares = [ledger["up"] + ledger["down"] for ledger in ledgers.values()]
    assert shares == sorted(shares)
    assert shares[0] < shares[-1]


def test_the_central_model_acts_unless_told_otherwise(recording: Path, replay: Replay) -> None:
    write_recording(recording, sold_u6=_SMALL_U6)
    fingerprint = replay(recording)["fingerprint"]
    assert replay(recording, "--fill-model", "central")["fingerprint"] == fingerprint
    assert replay(recording, "--fill-model", "optimistic")["fingerprint"] != fingerprint


@pytest.mark.parametrize("winner", ["up", "down"])
def test_a_given_winner_pays_one_dollar_a_share(
    recording: Path, replay: Replay, winner: str
) -> None:
    unsettled = replay(recording)
    summary = replay(recording, "--winner", winner)
    results = summary["results"][SLUG]
    assert results["up"] + results["down"] > 0
    assert results["profit"] == pytest.approx(results[winner] - results["paid"])
    assert results["settlement"] == f"{winner} won (--winner)"
    assert (summary["windows_settled"], summary["profit_settled"]) == (1, results["profit"])
    assert summary["profit_marked"] == 0
    assert summary["fingerprint"] == unsettled["fingerprint"]


def test_a_resolution_in_the_recording_and_a_file_beside_it_settle_too(
    recording: Path, replay: Replay, tmp_path: Path
) -> None:
    (tmp_path / WINNERS_FILE).write_text(json.dumps({SLUG: "down"}))
    beside = replay(recording)
    assert beside["results"][SLUG]["settlement"] == f"down won ({WINNERS_FILE})"
    frame = market_resolved_frame(recorded_window(), DOWN, ts_event_ns=1)
    row = {"recv": recorded_window().open_ns / 1e9 + 39, "slug": SLUG, "raw": json.dumps(frame)}
    with recording.open("a") as file:
        file.write(json.dumps(row) + "\n")
    (tmp_path / WINNERS_FILE).unlink()
    inside = replay(recording)
    assert inside["results"][SLUG]["settlement"] == "down won (market_resolved)"
    assert inside["profit_settled"] == beside["profit_settled"]


def test_sources_that_contradict_each_other_are_an_error_unless_one_is_chosen(
    recording: Path, replay: Replay, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = market_resolved_frame(recorded_window(), DOWN, ts_event_ns=1)
    row = {"recv": recorded_window().open_ns / 1e9 + 39, "slug": SLUG, "raw": json.dumps(frame)}
    with recording.open("a") as file:
        file.write(json.dumps(row) + "\n")
    (tmp_path / WINNERS_FILE).write_text(json.dumps({SLUG: "up"}))
    assert main(["replay", str(recording)]) == 2
    assert "different winners: up (winners.json) and down" in capsys.readouterr().err
    chosen = replay(recording, "--winner", "up")
    assert chosen["results"][SLUG]["settlement"] == "up won (--winner)"


def test_a_winner_is_given_for_one_window_only(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_recording(tmp_path / "other.jsonl")
    assert main(["replay", "--winner", "up", str(recording), str(other)]) == 2
    assert "exactly one window, here are 2" in capsys.readouterr().err


def test_a_file_of_winners_that_cannot_be_read_is_an_error(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / WINNERS_FILE).write_text("{")
    assert main(["replay", str(recording)]) == 2
    assert WINNERS_FILE in capsys.readouterr().err


def _books(outcome: Outcome, bid_e4: int | None, ask_e4: int | None) -> WindowBooks:
    books = WindowBooks(recorded_window())
    books.apply(
        BookSnapshot(
            slug=SLUG,
            outcome=outcome,
            bids=((bid_e4, 1_000_000),) if bid_e4 else (),
            asks=((ask_e4, 1_000_000),) if ask_e4 else (),
            hash="",
            origin=SnapshotOrigin.REST,
            ts_event_ns=1,
            ts_recv_ns=1,
        )
    )
    return books


def test_an_empty_side_is_the_end_of_the_scale_and_either_book_serves() -> None:
    assert up_mid2_e4(_books(UP, 4600, 4800)) == 9400
    assert up_mid2_e4(_books(DOWN, 4600, 4800)) == 10_600
    assert up_mid2_e4(_books(UP, 9900, None)) == 19_900
    assert up_mid2_e4(_books(UP, None, 100)) == 100
    assert up_mid2_e4(_books(UP, None, None)) is None


def test_a_mark_is_never_better_than_the_truth() -> None:
    position = Position().with_buy(UP, 4700, 5_000_000).with_buy(DOWN, 5201, 1)
    assert marked_profit_u6(position, 9400) == -1
