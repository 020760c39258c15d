"""Who won a recorded window: metadata, `market_resolved`, and the file beside the recording."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pmcore.model.errors import MalformedInputError
from pmcore.model.market import Outcome
from pmcore.shell.recording import WINNERS_FILE
from pmcore.venue.encode import market_resolved_frame, to_text
from pmsim.recordings.winners import (
    Winner,
    winner_in_metadata,
    winners_beside,
    winners_in_frame,
)
from support.builders import DOWN_TOKEN, UP_TOKEN, window

UP, DOWN = Outcome.UP, Outcome.DOWN
WINDOW = window()


@pytest.mark.parametrize(
    ("market", "winner"),
    [
        ({"payout_up": 1.0, "payout_down": 0.0}, UP),
        ({"payout_up": 0, "payout_down": 1}, DOWN),
        ({"payout_up": 0.5, "payout_down": 0.5}, None),
        ({"payout_up": 1.0}, None),
        ({"closed": True, "outcomes": '["Up", "Down"]', "outcomePrices": '["0", "1"]'}, DOWN),
        ({"closed": False, "outcomes": '["Up", "Down"]', "outcomePrices": '["0", "1"]'}, None),
    ],
)
def test_metadata_name_a_winner_only_if_one_outcome_is_paid(
    market: dict[str, Any], winner: Outcome | None
) -> None:
    assert winner_in_metadata(market) is winner


@pytest.mark.parametrize("outcome", Outcome)
def test_a_resolution_among_the_frames(outcome: Outcome) -> None:
    frame = market_resolved_frame(WINDOW, outcome, ts_event_ns=1)
    expected = {WINDOW.slug: Winner(outcome, "market_resolved")}
    assert winners_in_frame(to_text(frame), [WINDOW]) == expected
    assert winners_in_frame(to_text([{"event_type": "book"}, frame]), [WINDOW]) == expected


@pytest.mark.parametrize(
    "raw",
    [
        "PONG",
        '{"event_type":"market_resolved"',
        '{"event_type":"market_resolved","winning_asset_id":"1"}',
        '{"event_type":"new_market","tags":["market_resolved"]}',
    ],
)
def test_other_frames_name_no_winner(raw: str) -> None:
    assert winners_in_frame(raw, [WINDOW]) == {}


@pytest.mark.parametrize(
    ("entry", "winner"),
    [
        ("up", UP),
        ("down", DOWN),
        ({"token_id": UP_TOKEN, "won": True}, UP),
        ({"token_id": UP_TOKEN, "won": False}, DOWN),
        ({"token_id": DOWN_TOKEN, "won": True}, DOWN),
        ({"token_id": "1", "won": True}, None),
        ({"token_id": UP_TOKEN, "won": "yes"}, None),
    ],
)
def test_the_file_beside_the_recording(
    tmp_path: Path, entry: object, winner: Outcome | None
) -> None:
    (tmp_path / WINNERS_FILE).write_text(json.dumps({WINDOW.slug: entry}))
    told = winners_beside(tmp_path / "some.jsonl", [WINDOW])
    assert told == ({WINDOW.slug: Winner(winner, WINNERS_FILE)} if winner else {})


@pytest.mark.parametrize("content", ["[]", "{", '{"%s": "left"}', '{"%s": 1}'])
def test_a_file_that_cannot_be_used_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / WINNERS_FILE).write_text(content.replace("%s", WINDOW.slug))
    with pytest.raises(MalformedInputError):
        winners_beside(tmp_path / "some.jsonl", [WINDOW])


def test_no_file_and_another_window_name_nobody(tmp_path: Path) -> None:
    assert winners_beside(tmp_path / "some.jsonl", [WINDOW]) == {}
    (tmp_path / WINNERS_FILE).write_text('{"another": "up"}')
    assert winners_beside(tmp_path / "some.jsonl", [WINDOW]) == {}
