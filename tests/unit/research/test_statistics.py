from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from pmcore.model.units import NS_PER_S, SHARE_U6
from pmresearch.figures import PHASES, figures, quantile
from pmresearch.plots import main as plots_main
from pmresearch.statistics import kind_of, main, synthetic_column, table
from pmresearch.tape import Tape, TapeWriter, recorded_tapes
from support.recordings import recording
from support.tree import ROOT

OPEN_S = 1_790_766_900
CLOSE_NS = (OPEN_S + 300) * NS_PER_S


def at_ns(second: float) -> int:
    return OPEN_S * NS_PER_S + round(second * NS_PER_S)


def value(tapes: list[Tape], name: str, group: str = "whole window") -> float | None:
    return next(row.value for row in figures(tapes) if (row.group, row.name) == (group, name))


def steady_tape() -> Tape:
    """Bid .50, ask .51 for 100 s, then .52 and .54; prints every second that push Up by 2."""
    writer = TapeWriter("steady", at_ns(0), CLOSE_NS)
    for second in range(300):
        bid_e4, ask_e4 = (5_000, 5_100) if second < 100 else (5_200, 5_400)
        writer.touch(at_ns(second), bid_e4, ask_e4)
        writer.trade(at_ns(second + 0.5), 1, 2 * SHARE_U6)
    return writer.end()


def test_figures_of_a_tape_that_one_can_count() -> None:
    tapes = [steady_tape()]
    early = PHASES[0].name
    assert len(tapes[0].samples) == 300
    assert value(tapes, "spread mean, c", "last 30 s") == 2
    assert value(tapes, "spread mean, c", early) == pytest.approx(1.44, abs=0.02)
    assert value(tapes, "prints /s", early) == pytest.approx(1, abs=0.01)
    assert value(tapes, "touch changes /s", "last 30 s") == 0
    assert value(tapes, "print size p50, shares") == 2
    assert value(tapes, "absolute OFI of 3 s p90, shares") == 6
    assert value(tapes, "sign of OFI, autocorrelation 1") == 1
    assert value(tapes, "seconds without a print, %") == 0
    assert value(tapes, "touch depth p50, shares", early) is None


def test_a_pair_of_bids_whose_one_side_only_is_reached() -> None:
    tapes = [steady_tape()]
    one = value(tapes, "pair of touch bids: one only in 60 s, %")
    none = value(tapes, "pair of touch bids: none in 60 s, %")
    assert one is not None
    assert none is not None
    assert one > 0
    assert one + none == pytest.approx(100)


def test_a_book_with_one_side_is_counted_and_not_sampled() -> None:
    writer = TapeWriter("lone", at_ns(0), CLOSE_NS)
    writer.no_touch(at_ns(290))
    writer.sample_until(at_ns(293.5))
    assert writer.tape.samples == []
    assert value([writer.tape], "book with one empty side, %", "last 30 s") == 100


def test_quantiles() -> None:
    assert quantile([], 0.5) is None
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile([1.0], 0.99) == 1


def test_the_synthetic_world_in_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--synthetic", "--series", "btc-updown-30s", "--windows", "2", "--pace", "0.2"]
    assert main(arguments) == 0
    first = capsys.readouterr().out
    assert main(arguments) == 0
    assert capsys.readouterr().out == first
    assert "| whole window | print size p50, shares |" in first
    assert "synthetic btc-updown-30s (2)" in first


def test_readers_of_the_collections_without_frames(tmp_path: Path) -> None:
    folder = tmp_path / "tob_trades"
    folder.mkdir()
    polybot = folder / f"polybot_btc-updown-5m-{OPEN_S}.json.gz"
    events = [
        [OPEN_S + 1.5, "p", "11", "0.52", "15"],
        [OPEN_S + 2.0, "b", "11", "0.50", "0.51"],
        [OPEN_S + 2.5, "b", "22", "0.49", "0.50"],
        [OPEN_S + 3.0, "s", OPEN_S, 71_000.5],
    ]
    document = {"windows": [{"token_up": "11", "token_down": "22", "events": events}]}
    polybot.write_bytes(gzip.compress(json.dumps(document).encode()))
    bwijn = folder / f"bwijn_btc-updown-5m-{OPEN_S}_trades.json.gz"
    trades = [[OPEN_S + 9, "SELL", 0.4, 7.5, "22", "0x1"], [OPEN_S + 4, "BUY", 0.5, 2.0, "22", ""]]
    bwijn.write_bytes(gzip.compress(json.dumps({"up_token": "11", "trades": trades}).encode()))
    (tape,) = recorded_tapes(polybot)
    assert [(one.direction, one.size_u6) for one in tape.prints] == [(0, 15 * SHARE_U6)]
    assert tape.samples[0].spread_e4 == 100
    (trade_tape,) = recorded_tapes(bwijn)
    assert [one.direction for one in trade_tape.prints] == [-1, 1]
    assert (kind_of(polybot), kind_of(tmp_path / "market_books" / "x.gz")) == (
        "polybot",
        "market_books",
    )
    assert "polybot (1)" in table({"polybot": [tape]})


def test_a_file_that_is_none_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_text("{}\n")
    assert main([str(path)]) == 2
    assert "notes.jsonl" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([])


def test_plots_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def light(series: str, seed: int, windows: int) -> list[Tape]:
        return synthetic_column("btc-updown-30s", seed, windows, 0.2)

    monkeypatch.setattr("pmresearch.plots.synthetic_column", light)
    monkeypatch.setattr("pmresearch.plots.window_chart", lambda _: "<svg/>")
    assert plots_main(["--out", str(tmp_path / "plots"), "--windows", "1"]) == 0
    drawn = {path.name for path in (tmp_path / "plots").glob("*.svg")}
    assert drawn == {path.name for path in (ROOT / "docs/plots").glob("*.svg")}
    assert len(drawn) == 6


@pytest.mark.recordings
def test_the_recordings_can_be_measured() -> None:
    for pattern in ("books_1hz/*.gz", "tob_trades/bwijn*.gz", "tob_trades/caio*books_up*.gz"):
        (tape,) = recorded_tapes(recording(pattern)[0])
        assert tape.samples or tape.prints


@pytest.mark.recordings
def test_the_fit_has_not_gone() -> None:
    """The synthetic world stays within a factor of the recordings, in what the fit is for."""
    books = [tape for path in recording("market_books/*.gz")[:2] for tape in recorded_tapes(path)]
    prints = recorded_tapes(recording("tob_trades/polybot*.gz")[0])
    world = synthetic_column("btc-updown-5m", 1, 2)
    early = PHASES[0].name
    for tapes, name, group, factor in (
        (books, "spread mean, c", early, 1.3),
        (books, "5-level depth p50, shares", early, 2.0),
        (books, "1 s mid move rms, mid .20-.80, c", early, 1.6),
        (prints, "print size p50, shares", "whole window", 1.4),
        (prints, "prints /s", early, 2.0),
    ):
        recorded, ours = value(tapes, name, group), value(world, name, group)
        assert recorded is not None
        assert ours is not None
        assert recorded / factor < ours < recorded * factor, name
