"""The simulator's stream of the underlying, read as a client of an exchange reads it."""

from __future__ import annotations

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from pmcore.model.units import NS_PER_MS
from pmcore.venue.exchange_frames import exchange_price_of
from support.running_venue import RunningVenue, synthetic_venue

pytestmark = pytest.mark.connected

PATIENCE_S = 30.0
SPEED = 5.0


def stream(venue: RunningVenue, name: str) -> ClientConnection:
    return connect(f"ws://{venue.address}/underlying/{name}")


def prices(socket: ClientConnection, count: int) -> list[int]:
    found = [exchange_price_of(str(socket.recv(timeout=PATIENCE_S))) for _ in range(count)]
    return [price.price_e8 for price in found if price is not None]


@pytest.mark.parametrize("latency_ms", [0, 3_000])
def test_it_shows_the_worlds_price_as_late_as_is_set(latency_ms: int) -> None:
    with (
        synthetic_venue(speed=SPEED, underlying_latency_ms=latency_ms) as venue,
        stream(venue, "btcusdt@bookTicker") as socket,
    ):
        shown = prices(socket, 25)
        now_ns = venue.world.clock.now_ns()
        truth = venue.world.venue.underlying_e8
        newest_ns = now_ns - latency_ms * NS_PER_MS
        known = [truth("btc", newest_ns - back * 200 * NS_PER_MS) for back in range(100)]
    assert len(set(shown)) > 10
    assert set(shown) <= set(known), "nothing is shown before its time, and nothing else"


def test_what_is_no_stream_of_an_asset_is_closed_with_a_reason() -> None:
    with synthetic_venue() as venue:
        for name in ("dogeusdt@bookTicker", "btcusdt@kline_1m"):
            with stream(venue, name) as socket, pytest.raises(ConnectionClosed) as closed:
                socket.recv(timeout=PATIENCE_S)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1008


def test_a_reader_that_leaves_leaves_nothing_behind() -> None:
    with synthetic_venue(speed=SPEED) as venue:
        for _ in range(3):
            with stream(venue, "btcusdt@bookTicker") as socket:
                prices(socket, 2)
        with stream(venue, "btcusdt@bookTicker") as socket:
            assert prices(socket, 3)
