"""What windows won and lost, by day, over restarts."""

from __future__ import annotations

import pytest

from pmcore.model.units import NS_PER_S
from pmcore.wire import keys
from pmsim.bus.memory_bus import MemoryBus, MemoryStore
from pmstrategy.results import NEWEST_RESULTS, SHOWN_RESULTS, DailyResults, WindowResult
from support.builders import T0_NS

DAY_NS = 86_400 * NS_PER_S
TODAY_NS = T0_NS // DAY_NS * DAY_NS


@pytest.fixture
def bus() -> MemoryBus:
    return MemoryBus(MemoryStore(lambda: T0_NS), source="strategy", run_id="r")


async def test_a_day_is_the_utc_day_of_the_close(bus: MemoryBus) -> None:
    results = DailyResults(bus, "main")
    await results.add("yesterday", WindowResult(TODAY_NS - 1, -9))
    await results.add("first", WindowResult(TODAY_NS, 5))
    await results.add("last", WindowResult(TODAY_NS + DAY_NS - 1, -2))
    assert [results.profit_u6(TODAY_NS + at_ns) for at_ns in (-1, 0, DAY_NS)] == [-9, 3, 0]


async def test_what_never_settled_is_kept_apart_and_the_worst_case_limits_the_day(
    bus: MemoryBus,
) -> None:
    results = DailyResults(bus, "main")
    await results.add("settled", WindowResult(TODAY_NS, 5))
    await results.add(
        "not", WindowResult(TODAY_NS + 1, 0, unsettled_u6=50_000, worst_u6=-2_600_000)
    )
    later = DailyResults(bus, "main")
    await later.load()
    for kept in (results, later):
        assert kept.profit_u6(TODAY_NS) == 5
        assert kept.unsettled_u6(TODAY_NS) == 50_000
        assert kept.worst_u6(TODAY_NS) == 5 - 2_600_000


async def test_a_result_of_an_older_version_is_read(bus: MemoryBus) -> None:
    stored = b'{"close_ns":%d,"profit_u6":-7}' % TODAY_NS
    await bus.put_field(keys.results("main"), "old", stored)
    results = DailyResults(bus, "main")
    await results.load()
    assert (results.profit_u6(TODAY_NS), results.worst_u6(TODAY_NS)) == (-7, -7)
    assert results.unsettled_u6(TODAY_NS) == 0


async def test_a_restart_finds_them_and_a_window_counts_once(bus: MemoryBus) -> None:
    results = DailyResults(bus, "main")
    await results.add("a", WindowResult(TODAY_NS, -5))
    await results.add("a", WindowResult(TODAY_NS, -7))
    later = DailyResults(bus, "main")
    await later.load()
    assert later.profit_u6(TODAY_NS) == -7
    other_account = DailyResults(bus, "other")
    await other_account.load()
    assert other_account.profit_u6(TODAY_NS) == 0


async def test_a_profit_is_only_what_is_called_so(bus: MemoryBus) -> None:
    results = DailyResults(bus, "main")
    await results.add("yesterday", WindowResult(TODAY_NS - 1, 9_000_000))
    await results.add("won", WindowResult(TODAY_NS, 1_250_000))
    await results.add("unknown", WindowResult(TODAY_NS + 1, -2_350_000, winner_known=False))
    later = DailyResults(bus, "main")
    await later.load()
    assert later.as_view(TODAY_NS, -1_000_000) == {
        "profit_today": 1.25,
        "unsettled_today": 0.0,
        "worst_case_profit_today": -2.1,
        "windows_settled_today": 2,
        "winners_unknown_today": 1,
        "results_today": {"unknown": {"worst_case_profit": -2.35}, "won": {"profit": 1.25}},
    }


async def test_a_result_of_an_older_version_has_a_winner(bus: MemoryBus) -> None:
    old = b'{"close_ns":%d,"profit_u6":-5000000}' % TODAY_NS
    await bus.put_field(keys.results("main"), "old", old)
    results = DailyResults(bus, "main")
    await results.load()
    assert results.as_view(TODAY_NS, 0)["profit_today"] == -5.0


async def test_the_sums_are_over_the_day_and_the_list_is_bounded(bus: MemoryBus) -> None:
    results = DailyResults(bus, "main")
    for number in range(SHOWN_RESULTS + 5):
        await results.add(f"w{number}", WindowResult(TODAY_NS + number, 1_000_000))
    view = results.as_view(TODAY_NS, 0)
    assert view["profit_today"] == SHOWN_RESULTS + 5
    listed = view["results_today"]
    assert isinstance(listed, dict)
    assert list(listed) == [f"w{number}" for number in range(SHOWN_RESULTS + 4, 4, -1)]


async def test_old_ones_are_forgotten(bus: MemoryBus) -> None:
    results = DailyResults(bus, "main")
    await results.add("old", WindowResult(TODAY_NS, 1))
    await results.add("new", WindowResult(TODAY_NS + 2 * DAY_NS + 1, 1))
    assert set(await bus.get_fields(keys.results("main"))) == {"new"}


async def test_the_newest_results_go_beyond_midnight_and_are_bounded(bus: MemoryBus) -> None:
    results = DailyResults(bus, "main")
    day_ns = 86_400 * 10**9
    await results.add("yesterday", WindowResult(TODAY_NS - day_ns, 1_000_000))
    await results.add("today", WindowResult(TODAY_NS, -500_000, winner_known=False))
    assert results.newest() == {
        "yesterday": {"close_s": (TODAY_NS - day_ns) / 10**9, "profit": 1.0},
        "today": {"close_s": TODAY_NS / 10**9, "worst_case_profit": -0.5},
    }
    for number in range(NEWEST_RESULTS):
        await results.add(f"w{number}", WindowResult(TODAY_NS + 1 + number, 1))
    assert list(results.newest()) == [f"w{number}" for number in range(NEWEST_RESULTS)]
