"""Faults on request.

What a client meets when the connection or the venue fails (docs/venue.md 10.2).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from py_clob_client_v2 import ClobClient, OrderArgs
from py_clob_client_v2.exceptions import PolyApiException
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

from support.running_venue import RunningVenue, synthetic_venue

pytestmark = pytest.mark.connected

MAKER_KEY = "0x" + "42" * 32
PATIENCE_S = 30.0
ALWAYS = 1_000_000


@pytest.fixture
def venue() -> Iterator[RunningVenue]:
    with synthetic_venue() as running:
        yield running


@pytest.fixture
def maker(venue: RunningVenue) -> ClobClient:
    return venue.client(MAKER_KEY)


def signed(venue: RunningVenue, client: ClobClient) -> Any:
    token_id = venue.tokens(venue.next_slug)[0]
    return client.create_order(OrderArgs(token_id=token_id, price=0.3, size=10, side="BUY"))


@contextmanager
def join_market(venue: RunningVenue, token_id: str) -> Iterator[ClientConnection]:
    url = f"ws://{venue.address}/ws/market"
    with connect(url, max_size=None, max_queue=None) as socket:
        socket.send(json.dumps({"type": "market", "assets_ids": [token_id]}))
        assert json.loads(socket.recv(timeout=PATIENCE_S))[0]["event_type"] == "book"
        yield socket


def read_to_the_end(socket: ClientConnection) -> None:
    while True:
        socket.recv(timeout=PATIENCE_S)


def test_an_accepted_order_may_get_no_answer(venue: RunningVenue, maker: ClobClient) -> None:
    order = signed(venue, maker)
    venue.faults(transport={"lose_response_ppm": ALWAYS})
    with pytest.raises(PolyApiException) as lost:
        maker.post_order(order, post_only=True)
    assert lost.value.status_code is None
    (resting,) = maker.get_open_orders()
    with pytest.raises(PolyApiException) as again:
        maker.post_order(order, post_only=True)
    assert again.value.error_msg == {"error": f"order {resting['id']} is invalid. Duplicated."}


def test_an_accepted_order_may_be_answered_500(venue: RunningVenue, maker: ClobClient) -> None:
    order = signed(venue, maker)
    venue.faults(transport={"error_after_ppm": ALWAYS})
    with pytest.raises(PolyApiException) as late:
        maker.post_order(order, post_only=True)
    assert (late.value.status_code, late.value.error_msg) == (
        500,
        {"error": "could not insert order"},
    )
    assert len(maker.get_open_orders()) == 1


def test_responses_may_be_slow(venue: RunningVenue) -> None:
    venue.faults(transport={"slow_ppm": ALWAYS, "slow_ms": 10_000})
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{venue.url}/time", timeout=0.2)
    httpx.delete(f"{venue.url}/sim/faults")
    assert httpx.get(f"{venue.url}/time", timeout=PATIENCE_S).status_code == 200


def test_connections_may_be_refused(venue: RunningVenue) -> None:
    venue.faults(transport={"refuse_connections": True})
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{venue.url}/time")
    with (
        pytest.raises((OSError, WebSocketException)),
        connect(f"ws://{venue.address}/ws/market"),
    ):
        pass
    assert httpx.delete(f"{venue.url}/sim/faults").status_code == 200
    assert httpx.get(f"{venue.url}/time").status_code == 200


def test_the_feed_may_fall_silent_while_pongs_come(venue: RunningVenue) -> None:
    with join_market(venue, venue.tokens(venue.slug)[0]) as socket:
        venue.faults(market={"silent": True})
        before = httpx.get(f"{venue.url}/audit").json()["now_ns"]
        deadline = time.monotonic() + PATIENCE_S
        while httpx.get(f"{venue.url}/audit").json()["now_ns"] < before + 2_000_000_000:
            assert time.monotonic() < deadline
        socket.send("PING")
        while (text := socket.recv(timeout=PATIENCE_S)) != "PONG":
            assert int(json.loads(text)["timestamp"]) <= before // 1_000_000 + 1_000
        httpx.delete(f"{venue.url}/sim/faults")
        assert json.loads(socket.recv(timeout=PATIENCE_S))["event_type"]


def test_websockets_are_dropped_on_request(venue: RunningVenue) -> None:
    with join_market(venue, venue.tokens(venue.slug)[0]) as socket:
        dropped = httpx.post(f"{venue.url}/sim/disconnect", json={"channel": "user"})
        assert dropped.json() == {"connections": 0}
        dropped = httpx.post(f"{venue.url}/sim/disconnect", json={"channel": "market"})
        assert dropped.json() == {"connections": 1}
        with pytest.raises(ConnectionClosed):
            read_to_the_end(socket)
    wrong = httpx.post(f"{venue.url}/sim/disconnect", json={"channel": "radio"})
    assert wrong.status_code == 400


def test_websockets_may_live_a_limited_time() -> None:
    with synthetic_venue(speed=20.0) as venue:
        venue.faults(transport={"disconnect_every_s": 5})
        with (
            join_market(venue, venue.tokens(venue.slug)[0]) as socket,
            pytest.raises(ConnectionClosed),
        ):
            read_to_the_end(socket)


def test_a_window_may_be_unknown_to_the_clob_until_late(venue: RunningVenue) -> None:
    window = venue.window(venue.next_slug)
    venue.faults(hydrate_lead_s=5)
    for path in (f"/clob-markets/{window.condition_id}", f"/book?token_id={window.up_token_id}"):
        assert httpx.get(f"{venue.url}{path}").status_code == 404
    assert venue.window(venue.next_slug) == window
    running = venue.window(venue.slug)
    assert httpx.get(f"{venue.url}/clob-markets/{running.condition_id}").status_code == 200


def test_faults_are_shown_replaced_and_cleared(venue: RunningVenue) -> None:
    url = f"{venue.url}/sim/faults"
    nothing = httpx.get(url).json()
    assert (nothing["mode"], nothing["transport"]["slow_ppm"]) == ("open", 0)
    shown = httpx.post(url, json={"failed_ppm": 7, "banned": ["0xab"]}).json()
    assert (shown["failed_ppm"], shown["banned"]) == (7, ["0xab"])
    assert httpx.post(url, json={"mode": "post_only"}).json()["failed_ppm"] == 0
    assert httpx.delete(url).json() == nothing
    for wrong in ({"faild_ppm": 1}, {"mode": "sleepy"}, {"refusals": 3}, ["mode"]):
        answer = httpx.post(url, json=wrong)
        assert answer.status_code == 400
        assert answer.json()["error"].startswith("bad_faults")
    assert httpx.post(url, content=b"{").status_code == 400
