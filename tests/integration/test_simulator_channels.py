"""Both WebSockets of the running simulator, read as a client reads them."""

from __future__ import annotations

import json
import socket as socket_module
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from py_clob_client_v2 import ClobClient, OrderArgs
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from pmcore.machines.book import BookState, WindowBooks
from pmcore.messages.market_data import BookDelta, BookSnapshot, TickSizeChanged, TradePrinted
from pmcore.model.market import Outcome
from pmcore.venue.market_frames import MarketFrameParser
from pmsim.venue.accounts import AccountsParams
from support.running_venue import RunningVenue, synthetic_venue

pytestmark = pytest.mark.connected

MAKER_KEY = "0x" + "42" * 32
TAKER_KEY = "0x" + "43" * 32
PATIENCE_S = 30.0
FAST_DESK = AccountsParams(mined_delay_ms=200, confirmed_delay_ms=400)


@pytest.fixture
def venue() -> Iterator[RunningVenue]:
    with synthetic_venue(accounts=FAST_DESK) as running:
        yield running


def open_market(venue: RunningVenue) -> ClientConnection:
    return connect(f"ws://{venue.address}/ws/market", max_size=None, max_queue=None)


def small_socket(venue: RunningVenue) -> socket_module.socket:
    """A socket whose kernel buffers little, for a client that does not read."""
    host, port = venue.address.split(":")
    raw = socket_module.socket()
    raw.setsockopt(socket_module.SOL_SOCKET, socket_module.SO_RCVBUF, 4_096)
    raw.connect((host, int(port)))
    return raw


def send(socket: ClientConnection, **message: object) -> None:
    socket.send(json.dumps(message))


def receive(socket: ClientConnection) -> Any:
    text = socket.recv(timeout=PATIENCE_S)
    return text if text == "PONG" else json.loads(text)


def receive_until(socket: ClientConnection, wanted: Any) -> list[Any]:
    """Frames up to and with the first that is wanted; a quiet socket fails the test."""
    seen = []
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        seen.append(receive(socket))
        if wanted(seen[-1]):
            return seen
    raise AssertionError(f"not among {len(seen)} frames")


def barrier(socket: ClientConnection) -> list[Any]:
    """Everything that was queued before the answer to a PING."""
    socket.send("PING")
    return receive_until(socket, lambda frame: frame == "PONG")[:-1]


@contextmanager
def join(venue: RunningVenue, client: ClobClient, **more: object) -> Iterator[ClientConnection]:
    """A user channel that is known to be subscribed."""
    creds = client.creds
    auth = {
        "apiKey": creds.api_key,
        "secret": creds.api_secret,
        "passphrase": creds.api_passphrase,
    }
    with connect(f"ws://{venue.address}/ws/user") as socket:
        send(socket, type="user", auth=auth, **more)
        assert barrier(socket) == []
        yield socket


def buy(client: ClobClient, token_id: str, price: float, size: int, **options: Any) -> Any:
    args = OrderArgs(token_id=token_id, price=price, size=size, side="BUY")
    return client.create_and_post_order(args, defer_exec=True, **options)


def test_the_dump_and_every_change_verify_for_a_while() -> None:
    with synthetic_venue(speed=60.0) as venue, open_market(venue) as socket:
        window = venue.window(venue.slug)
        send(socket, type="market", assets_ids=[window.up_token_id, window.down_token_id])
        parser, books = MarketFrameParser(window), WindowBooks(window, search_last_trade=True)
        trades = 0
        while trades < 5 or books.counters.change_hashes_verified < 500:
            raw = socket.recv(timeout=PATIENCE_S)
            for event in parser.parse(raw, ts_recv_ns=1):
                if isinstance(event, BookSnapshot | BookDelta | TradePrinted | TickSizeChanged):
                    books.apply(event)
                trades += isinstance(event, TradePrinted)
        counters = books.counters
        assert parser.unusable == {}
        assert counters.books_verified >= 2 + 5
        wrong = (
            counters.books_mismatched,
            counters.books_unverifiable,
            counters.change_hashes_mismatched,
        )
        assert wrong == (0, 0, 0)
        assert books.state(Outcome.UP) is BookState.LIVE


def test_the_first_frame_is_one_array_with_a_newline(venue: RunningVenue) -> None:
    up, down = venue.tokens(venue.slug)
    with open_market(venue) as socket:
        send(socket, type="market", assets_ids=[up, down])
        text = socket.recv(timeout=PATIENCE_S)
        assert isinstance(text, str)
        assert text.endswith("]\n")
        dump = json.loads(text)
        assert [book["asset_id"] for book in dump] == [up, down]
        assert {book["event_type"] for book in dump} == {"book"}
        rest = httpx.get(f"{venue.url}/book", params={"token_id": up}).json()
        assert set(rest) - set(dump[0]) == {"min_order_size", "neg_risk"}


