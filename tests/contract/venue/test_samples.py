"""The venue's own frames and answers, as others recorded or documented them."""

from __future__ import annotations

import gzip
import json
from typing import Any

import msgspec
import pytest

from pmcore.machines.book import WindowBooks
from pmcore.machines.book_hash import book_hash
from pmcore.messages.market_data import BookSnapshot
from pmcore.messages.user import FillReported, OrderUpdated, TradeStatus
from pmcore.model.errors import Reason
from pmcore.model.market import Outcome, Protocol, Window
from pmcore.model.units import parse_price_e4, parse_qty_u6
from pmcore.venue.fields import time_ns_of
from pmcore.venue.listings import parse_clob_market, parse_gamma_market, winner_of
from pmcore.venue.market_frames import MarketFrameParser
from pmcore.venue.rest_models import (
    classify_error,
    parse_book,
    parse_cancel_response,
    parse_open_orders_page,
    parse_post_order_response,
)
from pmcore.venue.user_frames import UserFrameParser
from support.builders import window
from support.recordings import recording, venue_sample

pytestmark = pytest.mark.recordings


def load(name: str) -> Any:
    return json.loads(venue_sample(name).read_text())


def levels(objects: list[dict[str, str]]) -> list[tuple[int, int]]:
    return [(parse_price_e4(level["price"]), parse_qty_u6(level["size"])) for level in objects]


def window_of(book: dict[str, Any], *, outcome: Outcome = Outcome.UP) -> Window:
    tokens = {outcome: book["asset_id"], outcome.complement: "0"}
    return msgspec.structs.replace(
        window(tick=book.get("tick_size", "0.01")),
        condition_id=book["market"],
        up_token_id=tokens[Outcome.UP],
        down_token_id=tokens[Outcome.DOWN],
        protocol=Protocol(book.get("version", "v1")),
    )


def test_every_hash_vector_reproduces() -> None:
    vectors = load("vectors_book_hash.json")["vectors"]
    assert len(vectors) >= 7
    for vector in vectors:
        fields = vector["preimage_fields_in_order"]
        assert (
            book_hash(
                window_of(fields),
                Outcome.UP,
                ts_event_ns=time_ns_of(fields["timestamp"]),
                bids=levels(fields["bids"]),
                asks=levels(fields["asks"]),
                tick_e4=parse_price_e4(fields["tick_size"]),
                last_trade=fields["last_trade_price"],
            )
            == vector["sha1"]
        ), vector["name"]


@pytest.mark.parametrize("name", ["ws_market_book_protocol_v2.json", "ws_market_book_initial.json"])
def test_recorded_books_verify(name: str) -> None:
    for book in load(name):
        target = window_of(book)
        books = WindowBooks(target)
        for message in MarketFrameParser(target).parse(json.dumps(book), ts_recv_ns=1):
            assert isinstance(message, BookSnapshot)
            books.apply(message)
        assert books.counters.books_verified == 1


@pytest.mark.parametrize("name", ["rest_book_v1_derived.json", "rest_book_protocol_v2.json"])
def test_rest_books_verify(name: str) -> None:
    book = load(name)
    books = WindowBooks(window_of(book))
    books.apply(parse_book(window_of(book), book, ts_recv_ns=1))
    assert books.counters.books_verified == 1


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("ws_market_tick_size_change.json", (1, 0)),
        ("ws_market_best_bid_ask.json", (0, 1)),
        ("ws_market_new_market.json", (0, 1)),
        ("ws_market_resolved.json", (0, 1)),
    ],
)
def test_other_market_events(name: str, counts: tuple[int, int]) -> None:
    frame = load(name)
    target = window_of({"asset_id": "1", **frame})
    parser = MarketFrameParser(target)
    parser.parse(json.dumps(frame), ts_recv_ns=1)
    assert (parser.events, parser.ignored) == counts
    assert parser.unusable == {}


def test_the_obsolete_price_change_is_not_guessed_at() -> None:
    frame = load("ws_market_price_change_pre2025_shape.json")
    parser = MarketFrameParser(window_of(frame))
    parser.parse(json.dumps(frame), ts_recv_ns=1)
    assert parser.unusable == {"obsolete_shape": 1}


def user(name: str, **who: str) -> list[OrderUpdated | FillReported]:
    parser = UserFrameParser(
        api_key=who.get("api_key", ""),
        maker_addresses=frozenset(filter(None, [who.get("wallet", "")])),
    )
    messages = parser.parse(venue_sample(name).read_text(), ts_recv_ns=1)
    assert parser.unusable == {}
    return messages


