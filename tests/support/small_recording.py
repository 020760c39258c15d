"""A small recording of our own: one window, hashed books of both outcomes, trades with prints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pmcore.model.market import Outcome, TakerSide, Window
from pmcore.model.units import NS_PER_S, complement_e4
from pmcore.venue.encode import book_frame, trade_book_frame, trade_frame

OPEN_S = 1_790_000_100
SLUG = f"btc-updown-5m-{OPEN_S}"

Levels = list[tuple[int, int]]


def recorded_window() -> Window:
    return Window(
        series="btc-5m",
        slug=SLUG,
        condition_id="0x" + "cd" * 32,
        up_token_id="31" * 20,
        down_token_id="42" * 20,
        open_ns=OPEN_S * NS_PER_S,
        close_ns=(OPEN_S + 300) * NS_PER_S,
        tick_e4=100,
        min_size_u6=5_000_000,
    )


def _books(mid_e4: int) -> dict[Outcome, tuple[Levels, Levels]]:
    bids = [(mid_e4 - step * 100, step * 20_000_000) for step in (1, 2, 3)]
    asks = [(mid_e4 + step * 100, step * 25_000_000) for step in (1, 2, 3)]
    return {
        Outcome.UP: (bids, asks),
        Outcome.DOWN: (
            [(complement_e4(price), size) for price, size in asks],
            [(complement_e4(price), size) for price, size in bids],
        ),
    }


def rows(*, seconds: int = 40, sold_u6: int = 150_000_000) -> Iterator[dict[str, Any]]:
    """Lines as a recorder writes them: books each second, every fifth after a trade."""
    window, last_trade = recorded_window(), ""
    for second in range(seconds):
        at_ns = window.open_ns + second * NS_PER_S
        books = _books(5_000 + 100 * (second // 10 % 3))
        traded = second % 5 == 4
        if traded:
            last_trade = "0.470"
        for outcome, (bids, asks) in books.items():
            write = trade_book_frame if traded else book_frame
            yield _row(
                at_ns,
                write(
                    window,
                    outcome,
                    bids=bids,
                    asks=asks,
                    ts_event_ns=at_ns,
                    tick_e4=100,
                    last_trade=last_trade,
                ),
            )
        if traded:
            for outcome in Outcome:
                yield _row(
                    at_ns + 35_000_000,
                    trade_frame(
                        window,
                        outcome,
                        taker_side=TakerSide.SELL,
                        price_e4=4_700,
                        size_u6=sold_u6,
                        ts_event_ns=at_ns,
                        transaction_hash=f"0x{second:064x}",
                    ),
                )


def _row(at_ns: int, frame: dict[str, Any]) -> dict[str, Any]:
    return {"recv": at_ns / NS_PER_S, "slug": SLUG, "raw": json.dumps(frame)}


def write_recording(path: Path, *, seconds: int = 40, sold_u6: int = 150_000_000) -> Path:
    lines = (json.dumps(row) + "\n" for row in rows(seconds=seconds, sold_u6=sold_u6))
    path.write_text("".join(lines))
    return path


def market_object() -> dict[str, Any]:
    """The small form of a market's metadata."""
    window = recorded_window()
    return {
        "slug": window.slug,
        "conditionId": window.condition_id,
        "upTokenId": window.up_token_id,
        "downTokenId": window.down_token_id,
        "startTs": OPEN_S,
        "endTs": OPEN_S + 300,
        "tickSize": "0.01",
        "minOrderSize": "5",
    }