def test_changes_show_both_tokens_and_come_once(venue: RunningVenue) -> None:
    up, down = venue.tokens(venue.next_slug)
    maker = venue.client(MAKER_KEY)
    with open_market(venue) as socket:
        send(socket, type="market", assets_ids=[up, down])
        receive(socket)
        buy(maker, up, 0.4, 10, post_only=True)
        change = receive(socket)
        assert change["event_type"] == "price_change"
        entries = {entry["asset_id"]: entry for entry in change["price_changes"]}
        assert (entries[up]["side"], entries[up]["price"], entries[up]["size"]) == (
            "BUY",
            "0.4",
            "10",
        )
        assert (entries[down]["side"], entries[down]["price"]) == ("SELL", "0.6")
        assert barrier(socket) == []
        maker.cancel_all()
        assert receive(socket)["price_changes"][0]["size"] == "0"


def test_subscriptions_change_while_connected(venue: RunningVenue) -> None:
    first, second = venue.tokens(venue.next_slug)
    maker = venue.client(MAKER_KEY)
    with open_market(venue) as socket:
        send(socket, type="market", assets_ids=[], initial_dump=False)
        send(socket, operation="subscribe", assets_ids=[first])
        assert [book["asset_id"] for book in receive(socket)] == [first]
        send(socket, operation="subscribe", assets_ids=[first])
        assert barrier(socket) == []
        send(socket, operation="unsubscribe", assets_ids=[first, second])
        assert barrier(socket) == []
        buy(maker, first, 0.4, 10, post_only=True)
        assert barrier(socket) == []
        send(socket, operation="subscribe", assets_ids=[first])
        (book,) = receive(socket)
        assert book["bids"] == [{"price": "0.4", "size": "10"}]


def test_no_dump_on_request_and_nonsense_is_survived(venue: RunningVenue) -> None:
    up, _ = venue.tokens(venue.next_slug)
    with open_market(venue) as socket:
        for nonsense in ("", "{", "[]", '{"type":"weather"}', '{"assets_ids":7}'):
            socket.send(nonsense)
        send(socket, type="MARKET", assets_ids=[up, "77"], initial_dump=False)
        assert barrier(socket) == []
    audit = httpx.get(f"{venue.url}/audit").json()
    assert audit["unusable_requests"] == 5


def test_a_huge_subscription_closes_the_connection(venue: RunningVenue) -> None:
    with open_market(venue) as socket:
        send(socket, type="market", assets_ids=[str(n) for n in range(2_001)])
        with pytest.raises(ConnectionClosed):
            receive(socket)


def test_the_user_channel_wants_credentials(venue: RunningVenue) -> None:
    with connect(f"ws://{venue.address}/ws/user") as socket:
        send(socket, type="user", auth={"apiKey": "a", "secret": "b", "passphrase": "c"})
        with pytest.raises(ConnectionClosed) as closed:
            receive(socket)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


def test_orders_and_fills_reach_their_owners(venue: RunningVenue) -> None:
    maker, taker = venue.client(MAKER_KEY), venue.client(TAKER_KEY)
    up, down = venue.tokens(venue.next_slug)
    with join(venue, maker) as makers, join(venue, taker) as takers:
        order_id = buy(maker, up, 0.55, 10, post_only=True)["orderID"]
        placed = receive(makers)
        assert (placed["type"], placed["id"], placed["status"]) == ("PLACEMENT", order_id, "LIVE")
        trade_ids = buy(taker, down, 0.46, 6)["tradeIDs"]
        seen = receive_until(makers, lambda frame: frame.get("status") == "CONFIRMED")
        trades = [frame for frame in seen if frame["event_type"] == "trade"]
        assert [trade["status"] for trade in trades] == ["MATCHED", "MINED", "CONFIRMED"]
        assert {trade["id"] for trade in trades} == set(trade_ids)
        assert (trades[0]["asset_id"], trades[0]["side"]) == (down, "BUY")
        (entry,) = trades[0]["maker_orders"]
        assert (entry["order_id"], entry["asset_id"], entry["price"]) == (order_id, up, "0.55")
        (update,) = (frame for frame in seen if frame["event_type"] == "order")
        assert (update["type"], update["size_matched"]) == ("UPDATE", "6")
        mine = receive_until(takers, lambda frame: frame.get("status") == "CONFIRMED")
        assert {f.get("trader_side") for f in mine if f["event_type"] == "trade"} == {"TAKER"}
        maker.cancel_all()
        cancelled = receive(makers)
        assert (cancelled["type"], cancelled["size_matched"]) == ("CANCELLATION", "6")


def test_a_failed_trade_is_told_and_undone() -> None:
    with synthetic_venue(speed=20.0, accounts=AccountsParams(failed_ppm=1_000_000)) as venue:
        maker, taker = venue.client(MAKER_KEY), venue.client(TAKER_KEY)
        up, down = venue.tokens(venue.next_slug)
        with join(venue, maker) as socket:
            buy(maker, up, 0.55, 10, post_only=True)
            buy(taker, down, 0.45, 10)
            seen = receive_until(socket, lambda frame: frame.get("status") == "FAILED")
        statuses = [frame["status"] for frame in seen if frame["event_type"] == "trade"]
        assert statuses[0] == "MATCHED"
        audit = httpx.get(f"{venue.url}/audit").json()
        assert [account["positions"] for account in audit["accounts"]] == [{}, {}]


