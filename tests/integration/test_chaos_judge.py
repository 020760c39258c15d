"""The judge of the chaos schedules sees each breach, and the link between processes breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from pmcore.messages.execution import FailureStage, OrderAccepted, OrderFailed, OrderSubmitting
from pmcore.messages.rotation import WindowAnnounced
from pmcore.model.errors import Reason
from pmcore.model.market import Window
from pmcore.model.units import NS_PER_S
from pmcore.wire import codec, keys
from support.chaos.chaos_engine import SERIES, ChaosEngine
from support.chaos.faults import KINDS, draw_schedule
from support.chaos.judge import KILL_GRACE_S, OUTLIVE_S, Judge
from support.chaos.link import Link
from support.executions import submit

CLOSE_NS = 1_800_000_030 * NS_PER_S
WINDOW = Window(
    series=SERIES,
    slug="btc-updown-30s-1800000000",
    condition_id="0xc",
    up_token_id="up",
    down_token_id="down",
    open_ns=CLOSE_NS - 30 * NS_PER_S,
    close_ns=CLOSE_NS,
    tick_e4=100,
    min_size_u6=5_000_000,
)


class Streams:
    """What stands in Redis."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Any]] = {}

    def add(self, stream: str, message: Any) -> None:
        rows = self.rows.setdefault(stream, [])
        rows.append((f"{len(rows) + 1}-0".encode(), {codec.FIELD_BODY: codec.encode(message)}))

    async def xrange(self, stream: str, after: str) -> list[Any]:
        seen = 0 if after == "-" else int(after.removeprefix("(").partition("-")[0])
        return self.rows.get(stream, [])[seen:]


class Scripted:
    """An engine whose venue says what a test wants."""

    def __init__(self) -> None:
        self.direct = Streams()
        self.direct.add(keys.rot(SERIES), WindowAnnounced(window=WINDOW, ts_recv_ns=0))
        self.children: dict[str, Any] = {}
        self.logs: dict[str, str] = {}
        self.killed_s: float | None = None
        self.deaf_s = 0.0
        self.now_ns = CLOSE_NS - NS_PER_S
        self.unbalanced: list[str] = []
        self.account: dict[str, Any] = {
            "owner": "us",
            "positions": {},
            "open_orders": [],
            "orders": [],
            "trades": [],
        }

    async def audit_now(self) -> dict[str, Any]:
        account = self.account
        return {
            "now_ns": self.now_ns,
            "unbalanced": self.unbalanced,
            "accounts": [{**account, "orders": list(account["orders"])}],
            "fills": len(account["trades"]),
        }

    def log(self, name: str) -> str:
        return self.logs[name]

    def rest(self, name: str, size: str = "5", token: str = "up", side: str = "BUY") -> None:
        order = {"id": name, "asset_id": token, "side": side, "original_size": size}
        order["size_matched"] = "0"
        self.account["open_orders"].append(order)
        self.account["orders"].append(order)

    def buy(self, size: str, token: str = "up", **fields: str) -> None:
        part = {"owner": "us", "asset_id": token, "matched_amount": size}
        trade = {"id": "t", "trader_side": "MAKER", "status": "TRADE_STATUS_MATCHED"}
        self.account["trades"].append({**trade, "maker_orders": [part], **fields})
        self.account["positions"][token] = size


@pytest.fixture
def world() -> Scripted:
    return Scripted()


def judge_of(world: Scripted) -> Judge:
    return Judge(cast(ChaosEngine, world))


async def laws_broken(world: Scripted) -> list[str]:
    judge = judge_of(world)
    await judge.look()
    return [problem.partition(":")[0] for problem in judge.problems]


async def test_a_sound_venue_breaks_no_law(world: Scripted) -> None:
    world.rest("a")
    world.rest("b", token="down")
    world.buy("4.9")
    assert await laws_broken(world) == []


async def test_too_many_shares_are_seen(world: Scripted) -> None:
    world.buy("10")
    assert await laws_broken(world) == ["net limit"]


async def test_shares_that_could_become_too_many_are_seen(world: Scripted) -> None:
    world.buy("5")
    world.rest("a")
    assert await laws_broken(world) == ["exposure"]


async def test_shares_of_both_sides_make_up_for_each_other(world: Scripted) -> None:
    world.buy("15", token="up")
    world.buy("15", token="down")
    world.rest("a")
    assert await laws_broken(world) == []


