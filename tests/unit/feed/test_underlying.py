"""The underlying's price beside the market data: it comes, it goes, and it disturbs nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pmcore.messages.market_data import BookDelta, FeedState, UnderlyingPriced
from pmcore.model.errors import MalformedInputError
from pmcore.model.units import DOLLAR_E8
from pmcore.shell.journal import journal_parts
from pmcore.venue.encode import to_text
from pmcore.venue.exchange_frames import book_ticker_frame
from pmcore.venue.market_frames import MarketFrameParser
from pmfeed.settings import FeedSettings
from pmsim.recordings.reader import Recording
from support.feed_world import SLUG, FeedWorld
from support.venue_peer import VenuePeer, eventually

PATH = "/btcusdt@bookTicker"


@pytest.fixture
async def exchange() -> AsyncIterator[VenuePeer]:
    async with VenuePeer() as peer:
        yield peer


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[FeedWorld]:
    async with VenuePeer() as peer:
        yield FeedWorld(peer, tmp_path)


def url_of(exchange: VenuePeer) -> str:
    return f"{exchange.ws_url}/{{asset}}usdt@bookTicker"


def ticker(dollars: int) -> str:
    return to_text(book_ticker_frame("BTCUSDT", dollars * DOLLAR_E8, 1))


def prices(world: FeedWorld) -> list[int]:
    priced = world.messages(world.md, UnderlyingPriced)
    return [message.price_e8 // DOLLAR_E8 for message in priced]


async def test_a_price_becomes_a_message_of_the_window(
    world: FeedWorld, exchange: VenuePeer
) -> None:
    async with world.running(underlying_url=url_of(exchange)) as service:
        await world.connected()
        await world.state(FeedState.LIVE)
        socket = await exchange.socket()
        assert socket.path == f"/ws{PATH}"
        await socket.send(ticker(71_000))
        await eventually(lambda: prices(world) == [71_000], "the price")
        await socket.send(ticker(71_001))
        await eventually(lambda: prices(world)[-1] == 71_001, "the next price")
        state: Any = service.state()
        assert state["underlying"]["btc"]["connected"]
        assert state["underlying"]["btc"]["price"] == 71_001
        assert socket.received.empty(), "nothing is sent to an exchange"
    (first, *_) = world.messages(world.md, UnderlyingPriced)
    assert first.slug == SLUG
    assert world.market.window.open_ns < first.ts_recv_ns < world.clock.now_ns()


async def test_without_a_url_there_is_no_socket_and_no_state(world: FeedWorld) -> None:
    async with world.running() as service:
        await world.connected()
        await world.state(FeedState.LIVE)
        assert service.state()["underlying"] == {}


async def test_its_loss_is_told_and_disturbs_no_market_data(
    world: FeedWorld, exchange: VenuePeer
) -> None:
    async with world.running(underlying_url=url_of(exchange)) as service:
        market = await world.connected()
        await world.state(FeedState.LIVE)
        states = world.states()
        socket = await exchange.socket()
        await socket.send(ticker(71_000))
        await eventually(lambda: prices(world) == [71_000], "the price")
        exchange.refuses_sockets = True
        socket.drop()
        context = service._context
        await eventually(lambda: context.health.troubles(), "a trouble")
        (trouble,) = context.health.troubles()
        assert trouble.what == "price of the underlying btc"
        state: Any = service.state()
        assert not state["underlying"]["btc"]["connected"]
        assert service.readiness() == [], "the feed is ready all the same"
        await market.send(world.market.change(4800, 7_000_000))
        await eventually(lambda: world.messages(world.md, BookDelta), "market data flow on")
        assert world.states() == states
        exchange.refuses_sockets = False
        again = await exchange.socket()
        await again.send(ticker(71_002))
        await eventually(lambda: prices(world)[-1] == 71_002, "a price after the reconnect")
        assert context.health.troubles() == []


async def test_frames_that_cannot_be_used_are_counted_and_skipped(
    world: FeedWorld, exchange: VenuePeer
) -> None:
    async with world.running(underlying_url=url_of(exchange)) as service:
        await world.connected()
        socket = await exchange.socket()
        await socket.send("NONSENSE", '{"result":null,"id":1}', ticker(71_000))
        await eventually(lambda: prices(world) == [71_000], "the price behind them")
        unusable = service._metrics.underlying_unusable
        assert unusable.labels("bad_json")._value.get() == 1


async def test_an_exchange_that_is_never_there_changes_nothing(world: FeedWorld) -> None:
    async with world.running(underlying_url="ws://127.0.0.1:1/x") as service:
        await world.connected()
        await world.state(FeedState.LIVE)
        assert service.readiness() == []


async def test_a_recording_holds_the_prices_and_is_read_back(
    world: FeedWorld, exchange: VenuePeer
) -> None:
    async with world.running(underlying_url=url_of(exchange), record=True):
        await world.connected()
        await world.state(FeedState.LIVE)
        socket = await exchange.socket()
        await socket.send(ticker(71_000))
        await eventually(lambda: prices(world) == [71_000], "the price")
    (told,) = world.messages(world.md, UnderlyingPriced)
    (part,) = journal_parts(world.data_dir / "recordings", SLUG)
    recording = Recording(part)
    parser = MarketFrameParser(*recording.windows())
    read = [m for f in recording.frames() for m in parser.parse(f.raw, ts_recv_ns=f.recv_ns)]
    assert [m for m in read if isinstance(m, UnderlyingPriced)] == [told]
    assert parser.unusable == {}


@pytest.mark.parametrize(
    ("slugs", "url", "is_good"),
    [
        ("btc-updown-15m", "wss://x/ws/btcusdt@bookTicker", True),
        ("btc-updown-15m,btc-updown-5m", "wss://x/ws/btcusdt@bookTicker", True),
        ("btc-updown-15m,eth-updown-15m", "wss://x/ws/btcusdt@bookTicker", False),
        ("btc-updown-15m,eth-updown-15m", "wss://x/ws/{asset}usdt@bookTicker", True),
        ("btc-updown-15m", "https://x", False),
    ],
)
def test_each_asset_needs_its_own_stream(slugs: str, url: str, *, is_good: bool) -> None:
    values = {"market_slugs": slugs, "underlying_url": url}
    if is_good:
        assert FeedSettings(**values).underlying_url == url  # type: ignore[arg-type] # parsed
        return
    with pytest.raises((ValidationError, MalformedInputError)) as error:
        FeedSettings(**values)  # type: ignore[arg-type] # parsed
    assert "PM_UNDERLYING_URL" in str(error.value) or "wss://" in str(error.value)
