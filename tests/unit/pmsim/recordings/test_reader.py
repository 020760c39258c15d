"""Reading recordings: every shape, every packing, and what is broken in them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard

from pmcore.machines.book import WindowBooks
from pmcore.messages.market_data import BookSnapshot, TradePrinted
from pmcore.model.errors import MalformedInputError
from pmcore.model.market import Outcome, Protocol, Window
from pmcore.venue.encode import book_frame as written_book
from pmcore.venue.encode import rest_book, to_text, trade_book_frame
from pmcore.venue.market_frames import MarketFrameParser
from pmsim.queue.model import QueueModel
from pmsim.recordings import bytes as recording_bytes
from pmsim.recordings import reader as recordings_module
from pmsim.recordings.reader import RawFrame, Recording, RecordingFormat
from support.builders import CONDITION, DOWN_TOKEN, T0_NS, T0_S, UP_TOKEN, window
from support.frames import STAMP, book_frame, change_frame, entry, text
from support.venue_books import ASKS, BIDS

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


def lines(*rows: Any) -> bytes:
    return b"".join(
        (row if isinstance(row, str) else json.dumps(row)).encode() + b"\n" for row in rows
    )


def recording(tmp_path: Path, content: bytes, name: str = "some.jsonl") -> Recording:
    path = tmp_path / name
    path.write_bytes(content)
    return Recording(path)


def read(
    tmp_path: Path, content: bytes, name: str = "some.jsonl"
) -> tuple[list[RawFrame], Recording]:
    opened = recording(tmp_path, content, name)
    return list(opened.frames()), opened


BOOK = text(book_frame())
ROW = {"recv": T0_S, "raw": BOOK}


@pytest.mark.parametrize(
    ("row", "recv_ns"),
    [
        ({"recv": T0_S + 0.25, "raw": BOOK}, T0_NS + 250_000_000),
        (
            {"recv_wall_ts": T0_S * 1000 + 7, "source": "polymarket_clob", "payload": BOOK},
            T0_NS + 7_000_000,
        ),
        ({"recv_wall_ts": T0_S * 1000 + 0.5, "payload": BOOK}, T0_NS + 500_000),
        ({"receivedAt": "2026-09-30T11:15:00.5Z", "payloadUtf8": BOOK}, T0_NS + 500_000_000),
        ({"capturedAt": "2026-09-30T11:15:00Z", "raw": book_frame()}, T0_NS),
        ({"recv_ns": T0_NS + 1, "slug": SLUG, "raw": BOOK}, T0_NS + 1),
        ({"raw": BOOK}, T0_NS + 123_000_000),
        (book_frame(), T0_NS + 123_000_000),
        ([book_frame()], T0_NS + 123_000_000),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.ZstdCompressor().compress])
def test_every_envelope_and_packing(tmp_path: Path, row: Any, recv_ns: int, pack: Any) -> None:
    (frame,), opened = read(tmp_path, pack(lines(row)))
    assert frame.recv_ns == recv_ns
    assert opened.unusable == {}
    decoded = json.loads(frame.raw)
    assert (decoded[0] if isinstance(decoded, list) else decoded) == book_frame()


def test_bad_lines_are_counted_and_the_good_ones_read(tmp_path: Path) -> None:
    frames, opened = read(
        tmp_path,
        lines(
            ROW,
            "{not json",
            "",
            {"source": "binance", "payload": "{}"},
            {"something": "else"},
            "7",
            {"raw": '{"no": "time"}'},
            {"raw": "PONG"},
            {"recv": "tomorrow", "raw": BOOK},
            {"recv": T0_S + 8 * 86_400, "raw": BOOK},
            ROW,
        ),
    )
    assert len(frames) == 2
    assert opened.unusable == {
        "bad_json": 2,
        "no_frame": 2,
        "no_time": 1,
        "bad_timestamp": 1,
        "bad_time": 1,
    }
    assert opened.samples[0].reason == "bad_json"


def test_receive_times_never_run_backwards(tmp_path: Path) -> None:
    frames, opened = read(
        tmp_path, lines({"recv": T0_S + 1, "raw": "PONG"}, {"recv": T0_S, "raw": "PONG"})
    )
    assert [frame.recv_ns for frame in frames] == [T0_NS + 10**9] * 2
    assert opened.clamped == 1


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_a_truncated_file_is_read_as_far_as_it_goes(tmp_path: Path, pack: Any) -> None:
    rows = [
        {"recv": T0_S + n, "raw": text(book_frame(hash=f"{n * 7919:040x}"))} for n in range(5_000)
    ]
    whole = pack(lines(*rows))
    frames, opened = read(tmp_path, whole[: len(whole) * 3 // 4])
    assert 100 < len(frames) < 5_000
    assert set(opened.unusable) <= {"truncated", "bad_json"}


def test_a_truncated_gzip_is_counted(tmp_path: Path) -> None:
    whole = gzip.compress(lines(*[{"recv": T0_S + n, "raw": "PONG"} for n in range(50_000)]))
    _, opened = read(tmp_path, whole[:-1_000])
    assert opened.unusable["truncated"] == 1


@pytest.mark.parametrize("tail", [b"", b"\n" + lines(ROW)])
def test_a_line_of_endless_length_costs_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tail: bytes
) -> None:
    monkeypatch.setattr(recording_bytes, "MAX_RECORD_BYTES", 1_000_000)
    frames, opened = read(tmp_path, lines(ROW) + b'{"raw":"' + b"x" * 3_000_000 + tail)
    assert len(frames) == 1 + bool(tail)
    assert opened.unusable == {"too_large": 1}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty_file"),
        (b" \n\n", "empty_file"),
        (gzip.compress(b"", mtime=0), "empty_file"),
        (b"\x1f\x8bx", "truncated"),
    ],
)
def test_a_file_with_nothing_in_it_is_one_clear_error(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    with pytest.raises(MalformedInputError) as caught:
        recording(tmp_path, content)
    assert caught.value.reason == reason


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_a_file_that_cannot_be_opened_is_one_clear_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(MalformedInputError, match="cannot_open"):
        Recording(tmp_path / name)


def test_a_file_without_any_book_is_one_clear_error(tmp_path: Path) -> None:
    opened = recording(
        tmp_path, lines({"recv": T0_S, "raw": "PONG"}, "x", {"recv": T0_S, "raw": "{}"})
    )
    with pytest.raises(MalformedInputError, match="no_frames"):
        opened.windows()


def hashed(**changes: Any) -> str:
    fields: dict[str, Any] = {
        "bids": BIDS,
        "asks": ASKS,
        "ts_event_ns": T0_NS,
        "tick_e4": 100,
        "last_trade": "0.500",
    }
    return to_text(written_book(CENT, Outcome.UP, **{**fields, **changes}))


def test_what_a_hash_proves_is_not_inferred(tmp_path: Path) -> None:
    (found,) = recording(
        tmp_path,
        lines(
            {"recv": T0_S, "raw": hashed()},
            {"recv": T0_S + 60, "raw": text(change_frame(entry(asset_id=DOWN_TOKEN)))},
        ),
    ).windows()
    assert found == msgspec.structs.replace(
        CENT,
        series="recorded",
        slug="recorded-" + CONDITION[2:14],
        open_ns=T0_NS,
        close_ns=T0_NS + 60 * 10**9,
        inferred=("up_token_id", "down_token_id", "open_ns", "close_ns", "slug", "series"),
    )


@pytest.mark.parametrize("told", [True, False])
def test_minimum_size_neg_risk_and_protocol_are_found_by_the_hash(
    tmp_path: Path, told: bool
) -> None:
    odd = msgspec.structs.replace(CENT, min_size_u6=15_000_000, neg_risk=True, protocol=Protocol.V2)
    write = rest_book if told else written_book
    frame = write(
        odd, Outcome.UP, bids=BIDS, asks=ASKS, ts_event_ns=T0_NS, tick_e4=10, last_trade=""
    )
    (found,) = recording(tmp_path, lines({"recv": T0_S, "raw": frame})).windows()
    assert (found.min_size_u6, found.neg_risk, found.protocol, found.tick_e4) == (
        15_000_000,
        True,
        Protocol.V2,
        10,
    )
    assert "tick_e4" not in found.inferred


def test_a_book_after_a_trade_proves_as_much(tmp_path: Path) -> None:
    frame = trade_book_frame(
        CENT, Outcome.UP, bids=BIDS, asks=ASKS, ts_event_ns=T0_NS, tick_e4=10, last_trade="0.512"
    )
    (found,) = recording(tmp_path, lines({"recv": T0_S, "raw": frame})).windows()
    assert found.tick_e4 == 10


def test_what_nothing_proves_is_inferred(tmp_path: Path) -> None:
    rows = lines(
        {"recv": T0_S, "raw": BOOK}, {"recv": T0_S, "raw": '{"market":"0x1","asset_id":"5"}'}
    )
    (found,) = recording(tmp_path, rows, f"{SLUG}.jsonl").windows()
    assert {"tick_e4", "min_size_u6", "neg_risk"} <= set(found.inferred)
    (found,) = recording(tmp_path, lines({"recv": T0_S, "raw": BOOK}), f"x_{SLUG}.jsonl").windows()
    assert (found.slug, found.series, found.open_ns, found.close_ns) == (
        SLUG,
        "btc-15m",
        T0_NS,
        T0_NS + 900 * 10**9,
    )
    assert found.down_token_id.isdigit()


def test_the_row_may_name_the_slug(tmp_path: Path) -> None:
    (found,) = recording(tmp_path, lines({"recv": T0_S, "slug": SLUG, "raw": BOOK})).windows()
    assert found.slug == SLUG


def test_a_long_recording_is_scanned_for_its_last_time_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings_module, "_FRAMES_SCANNED", 1)
    rows = lines({"recv": T0_S, "raw": BOOK}, {"recv": T0_S + 99, "raw": "PONG"})
    (found,) = recording(tmp_path, rows).windows()
    assert found.close_ns == T0_NS + 99 * 10**9


def test_a_window_given_by_the_caller_counts_for_its_market(tmp_path: Path) -> None:
    path = tmp_path / "two.jsonl"
    other = book_frame(market="0x" + "cd" * 32)
    path.write_bytes(lines({"recv": T0_S, "raw": BOOK}, {"recv": T0_S, "raw": text(other)}))
    first, second = Recording(path, [CENT]).windows()
    assert first == CENT
    assert second.inferred


def test_our_recorders_metadata_lies_beside_its_file(tmp_path: Path) -> None:
    (tmp_path / f"{SLUG}.market.json").write_text(json.dumps(SHORT_FORM))
    row = {"recv_ns": T0_NS, "slug": SLUG, "raw": BOOK}
    packed = zstandard.ZstdCompressor().compress(lines(row))
    for name in (f"{SLUG}.jsonl.zst", f"{SLUG}.0001.jsonl.zst"):
        assert recording(tmp_path, packed + packed, name).windows() == (CENT,)
    (tmp_path / f"{SLUG}.market.json").write_text("{")
    opened = recording(tmp_path, packed, f"{SLUG}.jsonl.zst")
    assert opened.windows()[0].inferred
    assert opened.unusable == {"bad_json": 1}


def test_metadata_may_stand_in_the_first_line(tmp_path: Path) -> None:
    opened = recording(tmp_path, lines({"market": SHORT_FORM}, ROW))
    assert opened.windows() == (CENT,)
    assert len(list(opened.frames())) == 1


def test_frames_between_semicolons(tmp_path: Path) -> None:
    content = f"[{BOOK}];;{BOOK};;\nPONG;;[]\n;;".encode()
    frames, opened = read(tmp_path, content, "frames.txt")
    assert opened.format is RecordingFormat.TEXT
    assert [frame.recv_ns for frame in frames] == [int(STAMP) * 10**6] * 2
    assert opened.unusable == {"bad_json": 1, "no_time": 1}
    assert opened.windows()[0].condition_id == CONDITION


def test_a_first_frame_longer_than_a_read_does_not_hide_the_format(tmp_path: Path) -> None:
    levels = [{"price": f"0.{n:03d}", "size": str(n * 7919 % 1009)} for n in range(1, 400)]
    first = text(book_frame(bids=levels, asks=levels))
    frames, opened = read(tmp_path, gzip.compress(f"{first};;{BOOK};;".encode() * 30))
    assert opened.format is RecordingFormat.TEXT
    assert len(frames) == 60


def test_a_file_torn_in_its_first_bytes_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    rows = [{"recv": T0_S + n, "raw": f"{n * 7919:040x}"} for n in range(1_000)]
    frames, opened = read(tmp_path, gzip.compress(lines(*rows))[:-500])
    assert 0 < len(frames) < 1_000
    assert opened.unusable["truncated"] == 1


MARKET_LINE = {
    "market": {
        "market_id": CONDITION,
        "slug": SLUG,
        "start_ts": T0_S * 1000,
        "end_ts": (T0_S + 900) * 1000,
    }
}


def parsed(opened: Recording, target: Window) -> list[Any]:
    parser = MarketFrameParser(target)
    messages = [
        message
        for frame in opened.frames()
        for message in parser.parse(frame.raw, ts_recv_ns=frame.recv_ns)
    ]
    assert parser.unusable == {}
    return messages


def test_books_once_a_second(tmp_path: Path) -> None:
    row = {
        "ts": T0_S * 1000 + 5,
        "side": "DOWN",
        "bids": [[0.5, 5.5600000000000005], [0.49, 75]],
        "asks": [[0.51, 1.0]],
    }
    bad = [
        {**row, "side": "SIDEWAYS"},
        {**row, "bids": [[0.5]]},
        {**row, "ts": None},
        [],
    ]
    opened = recording(tmp_path, lines(MARKET_LINE, row, *bad))
    assert opened.format is RecordingFormat.BOOKS_1HZ
    (found,) = opened.windows()
    assert (found.slug, found.condition_id, found.open_ns) == (SLUG, CONDITION, T0_NS)
    (message,) = parsed(opened, found)
    assert isinstance(message, BookSnapshot)
    assert (message.outcome, message.bids, message.asks, message.hash) == (
        Outcome.DOWN,
        ((4900, 75_000_000), (5000, 5_560_000)),
        ((5100, 1_000_000),),
        "",
    )
    assert opened.unusable == {"bad_side": 1, "bad_shape": 1, "bad_timestamp": 1, "no_frame": 1}
    given = Recording(opened.path, [CENT])
    assert given.windows() == (CENT,)
    assert len(parsed(given, CENT)) == 1


def test_flicker_of_a_level_in_sampled_books_fills_nothing(tmp_path: Path) -> None:
    """100, 60, 100, 60 shares before us, and an ask that never moves: nobody traded."""
    flicker = [
        {
            "ts": T0_S * 1000 + 1_000 * second,
            "side": "UP",
            "bids": [[0.48, 60.0 if second % 2 else 100.0], [0.47, 50.0]],
            "asks": [[0.52, 30.0]],
        }
        for second in range(20)
    ]
    opened = recording(tmp_path, lines(MARKET_LINE, *flicker))
    (found,) = opened.windows()
    queue = QueueModel(found)
    fills = []
    for number, message in enumerate(parsed(opened, found)):
        fills += queue.on_market(message)
        if number == 0:
            queue.add("a", Outcome.UP, 4800, 5_000_000, message.ts_recv_ns)
    assert fills == []
    assert queue.ahead_u6("a") == 60_000_000


def caio(tmp_path: Path, **parts: Any) -> Path:
    path = tmp_path
    for part, rows in parts.items():
        path = tmp_path / f"caio_{SLUG}_{part}.json.gz"
        path.write_bytes(gzip.compress(json.dumps(rows, indent=1).encode()))
    return path


def caio_book(offset_ms: int, **changes: Any) -> dict[str, Any]:
    return {
        "bids": [{"price": "0.48", "size": "2"}],
        "asks": [{"price": "0.52", "size": "3"}],
        "local_timestamp": str(T0_S * 1000 + offset_ms),
        "timestamp": str(T0_S * 1000),
        "asset_price": 1.5,
        **changes,
    }


def caio_trade(offset_ms: int) -> dict[str, Any]:
    return {
        "price": "0.57",
        "size": "1.754383",
        "side": "sell",
        "local_timestamp": str(T0_S * 1000 + offset_ms),
        "timestamp": str(T0_S * 1000),
    }


def test_four_files_are_one_recording_in_order_of_arrival(tmp_path: Path) -> None:
    caio(
        tmp_path,
        orderbooks_up=[caio_book(30), caio_book(10), "junk"],
        orderbooks_down=[caio_book(20)],
        trades_up=[caio_trade(15), {**caio_trade(40), "size": "-1"}],
    )
    path = tmp_path / f"caio_{SLUG}_orderbooks_down.json.gz"
    opened = Recording(path)
    assert opened.format is RecordingFormat.CAIO
    (found,) = opened.windows()
    messages = parsed(opened, found)
    assert [(type(message), message.outcome) for message in messages] == [
        (BookSnapshot, Outcome.UP),
        (TradePrinted, Outcome.UP),
        (BookSnapshot, Outcome.DOWN),
        (BookSnapshot, Outcome.UP),
    ]
    assert messages[1].size_u6 == 1_754_383
    assert messages[1].ts_recv_ns == T0_NS + 15_000_000
    assert opened.unusable == {"no_frame": 1, "bad_size": 1}
    books = WindowBooks(found)
    for message in messages:
        books.apply(message)
    assert books.counters.books_unverifiable == 3


def test_a_broken_sibling_is_counted(tmp_path: Path) -> None:
    path = caio(tmp_path, orderbooks_up=[caio_book(1)])
    path.with_name(path.name.replace("orderbooks", "trades")).write_bytes(b"{")
    opened = Recording(path)
    assert len(list(opened.frames())) == 1
    assert opened.unusable == {"bad_json": 1}


def test_four_files_without_a_slug_in_their_name_need_a_market(tmp_path: Path) -> None:
    path = tmp_path / "mine_orderbooks_up.json"
    path.write_text(json.dumps([caio_book(1)]))
    with pytest.raises(MalformedInputError, match="no_market"):
        Recording(path).windows()
    assert len(parsed(Recording(path, [CENT]), CENT)) == 1


def test_a_frame_that_only_looks_like_an_event_makes_no_market(tmp_path: Path) -> None:
    rows = lines(
        {"recv": T0_S, "raw": '{"event_type":["x"],"market":"0x1"}'},
        {"recv": T0_S, "raw": '{"event_type":"book","bids":[],"asks":[]}'},
        {"recv": T0_S, "raw": text(change_frame("x", entry(), market="0x2"))},
        {"recv": T0_S, "raw": BOOK},
    )
    (found,) = recording(tmp_path, rows).windows()
    assert found.condition_id == CONDITION


def test_a_slug_that_is_none_is_not_taken(tmp_path: Path) -> None:
    rows = [{**ROW, "slug": slug} for slug in ("../../etc/passwd", "btc-updown-15m", SLUG)]
    assert recording(tmp_path, lines(*rows)).windows()[0].slug == SLUG


def test_stray_tokens_and_markets_take_nobodys_place(tmp_path: Path) -> None:
    stray = {"recv": T0_S, "slug": SLUG, "raw": text(book_frame(asset_id="77"))}
    foreign = {"recv": T0_S, "slug": SLUG, "raw": text(book_frame(market="0x" + "cd" * 32))}
    up = {"recv": T0_S, "slug": SLUG, "raw": BOOK}
    down = {"recv": T0_S, "slug": SLUG, "raw": text(book_frame(asset_id=DOWN_TOKEN))}
    (found,) = recording(tmp_path, lines(foreign, stray, up, down, up, down)).windows()
    assert (found.condition_id, found.up_token_id, found.down_token_id) == (
        CONDITION,
        UP_TOKEN,
        DOWN_TOKEN,
    )
    opened = Recording(
        tmp_path / "some.jsonl", [msgspec.structs.replace(CENT, condition_id="0x" + "cd" * 32)]
    )
    assert [given.condition_id for given in opened.windows()] == ["0x" + "cd" * 32]
