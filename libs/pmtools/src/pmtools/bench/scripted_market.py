"""A recording whose books move by a script, for the simulator to play to the real services.

In each window Up's only bid, which is Down's only ask, goes and comes back in turn. Without it
nothing may rest, so one frame makes the strategy cancel both bids, and the next one place both.
In a still market only Up's worst ask changes, so that the books stay fresh. Nobody trades. Each
change carries the hash of its book, as the venue's do.
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
STILL_NS = NS_PER_S
_TICK_E4 = 100
_BIDS = [(4_900, 50_000_000)]
_ASKS = [(8_000 - 100 * step, 70_000_000 - 1_000_000 * step) for step in range(30)]
"""Of Up, worst first."""


def scripted_windows(count: int) -> list[Window]:
    """Windows of half an hour of `count` series, all open at one time."""
    return [_window(f"bench{number}-updown-30m", number) for number in range(count)]


def write_script(path: Path, windows: Sequence[Window], moves: int, *, still: bool = False) -> Path:
    """Write the recording: all books at the opening, then `moves` frames of each window."""
    path.write_text("".join(f"{to_text(row)}\n" for row in _rows(windows, moves, still=still)))
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


def _rows(windows: Sequence[Window], moves: int, *, still: bool) -> Iterator[dict[str, object]]:
    for window in windows:
        for outcome in Outcome:
            bids, asks = _book(outcome, _BIDS, _ASKS)
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
            at_ns = FIRST_MOVE_NS + number * (STILL_NS if still else MOVE_NS)
            move = _worst_ask_changes if still else _only_bid_moves
            yield _row(window, at_ns, move(window, at_ns, back=number % 2 == 1))


def _row(window: Window, at_ns: int, frame: object) -> dict[str, object]:
    return {"recv_ns": at_ns, "slug": window.slug, "raw": to_text(frame)}


def _only_bid_moves(window: Window, at_ns: int, *, back: bool) -> object:
    price_e4, size_u6 = _BIDS[0]
    change = LevelChange(Outcome.UP, BookSide.BID, price_e4, size_u6 if back else 0)
    return _frame(window, at_ns, change, _BIDS if back else [], _ASKS)


def _worst_ask_changes(window: Window, at_ns: int, *, back: bool) -> object:
    price_e4, size_u6 = _ASKS[0]
    size_u6 += 0 if back else 1_000_000
    change = LevelChange(Outcome.UP, BookSide.ASK, price_e4, size_u6)
    return _frame(window, at_ns, change, _BIDS, [(price_e4, size_u6), *_ASKS[1:]])


def _frame(
    window: Window,
    at_ns: int,
    of_up: LevelChange,
    up_bids: Sequence[Level],
    up_asks: Sequence[Level],
) -> object:
    """One change of Up's book, with its mirror in Down's, and both books' hashes after it."""
    changes = []
    for change in (of_up, mirrored_change(of_up)):
        bids, asks = _book(change.outcome, up_bids, up_asks)
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


def _book(
    outcome: Outcome, up_bids: Sequence[Level], up_asks: Sequence[Level]
) -> tuple[list[Level], list[Level]]:
    """Bids and asks of an outcome, worst first, from those of Up."""
    if outcome is Outcome.UP:
        return list(up_bids), list(up_asks)
    return _mirrored(up_asks), _mirrored(up_bids)


def _mirrored(levels: Sequence[Level]) -> list[Level]:
    return [(complement_e4(price_e4), size_u6) for price_e4, size_u6 in levels]
