"""The Brier score of the mid and of the model, over windows."""

from __future__ import annotations

from pathlib import Path

import pytest

from pmcore.model.market import Outcome
from pmcore.model.units import DOLLAR_E8, NS_PER_S
from pmresearch import brier, underlying_rule
from pmresearch.brier import (
    AT_SHARES,
    Forecast,
    main,
    model_of,
    of_tape,
    recorded,
    scored,
    synthetic,
    table,
)
from pmresearch.tape import Sample, Tape
from support.builders import at, window
from support.recordings import recording


def tape(*mids_e4: tuple[int, int]) -> Tape:
    """A window of 100 s with a mid at some seconds."""
    samples = [Sample(at_ns=s * NS_PER_S, bid_e4=m - 50, ask_e4=m + 50) for s, m in mids_e4]
    return Tape(name="w", open_ns=0, close_ns=100 * NS_PER_S, samples=samples)


def test_a_forecast_is_the_newest_mid_of_its_time() -> None:
    said = of_tape(tape((20, 4_000), (50, 7_000), (60, 9_000)), Outcome.UP, lambda _: None)
    assert [one.mid for one in said] == [None, 0.4, 0.7, 0.9, 0.9, 0.9]
    assert all(one.won for one in said)
    lost = of_tape(tape((0, 7_000)), Outcome.DOWN, lambda at_ns: at_ns / (100 * NS_PER_S))
    assert [one.model for one in lost] == list(AT_SHARES)
    assert lost[0].loss(0.7) == pytest.approx(0.49)
    assert said[1].loss(0.4) == pytest.approx(0.36)


def test_a_half_always_scores_a_quarter_and_windows_are_drawn_whole() -> None:
    forecasts = [
        Forecast(f"w{window}", share, window % 2 == 0, 0.5)
        for window in range(10)
        for share in (0, 1)
    ]
    assert scored(forecasts, lambda one: one.loss(0.5)) == (0.25, 0.25, 0.25)
    mid, low, high = scored(forecasts, lambda one: one.loss(0.9))
    assert mid == pytest.approx((0.01 + 0.81) / 2)
    assert low < mid < high


def test_a_row_compares_what_both_said() -> None:
    forecasts = [Forecast(f"w{n}", 0.5, True, 0.6, 0.8) for n in range(5)]
    forecasts += [Forecast("x", 0.5, True, 0.1, None), Forecast("y", 0.5, True, None, 0.1)]
    shown = table(forecasts).splitlines()
    assert shown[2].startswith("| 50% | 5 | 0.160 [0.160, 0.160] | 0.040 [")
    assert shown[2].endswith("| -0.120 [-0.120, -0.120] |")
    assert shown[3].startswith("| all | 5 |")
    only_mid = table([Forecast("x", 0.5, True, 0.1, None)]).splitlines()
    assert only_mid[0] == "| time | windows | mid |"


def test_the_model_hears_no_price_of_after_the_time_that_is_asked() -> None:
    prices = [(at(second), (71_000 + second % 2) * DOLLAR_E8) for second in range(-60, 200)]
    chance = model_of(window(length_s=300), prices)
    assert chance(at(100)) == model_of(window(length_s=300), prices[:161])(at(100))
    assert chance(at(100)) != chance(at(150))
    assert chance(at(203)) is None, "stale"


@pytest.mark.recordings
def test_the_recorded_window_with_an_exchanges_prices_has_both_forecasts() -> None:
    said = recorded(recording("tob_trades/polybot*.gz")[0])
    both = [one for one in said if one.mid is not None and one.model is not None]
    assert [one.at_share for one in both] == [0.75, 0.9, 0.95]
    assert not any(one.won for one in said)


@pytest.mark.recordings
def test_the_mid_of_recorded_windows_is_scored_against_the_winners_file() -> None:
    said = [one for path in recording("market_books/*.gz")[2:5] for one in recorded(path)]
    assert len(said) == 3 * len(AT_SHARES)
    assert all(one.mid is not None and one.model is None for one in said)
    ends = [one for one in said if one.at_share == AT_SHARES[-1]]
    assert all(one.loss(one.mid or 0) < 0.25 for one in ends)


def test_the_model_knows_the_winner_of_a_synthetic_window_better_towards_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(underlying_rule, "SERIES", "btc-updown-60s")
    said = [one for seed in range(1, 6) for one in synthetic(seed, 60 * NS_PER_S)]
    assert len(said) == 5 * len(AT_SHARES)
    assert all(one.model is not None for one in said)
    losses = {
        share: sum(one.loss(one.model or 0) for one in said if one.at_share == share)
        for share in AT_SHARES
    }
    assert losses[0.95] < losses[0.1]


def test_a_recording_without_a_winner_has_no_row_and_a_bad_file_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text("nothing\n")
    assert main([str(bad)]) == 2
    assert "bad.jsonl" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([])
    with pytest.raises(SystemExit):
        main(["x", "--synthetic", "1"])


def test_the_command_prints_a_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        brier, "synthetic", lambda seed, _: [Forecast(f"{seed}", 0.5, True, 0.5, 1)]
    )
    assert main(["--synthetic", "3"]) == 0
    assert "| 50% | 3 | 0.250 | 0.000 | -0.250 |" in capsys.readouterr().out
