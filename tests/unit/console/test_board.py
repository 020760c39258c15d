"""The newest snapshot for any number of pages, without a queue."""

from __future__ import annotations

import asyncio

from pmconsole.board import Board


async def test_a_page_gets_the_newest_at_once_and_then_each_new_one() -> None:
    board = Board()
    board.show(b"1")
    pages = board.follow(5.0)
    assert await anext(pages) == b"1"
    waiting = asyncio.ensure_future(anext(pages))
    await asyncio.sleep(0)
    board.show(b"2")
    assert await waiting == b"2"
    await pages.aclose()


async def test_a_slow_page_misses_what_was_replaced_and_gets_the_newest() -> None:
    board = Board()
    board.show(b"1")
    pages = board.follow(5.0)
    assert await anext(pages) == b"1"
    for number in range(2, 100):
        board.show(b"%d" % number)
    assert await anext(pages) == b"99"
    waiting = asyncio.ensure_future(anext(pages))
    await asyncio.sleep(0)
    assert not waiting.done(), "what was shown is not shown again"
    board.show(b"100")
    assert await waiting == b"100"
    await pages.aclose()


async def test_a_page_waits_for_the_first_snapshot() -> None:
    board = Board()
    pages = board.follow(5.0)
    waiting = asyncio.ensure_future(anext(pages))
    await asyncio.sleep(0)
    assert not waiting.done()
    board.show(b"1")
    assert await waiting == b"1"
    await pages.aclose()


async def test_many_pages_get_the_same_bytes() -> None:
    board = Board()
    readers = [board.follow(5.0) for _ in range(20)]
    board.show(b"whole")
    seen = [await anext(reader) for reader in readers]
    assert all(each is seen[0] for each in seen)
    assert board.pages == 20
    for reader in readers:
        await reader.aclose()
    assert board.pages == 0


async def test_following_ends_with_its_time() -> None:
    board = Board()
    board.show(b"1")
    assert [each async for each in board.follow(0.01)] == [b"1"]
    assert board.pages == 0