def test_markets_filter_the_user_channel(venue: RunningVenue) -> None:
    maker = venue.client(MAKER_KEY)
    wanted, other = venue.window(venue.next_slug), venue.window(venue.slug)
    with join(venue, maker, markets=[other.condition_id]) as socket:
        buy(maker, wanted.up_token_id, 0.4, 10, post_only=True)
        assert barrier(socket) == []
        send(socket, operation="subscribe", markets=[wanted.condition_id])
        assert barrier(socket) == []
        buy(maker, wanted.up_token_id, 0.41, 10, post_only=True)
        assert receive(socket)["price"] == "0.41"
        send(socket, operation="unsubscribe", markets=[wanted.condition_id])
        assert barrier(socket) == []
        maker.cancel_all()
        assert barrier(socket) == []


def test_a_missed_heartbeat_cancels_everything_of_the_key() -> None:
    with synthetic_venue(speed=20.0) as venue:
        quiet, alive = venue.client(MAKER_KEY), venue.client(TAKER_KEY)
        up, _ = venue.tokens(venue.next_slug)
        with join(venue, quiet) as socket:
            order_id = buy(quiet, up, 0.3, 10, post_only=True)["orderID"]
            kept = buy(alive, up, 0.29, 10, post_only=True)["orderID"]
            beat = quiet.post_heartbeat("")["heartbeat_id"]
            seen = receive_until(socket, lambda frame: frame["type"] == "CANCELLATION")
            assert seen[-1]["id"] == order_id
        assert quiet.get_open_orders() == []
        assert [order["id"] for order in alive.get_open_orders()] == [kept]
        assert quiet.post_heartbeat(beat)["heartbeat_id"] != beat
        assert httpx.get(f"{venue.url}/audit").json()["heartbeat_lapses"] == 1


def test_a_window_resolves_and_cancels_what_still_rests() -> None:
    with synthetic_venue(speed=100.0) as venue:
        maker = venue.client(MAKER_KEY)
        tokens = venue.tokens(venue.slug)
        with join(venue, maker) as socket:
            placed = {buy(maker, token, 0.02, 10, post_only=True)["orderID"] for token in tokens}
            seen = receive_until(
                socket, lambda frame: frame["status"] == "CANCELED_MARKET_RESOLVED"
            )
        assert seen[-1]["id"] in placed
        assert maker.get_open_orders() == []
        gamma = httpx.get(f"{venue.url}/markets", params={"slug": venue.slug}).json()[0]
        assert gamma["closed"] is True
        assert sorted(json.loads(gamma["outcomePrices"])) == ["0", "1"]
        book = httpx.get(f"{venue.url}/book", params={"token_id": tokens[0]})
        assert book.status_code == 404


def test_a_reader_that_falls_behind_is_cut_off() -> None:
    with synthetic_venue(speed=50.0, outbox_frames=100) as venue, small_socket(venue) as raw:
        url = f"ws://{venue.address}/ws/market"
        with connect(url, sock=raw, max_queue=1, max_size=None) as socket:
            up, down = venue.tokens(venue.slug)
            send(socket, type="market", assets_ids=[up, down])
            deadline = time.monotonic() + PATIENCE_S
            while httpx.get(f"{venue.url}/audit").json()["slow_disconnects"] == 0:
                assert time.monotonic() < deadline
            with pytest.raises(ConnectionClosed):
                receive_until(socket, lambda _frame: False)


def test_custom_features_show_touches_new_markets_and_resolutions() -> None:
    with synthetic_venue(speed=100.0) as venue, open_market(venue) as socket:
        window = venue.window(venue.slug)
        up = window.up_token_id
        send(socket, type="market", assets_ids=[up], custom_feature_enabled=True, level=3)
        seen = receive_until(
            socket,
            lambda frame: isinstance(frame, dict) and frame["event_type"] == "market_resolved",
        )
        kinds = {frame["event_type"] for frame in seen if isinstance(frame, dict)}
        assert {"best_bid_ask", "new_market", "price_change", "last_trade_price"} <= kinds
        resolved = seen[-1]
        assert resolved["market"] == window.condition_id
        assert resolved["winning_asset_id"] in (up, window.down_token_id)
        assert all(frame["market"] for frame in seen if isinstance(frame, dict))


def test_the_flag_is_toggled_without_a_new_snapshot(venue: RunningVenue) -> None:
    up, _ = venue.tokens(venue.next_slug)
    maker = venue.client(MAKER_KEY)
    with open_market(venue) as socket:
        send(socket, type="market", assets_ids=[up])
        receive(socket)
        send(socket, operation="subscribe", assets_ids=[up], custom_feature_enabled=True)
        assert barrier(socket) == []
        buy(maker, up, 0.4, 10, post_only=True)
        seen = receive_until(socket, lambda frame: frame["event_type"] == "best_bid_ask")
        assert seen[-1]["best_bid"] in ("0.4", "0")
        send(socket, type="market", assets_ids=[up], level=7)
        assert barrier(socket) == []
    assert httpx.get(f"{venue.url}/audit").json()["unusable_requests"] == 1
