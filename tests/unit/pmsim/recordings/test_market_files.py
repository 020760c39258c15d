"""Market files beside recordings: the short form, Gamma's object, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pmcore.model.errors import MalformedInputError
from pmsim.recordings import reader as recordings_module
from pmsim.recordings.reader import load_market_file
from support.builders import CONDITION, DOWN_TOKEN, T0_S, UP_TOKEN, window

SLUG = f"btc-updown-15m-{T0_S}"
CENT = window(tick="0.01")
SHORT_FORM = {
    "slug": SLUG,
    "conditionId": CONDITION,
    "upTokenId": UP_TOKEN,
    "downTokenId": DOWN_TOKEN,
    "startTs": T0_S,
    "endTs": T0_S + 900,
    "tickSize": "0.01",
    "minOrderSize": "5",
}


def gamma() -> dict[str, Any]:
    return {
        "slug": SLUG,
        "conditionId": CONDITION,
        "clobTokenIds": json.dumps([UP_TOKEN, DOWN_TOKEN]),
        "outcomes": '["Up", "Down"]',
        "orderPriceMinTickSize": 0.01,
        "orderMinSize": 5,
    }


@pytest.mark.parametrize("value", [SHORT_FORM, gamma(), [gamma()]])
def test_a_market_file(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "market.json"
    path.write_text(json.dumps(value))
    assert load_market_file(path) == [CENT]


@pytest.mark.parametrize(
    ("content", "reason"),
    [("", "bad_json"), ("[]", "no_market"), ('{"upTokenId":"1","slug":"a-b"}', "bad_condition_id")],
)
def test_a_market_file_that_cannot_be_used(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "market.json"
    path.write_text(content)
    with pytest.raises(MalformedInputError) as caught:
        load_market_file(path)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"downTokenId": UP_TOKEN}, "bad_token_ids"),
        ({"endTs": T0_S}, "bad_times"),
        ({"minOrderSize": "0"}, "bad_size"),
        ({"minOrderSize": "-5"}, "bad_size"),
        ({"tickSize": "0.03"}, "bad_tick"),
    ],
)
def test_a_market_that_cannot_be(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    path = tmp_path / "market.json"
    path.write_text(json.dumps({**SHORT_FORM, **change}))
    with pytest.raises(MalformedInputError) as caught:
        load_market_file(path)
    assert caught.value.reason == reason


def test_a_market_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings_module, "_MAX_WHOLE_FILE_BYTES", 10)
    path = tmp_path / "market.json"
    path.write_text(json.dumps(SHORT_FORM))
    with pytest.raises(MalformedInputError, match="too_large"):
        load_market_file(path)
