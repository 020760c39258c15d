"""Markouts of the makers behind each trade, by the state of the flow before it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from pmcore.model.market import Outcome, TakerSide
from pmcore.model.params import OfiMode, OfiParams
from pmcore.model.units import NS_PER_S, SHARE_U6
from pmcore.venue.encode import book_frame, trade_book_frame
from pmresearch.flow_tape import FlowReader, FlowTape, Taken, flow_tapes
from pmresearch.order_flow import chosen, judge, main, verdict
from support.small_recording import SLUG, recorded_window, write_recording

BUY, SELL = TakerSide.BUY, TakerSide.SELL
UP, DOWN = Outcome.UP, Outcome.DOWN
FIXED = OfiParams()


def tape_of(*, falls_after_s: int | None, burst: int = 12) -> FlowTape:
    """One window: a lone sale at 20 s, a burst of sales from 60 s; Up at .50, then at .40."""
    tape = FlowTape(slug=SLUG, open_ns=0, close_ns=300 * NS_PER_S, tick_e4=100)
    for second in range(300):
        fell = falls_after_s is not None and second >= falls_after_s
        tape.mids.append((second * NS_PER_S, 8_000 if fell else 10_000))
    for at_s in (20.0, *(60 + n / 10 for n in range(burst))):
        tape.taken.append(Taken(round(at_s * NS_PER_S), UP, SELL, 20 * SHARE_U6, 4_900))
    return tape


def test_a_maker_is_judged_by_the_mid_10_s_later_and_the_state_before() -> None:
    found, _ = judge(tape_of(falls_after_s=65), FIXED)
    # the first three of the burst fill a bid while the flow is still calm: 60 shares are toxic
    assert found.calm == [1.0, -9.0, -9.0, -9.0]
    assert found.toxic == [-9.0] * 9


def test_a_taker_who_pushes_up_fills_a_bid_for_down() -> None:
    tape = tape_of(falls_after_s=10)
    tape.taken = [Taken(20 * NS_PER_S, DOWN, SELL, SHARE_U6, 4_100)]
    found, _ = judge(tape, FIXED)
    assert found.calm == [1.0]  # Down was bought at .59 and is worth .60


def test_a_mid_that_is_not_known_gives_no_markout() -> None:
    tape = tape_of(falls_after_s=None)
    tape.mids = [(at_ns, mid) for at_ns, mid in tape.mids if at_ns < 23 * NS_PER_S]
    found, _ = judge(tape, FIXED)
    assert (found.calm, found.toxic) == ([], [])


def test_an_adaptive_window_hands_on_what_it_learned() -> None:
    adaptive = OfiParams(mode=OfiMode.ADAPTIVE)
    _, warm = judge(tape_of(falls_after_s=None), adaptive)
    assert any(warm[UP].samples_u6)
    judge(tape_of(falls_after_s=None), adaptive, warm)


def test_flow_that_hurts_is_found_and_flow_that_does_not_is_not() -> None:
    hurts = [judge(tape_of(falls_after_s=62), FIXED)[0] for _ in range(6)]
    harmless = [judge(tape_of(falls_after_s=None), FIXED)[0] for _ in range(6)]
    found, nothing = verdict(hurts), verdict(harmless)
    assert found is not None
    assert nothing is not None
    assert found.high is not None
    assert found.difference <= found.high < 0
    assert (nothing.low, nothing.difference, nothing.high) == (0, 0, 0)
    assert 0 < found.toxic_time < 0.1
    few = verdict(hurts[:4])
    assert few is not None
    assert few.low is None


def test_without_a_toxic_trade_there_is_no_verdict() -> None:
    assert verdict([judge(tape_of(falls_after_s=None, burst=2), FIXED)[0]]) is None


def test_prints_are_read_with_their_side_and_mids_with_the_books(tmp_path: Path) -> None:
    (tape,) = flow_tapes(write_recording(tmp_path / f"{SLUG}.jsonl"))
    assert len(tape.taken) == 16
    first = tape.taken[0]
    assert (first.outcome, first.pushed, first.size_u6) == (UP, -1, 150_000_000)
    assert first.price_e4 == 4_700
    assert [one.pushed for one in tape.taken[:2]] == [-1, 1]  # sales of both outcomes
    assert {mid for _, mid in tape.mids} == {10_000, 10_200, 10_400}


def test_a_trade_without_a_print_is_what_left_the_side_that_the_hash_names() -> None:
    window = recorded_window()
    reader, asks = FlowReader(window), [(5_100, 7 * SHARE_U6)]
    bids = [(4_800, 9 * SHARE_U6), (4_900, 5 * SHARE_U6)]

    def whole(after_s: int, bids: list[tuple[int, int]], traded: str) -> None:
        write = trade_book_frame if traded else book_frame
        at_ns = window.open_ns + after_s * NS_PER_S
        frame = write(
            window, UP, bids=bids, asks=asks, ts_event_ns=at_ns, tick_e4=100, last_trade=traded
        )
        reader.read(at_ns, json.dumps(frame))

    whole(0, bids, "")
    whole(1, [(4_800, 8 * SHARE_U6)], "0.490")
    whole(2, [(4_800, 8 * SHARE_U6)], "0.490")  # nothing left a side: no trade
    (taken,) = reader.tape.taken
    assert (taken.pushed, taken.price_e4, taken.size_u6) == (-1, 4_900, 6 * SHARE_U6)
    assert [mid for _, mid in reader.tape.mids] == [10_000, 9_900, 9_900]


def test_trades_without_a_book_have_the_mid_between_the_newest_of_both_ways(
    tmp_path: Path,
) -> None:
    path = tmp_path / "bwijn_btc-updown-5m-1790000100_trades.json.gz"
    at = 1_790_000_110
    trades = [
        [at + 1, "BUY", 0.47, 2.0, "d", "w"],
        [at, "BUY", 0.54, 3.5, "u", "w"],
        [at + 2, "SELL", 0.52, 1.0, "u", "w"],
    ]
    path.write_bytes(gzip.compress(json.dumps({"up_token": "u", "trades": trades}).encode()))
    (tape,) = flow_tapes(path)
    assert [(one.pushed, one.price_e4) for one in tape.taken] == [
        (1, 5_400),
        (-1, 5_300),
        (-1, 5_200),
    ]
    assert [mid for _, mid in tape.mids] == [None, 10_700, 10_600]


def test_the_set_of_windows_is_that_of_the_sweep() -> None:
    tape = tape_of(falls_after_s=None)
    sets = [len(chosen([tape], name)) for name in ("development", "test", "all")]
    assert sets in ([1, 0, 1], [0, 1, 1])


def test_the_table_has_a_row_for_each_form(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_recording(tmp_path / f"{SLUG}.jsonl")
    assert main([str(path), "--windows", "all", "--synthetic", "1"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 2 + 2 * 7
    assert "| fixed 50 |" in rows[2]
    with pytest.raises(SystemExit):
        main([])
