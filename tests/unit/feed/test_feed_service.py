"""The feed from socket to stream, against a venue that drops, hangs, repeats and lies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pmcore.messages.market_data import (
    BookCheckpoint,
    BookDelta,
    BookSnapshot,
    FeedState,
    SnapshotOrigin,
    TradePrinted,
)
from pmcore.messages.rotation import WindowAnnounced, WindowResolved
from pmcore.model.errors import Cause
from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_MS, NS_PER_S
from pmcore.shell.journal import journal_parts, read_journal
from pmcore.wire import keys
from pmfeed.service import FeedService
from pmfeed.window_feed import silent_ns
from support.fake_market import FakeMarket
from support.feed_world import ACCOUNT, SERIES, SLUG, FeedWorld
from support.venue_peer import VenuePeer, eventually

NEXT_SLUG = "btc-updown-15m-1790767800"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[FeedWorld]:
    async with VenuePeer() as peer:
        yield FeedWorld(peer, tmp_path)


async def test_a_window_is_announced_with_its_groups_before_anything_is_published(
    world: FeedWorld,
) -> None:
    async with world.running():
        await world.connected()
        await world.state(FeedState.RESYNCING, FeedState.LIVE)
    (announced,) = world.messages(keys.rot(SERIES), WindowAnnounced)
    assert announced.window == world.market.window
    for stream, group in (
        (keys.user(ACCOUNT), SLUG),
        (keys.md(SERIES), SLUG),
        (keys.exe(SERIES), SLUG),
        (keys.md(SERIES), f"{SLUG}:executor"),
        (keys.cmd(SERIES), f"{SLUG}:executor"),
    ):
        assert group in world.store.stream(stream).groups
    assert world.store.stream(keys.md(SERIES)).groups[SLUG].last_delivered == (0, 0)


async def test_frames_become_messages_in_order_of_arrival(world: FeedWorld) -> None:
    async with world.running() as service:
        socket = await world.connected()
        await socket.send(
            world.market.change(4800, 7_000_000), world.market.trade(), world.market.change(4800, 0)
        )
        await eventually(lambda: len(world.messages(world.md, BookDelta)) == 2, "two deltas")
        assert service.readiness() == []
        state = service.state()
    kinds = [type(message) for message in world.published(world.md)]
    trade = world.messages(world.md, TradePrinted)[0]
    assert (trade.price_e4, trade.size_u6) == (4900, 20_000_000)
    order = [kind for kind in kinds if kind in (BookDelta, TradePrinted)]
    assert order == [BookDelta, TradePrinted, BookDelta]
    assert state["market_socket"] == "live"
    books: Any = state["books"]
    assert (books["books_verified"], books["books_mismatched"]) == (2, 0)
    assert books["change_hashes_mismatched"] == 0


async def test_market_data_is_kept_up_to_the_number_that_was_set(world: FeedWorld) -> None:
    stream = world.store.stream(keys.md(SERIES))
    for _ in range(10_500):
        stream.add({b"t": b"x"}, 0)
    async with world.running(md_max_entries=10_000):
        await world.connected()
        await world.state(FeedState.RESYNCING, FeedState.LIVE)
    assert 10_000 <= len(stream) < 10_200


async def test_what_cannot_be_used_is_counted_and_does_no_harm(world: FeedWorld) -> None:
    async with world.running() as service:
        socket = await world.connected()
        await socket.send(
            "NONSENSE", '{"event_type":"surprise"}', world.market.trade(size="-1"), "[]"
        )
        await socket.send(world.market.change(4800, 7_000_000))
        await eventually(lambda: world.messages(world.md, BookDelta), "the delta behind them")
        assert service.readiness() == []
        unusable: Any = service.state()["unusable"]
    assert sum(unusable.values()) == 3


async def test_a_frame_cut_in_the_middle_is_a_gap_that_rest_mends(world: FeedWorld) -> None:
    async with world.running() as service:
        socket = await world.connected()
        await world.state(FeedState.LIVE)
        await socket.send('{"event_type":"price_change","market":"0xc0","price_chan')
        await world.state(FeedState.LIVE, FeedState.RESYNCING, FeedState.LIVE)
        unusable: Any = service.state()["unusable"]
    assert unusable == {"bad_json": 1}
    assert world.messages(world.md, BookDelta)[-1].damaged == tuple(Outcome)


async def test_a_lost_frame_is_found_by_the_hash_and_mended_by_rest(world: FeedWorld) -> None:
    async with world.running():
        socket = await world.connected()
        await world.state(FeedState.LIVE)
        world.market.change(4800, 7_000_000)
        lied = world.market.dump()
        lied[0]["bids"][0]["size"] = "1"
        await socket.send(lied)
        await world.state(FeedState.LIVE, FeedState.RESYNCING, FeedState.LIVE)
    origins = [book.origin for book in world.messages(world.md, BookSnapshot)]
    assert origins[-2:] == [SnapshotOrigin.REST, SnapshotOrigin.REST]


async def test_after_a_reconnect_rest_comes_before_live(world: FeedWorld) -> None:
    async with world.running():
        socket = await world.connected()
        await world.state(FeedState.LIVE)
        asked = world.peer.count("/book")
        socket.drop()
        await world.connected()
        await world.state(FeedState.LIVE, FeedState.DOWN, FeedState.RESYNCING, FeedState.LIVE)
        assert world.peer.count("/book") == asked + 2


async def test_while_rest_is_away_a_reconnected_feed_is_not_live(world: FeedWorld) -> None:
    async with world.running() as service:
        socket = await world.connected()
        await world.state(FeedState.LIVE)
        book = world.peer.routes.pop("/book")
        socket.drop()
        await world.connected()
        await eventually(lambda: world.peer.count("/book") >= 4, "two attempts")
        assert service.readiness() == [f"{SLUG}: resyncing connected"]
        world.peer.routes["/book"] = book
        await world.state(FeedState.LIVE)


async def test_a_quiet_market_stays_live(world: FeedWorld) -> None:
    async with world.running(silent_ms=2000):  # long beside what a busy machine may be late
        await world.connected()
        await world.state(FeedState.LIVE)
        await eventually(lambda: world.peer.count("/book") >= 6, "three confirmations")
    assert FeedState.SILENT not in world.states()


async def test_a_feed_that_says_nothing_while_rest_is_away_is_silent(world: FeedWorld) -> None:
    async with world.running(silent_ms=300) as service:
        await world.connected()
        await world.state(FeedState.LIVE)
        book = world.peer.routes.pop("/book")
        await world.state(FeedState.LIVE, FeedState.SILENT)
        assert "no market data" in service.readiness()[0]
        world.peer.routes["/book"] = book
        await world.state(FeedState.SILENT, FeedState.LIVE)


async def test_a_mute_socket_is_replaced(world: FeedWorld) -> None:
    async with world.running(silent_ms=300):
        await world.connected()
        await world.state(FeedState.LIVE)
        world.market.change(4800, 7_000_000)
        await world.connected()
        await world.state(FeedState.SILENT, FeedState.DOWN, FeedState.RESYNCING, FeedState.LIVE)


async def test_frames_that_come_late_are_told_and_not_believed(world: FeedWorld) -> None:
    async with world.running(silent_ms=5000) as service:
        socket = await world.connected()
        await world.state(FeedState.LIVE)
        del world.peer.routes["/book"]  # REST would agree, and end it at once
        now_ms = world.clock.now_ns() // NS_PER_MS
        world.market.ts_ms = now_ms - 60_000
        await socket.send(world.market.change(4800, 7_000_000))
        await world.state(FeedState.LIVE, FeedState.LATE)
        assert "late, or this clock is ahead" in service.readiness()[0]
        world.market.ts_ms = now_ms
        await socket.send(world.market.change(4800, 8_000_000))
        await world.state(FeedState.LATE, FeedState.LIVE)


def test_in_a_fast_run_silence_is_at_least_half_a_real_second() -> None:
    assert silent_ns(3000, 1.0) == 3 * NS_PER_S
    assert silent_ns(200, 1.0) == NS_PER_S // 5
    assert silent_ns(3000, 5.0) == 3 * NS_PER_S
    assert silent_ns(3000, 100.0) == 50 * NS_PER_S


async def test_a_late_reader_finds_a_checkpoint(world: FeedWorld) -> None:
    def checkpoint() -> BookCheckpoint | None:
        stored = world.store.hashes.get(keys.checkpoints(SERIES), {}).get(SLUG)
        found = None if stored is None else msgspec.json.decode(stored, type=BookCheckpoint)
        return found if found is not None and found.state is FeedState.LIVE else None

    async with world.running(checkpoint_ms=100):
        await world.connected()
        found = await eventually(checkpoint, "a checkpoint")
        assert found.up.origin is SnapshotOrigin.CHECKPOINT
        assert found.up.bids[-1] == (4700, 100_000_000)
        assert found.down.asks[-1] == (5300, 100_000_000)
        assert found.entry_id != "0-0"
        assert found.tick_e4 == 100


async def test_when_the_bus_was_away_readers_get_whole_books(world: FeedWorld) -> None:
    async with world.running():
        socket = await world.connected()
        await world.state(FeedState.LIVE)
        world.store.available = False
        await socket.send(world.market.change(4800, 7_000_000))
        await eventually(lambda: "publish_failed" in world.logs.getvalue(), "a failed publish")
        world.store.available = True
        await world.state(FeedState.LIVE, FeedState.RESYNCING, FeedState.LIVE)
    books = world.messages(world.md, BookSnapshot)[-2:]
    assert [book.origin for book in books] == [SnapshotOrigin.CHECKPOINT] * 2
    assert books[0].bids[-1] == (4800, 7_000_000)
    assert len(world.messages(keys.rot(SERIES), WindowAnnounced)) == 2


async def test_raw_frames_are_recorded_with_their_receive_time(world: FeedWorld) -> None:
    async with world.running(record=True):
        socket = await world.connected()
        await socket.send("NONSENSE", world.market.change(4800, 7_000_000))
        await eventually(lambda: world.messages(world.md, BookDelta), "the delta")
    (part,) = journal_parts(world.data_dir / "recordings", SLUG)
    lines = [msgspec.json.decode(line) for line in read_journal(part)]
    assert {line["slug"] for line in lines} == {SLUG}
    frames = [line["raw"] for line in lines if "raw" in line]
    assert frames[1] == "NONSENSE"
    assert len(frames) == 3
    notes = [line["note"] for line in lines if "note" in line]
    assert [note.split()[0] for note in notes] == ["begun", "resyncing", "live", "ended"]
    assert lines[0]["recv_ns"] <= lines[2]["recv_ns"]
    metadata = msgspec.json.decode(
        (world.data_dir / "recordings" / f"{SLUG}.market.json").read_bytes()
    )
    assert metadata["conditionId"] == world.market.window.condition_id


async def test_a_fixed_slug_ends_after_its_resolution(world: FeedWorld) -> None:
    window = world.market.window
    world.at(window.open_ns + NS_PER_S, speed=10.0)
    async with world.running(linger_s=1.0) as service:
        await world.connected()
        await world.state(FeedState.LIVE)
        world.jump_to(window.close_ns)
        await eventually(lambda: world.peer.count("/markets") > 1, "a question after the close")
        world.market.closed = True
        await eventually(world.task.done, "the end of the run")
        assert service.readiness() == []
    (resolved,) = world.messages(keys.rot(SERIES), WindowResolved)
    assert resolved.winner is Outcome.UP
    assert world.states()[-1] is FeedState.DOWN
    assert world.store.hashes[keys.checkpoints(SERIES)] == {}


async def test_a_winner_that_an_earlier_feed_did_not_record_is_asked_for(world: FeedWorld) -> None:
    folder = world.data_dir / "recordings"
    async with world.running(record=True):
        await world.connected()
        await world.state(FeedState.LIVE)
    assert not (folder / "winners.json").exists()
    world.at(world.market.window.close_ns + 3600 * NS_PER_S)
    world.market.closed = True
    world.markets[NEXT_SLUG] = FakeMarket(NEXT_SLUG)
    async with world.running(record=True, market_slugs=("btc-updown-15m",)):
        await eventually((folder / "winners.json").exists, "the winner")
    assert msgspec.json.decode((folder / "winners.json").read_bytes()) == {SLUG: "up"}


async def test_an_unresolved_window_is_given_up(world: FeedWorld) -> None:
    world.at(world.market.window.close_ns, speed=20.0)
    async with world.running(linger_s=0.0, resolution_timeout_s=6.0):
        await eventually(world.task.done, "the end of the run")
    (resolved,) = world.messages(keys.rot(SERIES), WindowResolved)
    assert resolved.winner is None


async def test_a_window_left_over_by_a_dead_feed_is_resolved(world: FeedWorld) -> None:
    world.markets[NEXT_SLUG] = FakeMarket(NEXT_SLUG)
    world.at(world.market.window.close_ns - 60 * NS_PER_S)
    async with world.running():
        await world.connected()
        await world.state(FeedState.LIVE)
    world.market.closed = True
    world.market.up_won = False
    world.at(world.market.window.close_ns + 60 * NS_PER_S)
    async with world.running(market_slugs=("btc-updown-15m",)):
        await eventually(lambda: world.messages(keys.rot(SERIES), WindowResolved), "the winner")
    (resolved,) = world.messages(keys.rot(SERIES), WindowResolved)
    assert (resolved.slug, resolved.winner) == (SLUG, Outcome.DOWN)


async def test_the_next_window_is_announced_before_it_opens(world: FeedWorld) -> None:
    world.markets[NEXT_SLUG] = FakeMarket(NEXT_SLUG)
    world.at(world.market.window.close_ns - 320 * NS_PER_S, speed=20.0)
    async with world.running(market_slugs=("btc-updown-15m",), prewarm_s=300.0):
        await world.connected()
        await eventually(
            lambda: len(world.messages(keys.rot(SERIES), WindowAnnounced)) == 2, "two windows"
        )
    first, second = world.messages(keys.rot(SERIES), WindowAnnounced)
    assert (first.window.slug, second.window.slug) == (SLUG, NEXT_SLUG)
    assert second.window.open_ns - 300 * NS_PER_S <= second.ts_recv_ns < second.window.open_ns


async def test_a_window_that_is_listed_late_is_waited_for(world: FeedWorld) -> None:
    market = world.markets.pop(SLUG)
    async with world.running() as service:
        await eventually(lambda: world.peer.count("/events") >= 2, "two questions")
        assert service.readiness() == [f"{SERIES}: no window yet"]
        world.markets[SLUG] = market
        await world.connected()
        await world.state(FeedState.LIVE)
    assert world.logs.getvalue().count("window_not_found_yet") == 1


async def test_tokens_on_which_gamma_and_the_clob_disagree_are_refused(world: FeedWorld) -> None:
    swapped = world.market.clob_market()
    swapped["t"][0]["o"], swapped["t"][1]["o"] = "Down", "Up"
    path = f"/clob-markets/{world.market.window.condition_id}"
    world.peer.routes[path] = lambda *_: (200, swapped)
    async with world.running(market_slugs=("btc-updown-15m",)):
        await eventually(lambda: "window_refused" in world.logs.getvalue(), "the refusal")
    assert "tokens_disagree" in world.logs.getvalue()
    assert world.messages(keys.rot(SERIES), WindowAnnounced) == []


async def test_a_stopped_feed_says_so(world: FeedWorld) -> None:
    async with world.running() as service:
        await world.connected()
        await world.state(FeedState.LIVE)
        await service.stop()
        assert world.states()[-1] is FeedState.DOWN


def troubles(service: FeedService) -> dict[str, Cause]:
    return {one.what: one.cause for one in service._context.health.troubles()}


async def test_a_blocked_country_is_named_and_forgotten_when_it_is_over(world: FeedWorld) -> None:
    listing = world.peer.routes["/markets"]
    for path in ("/markets", "/events"):
        world.peer.routes[path] = lambda *_: (403, {"error": "blocked"})
    async with world.running() as service:
        await eventually(lambda: Cause.BLOCKED in troubles(service).values(), "a cause")
        world.peer.routes["/markets"] = listing
        await world.connected()
        await world.state(FeedState.LIVE)
        await eventually(lambda: not troubles(service), "no trouble")


async def test_rest_that_fails_after_a_reconnect_is_a_trouble(world: FeedWorld) -> None:
    async with world.running() as service:
        socket = await world.connected()
        await world.state(FeedState.LIVE)
        assert troubles(service) == {}
        book = world.peer.routes["/book"]
        world.peer.routes["/book"] = lambda *_: (502, {})
        socket.drop()
        await world.connected()
        await eventually(lambda: Cause.SERVER_ERROR in troubles(service).values(), "a cause")
        world.peer.routes["/book"] = book
        await world.state(FeedState.LIVE)
        assert troubles(service) == {}