@pytest.mark.parametrize(
    ("name", "kind", "status"),
    [
        ("ws_user_order_placement.json", "placement", "live"),
        ("ws_user_order_update_synthetic.json", "update", "live"),
        ("ws_user_order_cancellation.json", "cancellation", "canceled"),
        ("ws_user_order_venue_cancel.json", "cancellation", "invalid"),
    ],
)
def test_order_events(name: str, kind: str, status: str) -> None:
    (message,) = user(name)
    assert isinstance(message, OrderUpdated)
    assert (message.kind, message.status) == (kind, status)


def test_a_killed_order_has_no_matched_size() -> None:
    (message,) = user("ws_user_order_fok_killed.json")
    assert isinstance(message, OrderUpdated)
    assert message.matched_u6 is None
    assert message.status.startswith("canceled_order couldn't be fully filled")


def test_the_mint_leg_is_ours_at_our_price() -> None:
    (fill,) = user(
        "ws_user_trade_maker_mint_mined.json", api_key="78132bc3-22af-6aa2-79ae-11929f821cae"
    )
    assert isinstance(fill, FillReported)
    assert (fill.price_e4, fill.size_u6, fill.status) == (4820, 10_000_000, TradeStatus.MINED)
    assert fill.token_id.startswith("4833")


def test_two_orders_of_one_wallet_in_one_trade() -> None:
    found = user(
        "ws_user_trade_maker_multi_confirmed.json",
        wallet="0xa3d82ed56f4c68d2328fb8c29e568ba2caf7d7c8",
    )
    assert [fill.price_e4 for fill in found] == [4000, 3000]


def test_a_trade_as_taker_is_a_fill_at_the_top_levels_price() -> None:
    (fill,) = user(
        "ws_user_trade_taker_matched.json", api_key="3e2c94ca-8124-c4c1-c7ea-be1ea21b71fe"
    )
    raw = load("ws_user_trade_taker_matched.json")
    assert isinstance(fill, FillReported)
    assert fill.order_hash == raw["taker_order_id"]
    assert fill.token_id == raw["asset_id"]
    assert fill.price_e4 == round(float(raw["price"]) * 10_000)
    assert fill.size_u6 == round(float(raw["size"]) * 1_000_000)


def test_gamma_listing() -> None:
    listed = parse_gamma_market(load("gamma_market_btc_updown_5m.json"))
    assert listed.slug == "btc-updown-5m-1773307200"
    assert (listed.tick_e4, listed.min_size_u6, listed.inferred) == (100, 5_000_000, ())


def test_a_day_of_gamma_listings_pairs_and_settles() -> None:
    (path,) = recording("rest/gamma_BTC-5m-markets-2026-06-08.jsonl.gz")
    with gzip.open(path, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    assert len(rows) == 292
    for row in rows:
        listed = parse_gamma_market(row["raw"])
        assert [listed.up_token_id, listed.down_token_id] == row["token_ids"]
        winner = Outcome.UP if row["outcome_prices"] == ["1", "0"] else Outcome.DOWN
        assert winner_of(row["raw"]) is winner


def test_documented_shapes() -> None:
    shapes = load("shapes_docs_derived.json")
    info = shapes["GET /clob-markets/{condition_id} (updown 5m/15m)"]
    assert parse_clob_market(info).taker_delay
    for name in ("resting", "matched (since 2026-07-24)", "delayed"):
        assert parse_post_order_response(shapes[f"POST /order {name}"]).reason is None
    entry = shapes["POST /orders entry rejected inside HTTP 200"]
    assert parse_post_order_response(entry).reason is Reason.POST_ONLY_CROSSES
    assert len(parse_open_orders_page(shapes["GET /data/orders"]).orders) == 1
    refusal = classify_error(503, shapes["HTTP 503 post-only mode"])
    assert (refusal.reason, refusal.retry_after_ms) == (Reason.POST_ONLY_MODE, 79_000)


def test_rest_answers() -> None:
    page = parse_open_orders_page(load("rest_open_orders_page_synthetic.json"))
    assert [order.status for order in page.orders] == ["live", "live"]
    batch = parse_cancel_response(load("rest_cancel_batch_synthetic.json"))
    assert len(batch.cancelled) == 2
    assert [reason for reason, _ in batch.not_cancelled.values()] == [Reason.ALREADY_MATCHED]
    assert parse_cancel_response(load("rest_cancel_ok_synthetic.json")).not_cancelled == {}