async def test_taking_and_selling_are_seen(world: Scripted) -> None:
    world.buy("5", trader_side="TAKER")
    world.rest("a", side="SELL", size="1")
    assert await laws_broken(world) == ["maker only", "buys only"]


async def test_shares_without_a_trade_are_seen(world: Scripted) -> None:
    world.buy("5", status="TRADE_STATUS_FAILED")
    world.unbalanced = ["1 u6 of cash without a source"]
    judge = judge_of(world)
    await judge.look()
    assert judge.problems == [
        "conserved: venue 1 u6 of cash without a source",
        "conserved: up holds 5000000, trades say 0",
    ]


async def test_an_order_that_outlives_its_window_is_seen(world: Scripted) -> None:
    world.rest("a")
    world.now_ns = CLOSE_NS + int(OUTLIVE_S * NS_PER_S)
    assert await laws_broken(world) == []
    world.now_ns += 1
    assert await laws_broken(world) == ["outlives its window"]


async def test_an_order_after_a_kill_is_seen(world: Scripted) -> None:
    now_s = asyncio.get_running_loop().time()
    judge = judge_of(world)
    world.killed_s = now_s - KILL_GRACE_S - 1
    world.rest("before", size="1")
    await judge.look()
    assert judge.problems == []
    world.deaf_s = now_s
    world.rest("while nobody could hear it", size="1")
    await judge.look()
    assert judge.problems == []
    world.deaf_s = 0.0
    world.rest("after", size="1")
    await judge.look()
    assert judge.problems == ["kill: executor 1 orders were taken while a halt was in force"]


async def test_commands_without_one_end_are_seen(world: Scripted) -> None:
    cmd, exe = keys.cmd(SERIES), keys.exe(SERIES)
    accepted = OrderAccepted(
        slug=WINDOW.slug, client_order_id="both", order_hash="0x1", ts_exec_ns=0
    )
    failed = OrderFailed(
        slug=WINDOW.slug,
        client_order_id="both",
        stage=FailureStage.DENIED,
        reason=Reason.EXPIRED,
        ts_exec_ns=0,
    )
    world.direct.add(cmd, submit("none", slug=WINDOW.slug))
    world.direct.add(cmd, submit("both", slug=WINDOW.slug))
    world.direct.add(exe, accepted)
    world.direct.add(exe, failed)
    judge = judge_of(world)
    assert await judge.unended() == ["none"]
    await judge.finish()
    assert judge.problems == [
        "one end: none has none",
        "one end: both has OrderAccepted and OrderFailed",
    ]


async def test_an_order_that_was_not_recorded_is_seen(world: Scripted) -> None:
    world.rest("recorded", size="1")
    world.rest("secret", size="1")
    submitting = OrderSubmitting(
        slug=WINDOW.slug, client_order_id="c", order_hash="recorded", ts_exec_ns=0
    )
    world.direct.add(keys.exe(SERIES), submitting)
    judge = judge_of(world)
    await judge.finish()
    assert judge.problems == ["record first: secret is at the venue, never in exe"]


async def test_a_broken_invariant_is_seen(world: Scripted) -> None:
    world.children, world.logs = {"feed": None}, {"feed": "InvariantError: time ran backwards"}
    judge = judge_of(world)
    await judge.finish()
    assert judge.problems == ["no crash: feed broke an invariant"]


def test_a_seed_draws_one_schedule_and_a_hundred_draw_every_kind() -> None:
    drawn = [draw_schedule(seed) for seed in range(1, 101)]
    assert drawn == [draw_schedule(seed) for seed in range(1, 101)]
    assert {fault.kind for one in drawn for fault in one.faults} == KINDS.keys()
    assert {one.at_rotation for one in drawn} == {True, False}


@asynccontextmanager
async def echo() -> AsyncIterator[Link]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    link = Link()
    await link.start(server.sockets[0].getsockname()[1])
    try:
        yield link
    finally:
        link.close()
        server.close()


async def test_a_link_passes_on_holds_back_and_breaks() -> None:
    async with echo() as link, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        writer.write(b"one")
        assert await reader.readexactly(3) == b"one"
        link.silence()
        writer.write(b"two")
        waits = asyncio.create_task(reader.readexactly(3))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not waits.done()
        link.mend()
        assert await waits == b"two"
        link.cut()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        refused_reader, refused = await asyncio.open_connection("127.0.0.1", link.port)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await refused_reader.readexactly(1)
        refused.close()
        writer.close()
