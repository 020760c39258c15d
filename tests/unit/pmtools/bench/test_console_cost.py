"""Orders on their way with the console on, beside those with it off."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pmtools.bench.console_cost import HalfRound, figure
from pmtools.bench.order_ways import FEED_TO_MD, FRAME_TO_FEED, OrderWay
from pmtools.bench.page_readers import Pages
from pmtools.errors import CommandError
from support.console_server import TOKEN, recorded_console
from unit.pmtools.watch.test_watch_app import RECORDED

HALVES = [
    HalfRound(number=0, on=True, from_ns=100, until_ns=200),
    HalfRound(number=0, on=False, from_ns=300, until_ns=400),
    HalfRound(number=1, on=False, from_ns=500, until_ns=600),
    HalfRound(number=1, on=True, from_ns=700, until_ns=800),
]


def way(frame_ns: int, took_ns: int) -> OrderWay:
    """The frame's own way to the feed, 1,000, is no part of book to order."""
    return OrderWay(frame_ns, 0, {FRAME_TO_FEED: 1_000, FEED_TO_MD: took_ns})


def test_each_round_compares_its_own_halves_and_what_lies_between_counts_nowhere() -> None:
    ways = [way(100, 3_000), way(399, 2_000), way(599, 1_000), way(700, 1_000)]
    between = [way(99, 9_000), way(200, 9_000), way(450, 9_000), way(800, 9_000)]
    found = figure(HALVES, [*ways, *between])
    assert (found.rounds, found.samples) == (2, 2)
    assert (found.ratio_least, found.ratio, found.ratio_most) == (1.0, 1.25, 1.5)


def test_a_run_without_orders_in_both_halves_says_so() -> None:
    with pytest.raises(CommandError, match="no order was placed in both halves"):
        figure(HALVES, [way(150, 3_000), way(550, 3_000)])


async def test_the_pages_read_snapshots_and_a_deaf_one_holds_nobody_up(tmp_path: Path) -> None:
    async with recorded_console(RECORDED, tmp_path) as console:
        pages = Pages(console.url, TOKEN)
        seen = [asyncio.Event() for _ in range(3)]
        work = [*(pages.follow(one) for one in seen), pages.stay_deaf()]
        running = [asyncio.ensure_future(one) for one in work]
        try:
            async with asyncio.timeout(20):
                for one in seen:
                    await one.wait()
                first = pages.snapshots
                while pages.snapshots < first + 6:  # noqa: ASYNC110 - a counter, not an event
                    await asyncio.sleep(0.05)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
