"""A recording whose books move by a script, for the simulator to play to the real services.

In each window Up's only bid, which is Down's only ask, goes and comes back in turn. Without it
nothing may rest, so one frame makes the strategy cancel both bids, and the next one place both.
Nobody trades. Each change carries the hash of its book, as the venue's do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from pmcore.machines.book_hash import book_hash
from pmcore.messages.market_data import Level, LevelChange
from pmcore.model.market import BookSide, Outcome, Protocol, Window, parse_series
from pmcore.model.units import NS_PER_MS, NS_PER_S, complement_e4
from pmcore.venue.encode import book_frame, mirrored_change, price_change_frame, to_text

OPENED_S = 1_800_000_000  # a multiple of half an hour
OPENED_NS = OPENED_S * NS_PER_S
FIRST_MOVE_NS = OPENED_NS + NS_PER_S
MOVE_NS = 150 * NS_PER_MS
"""Between two frames; a cancel and its placing take two."""
_TICK_E4 = 100
_BID = (4_900, 50_000_000)
_ASKS = [(5_100 + 100 * step, 40_000_000 + 1_000_000 * step) for step in range(30)]


def scripted_windows(count: int) -> list[Window]:
    """Windows of half an hour of `count` series, all open at one time."""
    return [_window(f"bench{number}-updown-30m", number) for number in range(count)]


def write_script(path: Path, windows: Sequence[Window], moves: int) -> Path:
    """Write the recording: all books at the opening, then `moves` frames of each window."""
    path.write_text("".join(f"{to_text(row)}\n" for row in _rows(windows, moves)))
    return path


def _window(prefix: str, number: int) -> Window:
    return Window(
        series=parse_series(prefix).series,
        slug=f"{prefix}-{OPENED_S}",
        condition_id=f"0x{number + 1:064x}",
        up_token_id=str(31 * 10**70 + number),
        down_token_id=str(42 * 10**70 + number),
        open_ns=OPENED_NS,
        close_ns=OPENED_NS + 1_800 * NS_PER_S,
        tick_e4=_TICK_E4,
        min_size_u6=5_000_000,
        protocol=Protocol.V1,
    )


def _rows(windows: Sequence[Window], moves: int) -> Iterator[dict[str, object]]:
    for window in windows:
        for outcome in Outcome:
            bids, asks = _book(outcome, bid=True)
            frame = book_frame(
                window,
                outcome,
                bids=bids,
                asks=asks,
                ts_event_ns=OPENED_NS,
                tick_e4=_TICK_E4,
                last_trade="",
            )
            yield _row(window, OPENED_NS, frame)
    for number in range(moves):
        for window in windows:
            at_ns = FIRST_MOVE_NS + number * MOVE_NS
            yield _row(window, at_ns, _move(window, at_ns, bid=number % 2 == 1))


def _row(window: Window, at_ns: int, frame: object) -> dict[str, object]:
    return {"recv_ns": at_ns, "slug": window.slug, "raw": to_text(frame)}


def _move(window: Window, at_ns: int, *, bid: bool) -> object:
    """Up's bid comes or goes: one frame, an entry for each outcome."""
    size_u6 = _BID[1] if bid else 0
    of_up = LevelChange(Outcome.UP, BookSide.BID, _BID[0], size_u6)
    changes = []
    for change in (of_up, mirrored_change(of_up)):
        bids, asks = _book(change.outcome, bid=bid)
        hashed = book_hash(
            window,
            change.outcome,
            ts_event_ns=at_ns,
            bids=bids,
            asks=asks,
            tick_e4=_TICK_E4,
            last_trade="",
        )
        best_bid_e4, best_ask_e4 = (bids[-1][0] if bids else None), (asks[-1][0] if asks else None)
        changes.append(
            msgspec.structs.replace(
                change, hash=hashed, best_bid_e4=best_bid_e4, best_ask_e4=best_ask_e4
            )
        )
    return price_change_frame(window, changes, ts_event_ns=at_ns)


def _book(outcome: Outcome, *, bid: bool) -> tuple[list[Level], list[Level]]:
    """Bids and asks of an outcome, worst first."""
    bids, asks = ([_BID] if bid else []), sorted(_ASKS, reverse=True)
    if outcome is Outcome.UP:
        return bids, asks
    return _mirrored(asks), _mirrored(bids)


def _mirrored(levels: Sequence[Level]) -> list[Level]:
    return [(complement_e4(price_e4), size_u6) for price_e4, size_u6 in levels]
