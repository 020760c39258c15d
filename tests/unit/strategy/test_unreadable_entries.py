"""Entries that nobody could read: remembered, over restarts, up to a bound."""

from __future__ import annotations

import asyncio

from pmcore.wire.ports import Incoming
from pmsim.bus.memory_bus import MemoryBus, MemoryStore
from pmstrategy.unreadable_entries import MAX_ENTRIES, UnreadableEntries


def new_bus() -> MemoryBus:
    return MemoryBus(MemoryStore(lambda: 0), source="strategy", run_id="r")


def bad(number: int) -> Incoming:
    return Incoming("user", f"{number}-0", None)


async def reloaded(bus: MemoryBus) -> UnreadableEntries:
    book = UnreadableEntries(bus, "main")
    await book.load()
    return book


async def test_an_entry_is_new_once_and_open_until_somebody_looked() -> None:
    bus = new_bus()
    book = UnreadableEntries(bus, "main")
    assert book.is_new("btc", bad(1))
    assert not book.is_new("btc", bad(1))
    assert book.is_new("eth", bad(1))
    await book.save()
    again = await reloaded(bus)
    assert again.open_series() == ["btc", "eth"]
    await again.close()
    assert (await reloaded(bus)).open_series() == []
    assert not (await reloaded(bus)).is_new("btc", bad(1))


async def test_the_oldest_that_was_looked_at_is_forgotten_here_and_in_redis() -> None:
    bus = new_bus()
    book = UnreadableEntries(bus, "main")
    for number in range(MAX_ENTRIES):
        assert book.is_new("btc", bad(number))
    await book.close()
    assert book.is_new("btc", bad(MAX_ENTRIES))
    await book.save()
    again = await reloaded(bus)
    assert len(book) == len(again) == MAX_ENTRIES
    assert again.open_series() == ["btc"]
    assert not again.is_new("btc", bad(1))
    assert again.is_new("btc", bad(0))  # forgotten: it would halt again


async def test_an_open_entry_outlives_seen_ones_and_open_ones_are_bounded_too() -> None:
    bus = new_bus()
    book = UnreadableEntries(bus, "main")
    for number in range(1, MAX_ENTRIES + 1):
        book.is_new("btc", bad(number))
    await book.close()
    assert book.is_new("eth", bad(0))
    assert book.is_new("btc", bad(MAX_ENTRIES + 1))
    assert book.open_series() == ["btc", "eth"]
    for number in range(MAX_ENTRIES):
        book.is_new("sol", bad(number))
    assert len(book) == MAX_ENTRIES


async def test_an_entry_that_is_met_while_others_are_saved_does_not_break_the_saving() -> None:
    bus = new_bus()
    book = UnreadableEntries(bus, "main")
    book.is_new("btc", bad(1))
    book.is_new("btc", bad(2))
    saving = asyncio.create_task(book.save())
    await asyncio.sleep(0)  # its first request is under way
    book.is_new("btc", bad(3))
    await saving
    await book.save()
    assert len(await reloaded(bus)) == 3
