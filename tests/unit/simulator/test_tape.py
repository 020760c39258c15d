"""What is kept of the public trades."""

from __future__ import annotations

import json

from pmsim.venue.ports import MarketFrame, OrderSide
from pmsimulator.tape import KEPT_MARKETS, KEPT_PRINTS, PublicTape


def frame(market: str = "0xc", **fields: object) -> MarketFrame:
    text = json.dumps(
        {
            "event_type": "last_trade_price",
            "market": market,
            "asset_id": "up",
            "price": "0.45",
            "size": "10",
            "side": "BUY",
            **fields,
        }
    )
    return MarketFrame(at_ns=7, condition_id=market, token_ids=("up", "down"), text=text)


def test_a_trade_is_seen_from_both_tokens() -> None:
    tape = PublicTape()
    tape.hear(frame())
    last = tape.last("0xc")
    assert last is not None
    assert last.seen_from("up") == (4_500, OrderSide.BUY)
    assert last.seen_from("down") == (5_500, OrderSide.SELL)
    assert tape.last("0xd") is None


def test_volume_is_in_cash_and_the_newest_comes_first() -> None:
    tape = PublicTape()
    tape.hear(frame())
    tape.hear(frame(price="0.50", size="2", side="SELL"))
    tape.hear(frame(market="0xd"))
    assert tape.volume_u6("0xc") == 5_500_000
    assert [one.price_e4 for one in tape.prints("0xc")] == [5_000, 4_500]
    assert len(tape.prints()) == 3
    assert tape.volume_u6("0xe") == 0


def test_other_frames_and_unreadable_ones_are_passed_over() -> None:
    tape = PublicTape()
    tape.hear(frame(event_type="book", last_trade_price="0.4"))
    tape.hear(frame(price="much"))
    tape.hear(frame(side="HOLD"))
    book = MarketFrame(
        at_ns=1, condition_id="0xc", token_ids=(), text='[{"last_trade_price":"0.5"}]'
    )
    tape.hear(book)
    assert tape.prints() == []


def test_it_keeps_a_bounded_number_of_prints_and_markets() -> None:
    tape = PublicTape()
    for number in range(KEPT_PRINTS + 3):
        tape.hear(frame(market=f"0x{number}"))
    assert len(tape.prints()) == KEPT_PRINTS
    assert tape.last("0x0") is None
    newest = KEPT_PRINTS + 2
    assert tape.last(f"0x{newest - KEPT_MARKETS + 1}") is not None
    assert tape.last(f"0x{newest - KEPT_MARKETS}") is None
