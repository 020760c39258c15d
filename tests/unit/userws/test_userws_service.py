"""The user channel from socket and REST to the account's stream."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pmcore.engine.account.journal import (
    ACCOUNT_JOURNAL,
    AccountJournalEntry,
    AccountJournalHeader,
)
from pmcore.engine.journal import JournalEnd
from pmcore.messages.user import (
    FillReported,
    OrderUpdated,
    OrderUpdateKind,
    PositionsRead,
    TokenShares,
    TradeStatus,
    UserChannelChanged,
    UserChannelState,
)
from pmcore.model.errors import Cause, TransportError
from pmcore.shell.journal import read_journal
from pmcore.shell.service.errors import StartupError
from pmuserws.settings import UserwsSettings
from support.userws_world import ADDRESS, KEY, PASSPHRASE, SECRET, WINDOW, UserwsWorld
from support.venue_peer import VenuePeer, eventually

UP, DOWN, RECONCILING = UserChannelState.UP, UserChannelState.DOWN, UserChannelState.RECONCILING
_NO_KEYS: dict[str, Any] = {
    "api_key": None,
    "api_secret": None,
    "api_passphrase": None,
    "address": None,
}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[UserwsWorld]:
    async with VenuePeer() as peer:
        yield UserwsWorld(peer, tmp_path)


async def test_it_subscribes_to_everything_of_the_key(world: UserwsWorld) -> None:
    async with world.running():
        socket = await world.peer.socket()
        assert await socket.hello() == {
            "type": "user",
            "auth": {"apiKey": KEY, "secret": SECRET, "passphrase": PASSPHRASE},
        }


async def test_it_is_up_only_after_reconciliation(world: UserwsWorld) -> None:
    trades = world.peer.routes.pop("/data/trades")
    async with world.running() as service:
        await (await world.peer.socket()).hello()
        await eventually(lambda: "reconcile_failed" in world.logs.getvalue(), "a failure")
        assert world.states() == [DOWN, RECONCILING]
        assert service.readiness() == ["user channel reconciling: connected"]
        world.peer.routes["/data/trades"] = trades
        await world.state(RECONCILING, UP)
        assert service.readiness() == []


async def test_fills_are_our_part_of_a_trade_and_once_per_status(world: UserwsWorld) -> None:
    async with world.running() as service:
        socket = await world.connected()
        frame = world.trade_frame("t1")
        await socket.send(frame, frame, world.trade_frame("t1", TradeStatus.MINED), frame)
        await eventually(lambda: service.state()["repeats"] == 2, "two repeats")
    fills = world.messages(FillReported)
    assert [fill.status for fill in fills] == [TradeStatus.MATCHED, TradeStatus.MINED]
    assert (fills[0].order_hash, fills[0].token_id) == ("0xours", WINDOW.up_token_id)
    assert (fills[0].price_e4, fills[0].size_u6) == (4700, 5_000_000)


async def test_order_events_are_passed_on(world: UserwsWorld) -> None:
    async with world.running():
        socket = await world.connected()
        await socket.send(
            world.order_frame(OrderUpdateKind.PLACEMENT),
            world.order_frame(OrderUpdateKind.UPDATE, 2_000_000),
        )
        await eventually(lambda: len(world.messages(OrderUpdated)) == 2, "two updates")
    assert [update.matched_u6 for update in world.messages(OrderUpdated)] == [0, 2_000_000]


async def test_what_was_missed_is_told_before_up(world: UserwsWorld) -> None:
    world.trades = [world.trade_row(f"t{number}") for number in range(5)]
    world.open_orders = [world.order_row(1_000_000)]
    async with world.running():
        await world.connected()
        fills = world.messages(FillReported)
        assert [fill.trade_id for fill in fills] == [f"t{number}" for number in range(5)]
        (update,) = world.messages(OrderUpdated)
        assert (update.matched_u6, update.status) == (1_000_000, "live")
    assert world.peer.count("/data/trades") == 3


async def test_rest_that_lags_behind_the_channel_is_not_believed(world: UserwsWorld) -> None:
    async with world.running(reconcile_s=1.0):
        socket = await world.connected()
        await socket.send(world.trade_frame("t1"), world.trade_frame("t1", TradeStatus.CONFIRMED))
        await eventually(lambda: len(world.messages(FillReported)) == 2, "two fills")
        world.trades = [world.trade_row("t1", TradeStatus.MINED)]
        await eventually(lambda: world.peer.count("/data/trades") >= 3, "reconciliations")
        assert len(world.messages(FillReported)) == 2


async def test_a_failure_that_only_rest_tells_is_passed_on(world: UserwsWorld) -> None:
    async with world.running(reconcile_s=1.0):
        socket = await world.connected()
        await socket.send(world.trade_frame("t1"))
        await eventually(lambda: world.messages(FillReported), "the fill")
        world.trades = [world.trade_row("t1", TradeStatus.FAILED)]
        await eventually(lambda: len(world.messages(FillReported)) == 2, "the failure")
    assert world.messages(FillReported)[-1].status is TradeStatus.FAILED


async def test_every_reconnect_reconciles(world: UserwsWorld) -> None:
    async with world.running():
        socket = await world.connected()
        socket.drop()
        world.trades = [world.trade_row("while away")]
        await world.state(RECONCILING, UP, DOWN, RECONCILING, UP)
        assert [fill.trade_id for fill in world.messages(FillReported)] == ["while away"]


async def test_a_channel_that_misses_fills_is_replaced(world: UserwsWorld) -> None:
    async with world.running(reconcile_s=1.0):
        await world.connected()
        world.trades = [world.trade_row("missed", age_ms=20_000)]
        await world.peer.socket()
        await world.state(UP, DOWN, RECONCILING, UP)
    assert "fills_missed_by_channel" in world.logs.getvalue()
    assert [fill.trade_id for fill in world.messages(FillReported)] == ["missed"]


async def test_a_frame_that_cannot_be_read_sends_it_to_rest(world: UserwsWorld) -> None:
    async with world.running(reconcile_s=600.0) as service:
        socket = await world.connected()
        world.trades = [world.trade_row("t1")]
        bare = world.trade_frame("t1")
        del bare["maker_orders"]
        await socket.send(bare, "{", "[]")
        await eventually(lambda: world.messages(FillReported), "the fill from REST")
        unusable: Any = service.state()["unusable"]
        assert unusable["no_maker_orders"] == 1
        assert sum(unusable.values()) == 2


async def test_a_fill_that_cannot_be_read_ends_the_trust_until_rest_agrees(
    world: UserwsWorld,
) -> None:
    async with world.running(reconcile_s=600.0):
        socket = await world.connected()
        world.trades = [world.trade_row("t1")]
        broken = world.trade_frame("t1")
        for entry in broken["maker_orders"]:
            entry["matched_amount"] = "5.0000001"
        await socket.send(broken)
        await world.state(UP, RECONCILING, UP)
        assert [fill.trade_id for fill in world.messages(FillReported)] == ["t1"]
    assert "own_trade_unreadable" in world.logs.getvalue()


async def test_positions_are_published_as_the_data_api_tells_them(world: UserwsWorld) -> None:
    world.positions = [
        {"token_id": str(number), "current_size": number, "redeemable": number == 4}
        for number in range(1, 6)
    ]
    async with world.running(reconcile_s=1.0) as service:
        await world.connected()
        await eventually(lambda: len(world.messages(PositionsRead)) == 2, "two readings")
        assert service.state()["positions_failed"] == 0
    read = world.messages(PositionsRead)[0]
    assert read.held == tuple(TokenShares(str(n), n * 1_000_000) for n in (1, 2, 3, 5))
    assert world.clock.now_ns() > read.ts_recv_ns >= read.asked_ns > 0


@pytest.mark.parametrize("answer", [(503, {"error": "away"}), (200, {"data": "no"})])
async def test_without_positions_it_goes_on_and_says_so(
    world: UserwsWorld, answer: tuple[int, Any]
) -> None:
    world.peer.routes["/v2/positions"] = lambda *_: answer
    async with world.running(reconcile_s=1.0) as service:
        await world.connected()
        await eventually(lambda: "positions_failed" in world.logs.getvalue(), "a failed reading")
        assert service.readiness() == []
    assert world.messages(PositionsRead) == []


async def test_a_fall_of_the_balance_is_told(world: UserwsWorld) -> None:
    world.run_faster(100.0)
    world.balance_u6 = 50_000_000
    async with world.running(reconcile_s=10.0, signature_type=2) as service:
        await world.connected()
        await eventually(lambda: service.state().get("balance") == 50, "the balance")
        world.balance_u6 -= 20_000_000
        await eventually(lambda: service.state().get("balance_falls") == 1, "a fall")
        assert service.readiness() == []
    assert '"reason":"20 dollars left the wallet' in world.logs.getvalue()
    assert world.balance_asked[0] == {"asset_type": "COLLATERAL", "signature_type": "2"}


@pytest.mark.parametrize("answer", [(503, {"error": "away"}), (200, {"balance": "much"})])
async def test_without_a_balance_it_goes_on_and_says_so(
    world: UserwsWorld, answer: tuple[int, Any]
) -> None:
    world.peer.routes["/balance-allowance"] = lambda *_: answer
    async with world.running(reconcile_s=1.0) as service:
        await world.connected()
        await eventually(lambda: "balance_failed" in world.logs.getvalue(), "a failed reading")
        await eventually(lambda: bool(world.messages(PositionsRead)), "positions")
        assert service.readiness() == []


async def test_endless_pages_of_positions_are_given_up(
    world: UserwsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pmuserws.reconcile.MAX_PAGES", 5)
    pages = {"has_more": True, "next_cursor": "x"}
    world.peer.routes["/v2/positions"] = lambda *_: (200, {"data": [], "pagination": pages})
    async with world.running(reconcile_s=600.0) as service:
        await world.connected()
        await eventually(lambda: service.state()["positions_failed"] == 1, "a failed reading")


async def test_while_rest_cannot_be_read_either_the_account_stays_untrusted(
    world: UserwsWorld,
) -> None:
    async with world.running(reconcile_s=600.0) as service:
        socket = await world.connected()
        broken = world.trade_row("t1")
        for entry in broken["maker_orders"]:
            entry["matched_amount"] = "5.0000001"
        world.trades = [broken]
        await socket.send("{")
        await world.state(UP, RECONCILING)
        await eventually(lambda: "reconcile_failed" in world.logs.getvalue(), "a failed read")
        assert world.states()[-1] is RECONCILING
        assert service.readiness() != []
        world.trades = [world.trade_row("t1")]
        await world.state(UP, RECONCILING, UP)


@pytest.mark.parametrize(
    ("field", "value"), [("status", "SETTLING"), ("price", "0.47001"), ("amount", "5.0000001")]
)
async def test_a_trade_that_only_rest_tells_and_unreadably_ends_up(
    world: UserwsWorld, field: str, value: str
) -> None:
    async with world.running(reconcile_s=1.0) as service:
        await world.connected()
        broken = world.trade_row("t1")
        if field == "status":
            broken["status"] = value
        for entry in broken["maker_orders"]:
            entry |= {"price": value} if field == "price" else {}
            entry |= {"matched_amount": value} if field == "amount" else {}
        world.trades = [broken]
        await world.state(UP, RECONCILING)
        assert "could not be read" in service.readiness()[0]
        world.trades = [world.trade_row("t1")]
        await world.state(RECONCILING, UP)
        assert len(world.messages(FillReported)) == 1


async def test_a_fill_in_which_we_took_is_booked_and_raises_the_alarm(world: UserwsWorld) -> None:
    async with world.running(reconcile_s=600.0):
        socket = await world.connected()
        took = world.trade_frame("t1")
        took |= {"owner": KEY, "trader_side": "TAKER", "maker_orders": took["maker_orders"][:0]}
        took["maker_orders"] = [{"order_id": "0x9", "owner": "else", "maker_address": "0xelse"}]
        await socket.send(took)
        await eventually(lambda: world.messages(FillReported), "the fill")
        (fill,) = world.messages(FillReported)
        assert fill.order_hash == took["taker_order_id"]
    assert "own_order_took" in world.logs.getvalue()


async def test_after_a_take_it_is_up_again_when_an_operator_resumes(world: UserwsWorld) -> None:
    async with world.running(reconcile_s=600.0) as service:
        socket = await world.connected()
        took = world.trade_frame("t1")
        took |= {"owner": KEY, "trader_side": "TAKER"}
        took["maker_orders"] = [{"order_id": "0x9", "owner": "else", "maker_address": "0xelse"}]
        await socket.send(took)
        await world.state(UP, RECONCILING)
        assert "took liquidity" in world.messages(UserChannelChanged)[-1].reason
        assert "took liquidity" in service.readiness()[0]
        await service.on_resume()
        await world.state(RECONCILING, UP)


async def test_it_is_not_up_before_the_connection_answered(world: UserwsWorld) -> None:
    world.peer.answers_ping = False
    async with world.running():
        socket = await world.peer.socket()
        await socket.hello()
        await world.state(RECONCILING)
        assert world.peer.requests == []
        await socket.send("[]")
        await world.state(RECONCILING, UP)


async def test_a_match_whose_trade_does_not_come_ends_up(world: UserwsWorld) -> None:
    world.run_faster(30)
    async with world.running(reconcile_s=3_600.0):
        socket = await world.connected()
        await socket.send(world.order_frame(OrderUpdateKind.UPDATE, 5_000_000))
        await world.state(UP, RECONCILING)
        world.trades = [world.trade_row("late")]
        await world.state(RECONCILING, UP)


async def test_its_journal_is_stepped_again_and_holds_no_secret(world: UserwsWorld) -> None:
    async with world.running():
        socket = await world.connected()
        await socket.send(world.trade_frame("t1"))
        await eventually(lambda: world.messages(FillReported), "the fill")
    (path,) = (world.data_dir / "journal").iterdir()
    lines = list(read_journal(path))
    assert ACCOUNT_JOURNAL.opens(lines[0])
    assert not any(secret.encode() in b"".join(lines) for secret in (SECRET, PASSPHRASE))
    header = ACCOUNT_JOURNAL.decode(lines[0])
    assert isinstance(header, AccountJournalHeader)
    engine = header.make_engine()
    for line in lines[1:-1]:
        entry = ACCOUNT_JOURNAL.decode(line)
        assert isinstance(entry, AccountJournalEntry)
        engine.step(entry.at_ns, entry.event)
    assert ACCOUNT_JOURNAL.decode(lines[-1]) == JournalEnd(engine.fingerprint)


async def test_its_journal_can_be_read_while_it_runs(world: UserwsWorld) -> None:
    world.run_faster(30)
    async with world.running():
        socket = await world.connected()
        await socket.send(world.trade_frame("t1"))
        (path,) = (world.data_dir / "journal").iterdir()
        await eventually(
            lambda: any(b'"t1"' in line for line in read_journal(path)), "the fill in the journal"
        )


async def test_without_a_journal_facts_go_on(world: UserwsWorld) -> None:
    (world.data_dir / "journal").write_text("not a folder")
    async with world.running():
        await world.connected()
    assert "journal_failed" in world.logs.getvalue()


async def test_while_redis_is_away_facts_wait_in_order(world: UserwsWorld) -> None:
    async with world.running() as service:
        socket = await world.connected()
        world.store.available = False
        await socket.send(*(world.trade_frame(f"t{number}") for number in range(3)))
        await eventually(lambda: service.state()["unpublished"] == 3, "three waiting")
        world.store.available = True
        await eventually(lambda: len(world.messages(FillReported)) == 3, "three fills")
    assert [fill.trade_id for fill in world.messages(FillReported)] == ["t0", "t1", "t2"]


async def test_a_stopped_channel_says_so(world: UserwsWorld) -> None:
    async with world.running() as service:
        await world.connected()
        await service.stop()
        assert world.states()[-1] is DOWN


async def test_dry_mode_is_idle_ready_and_silent(world: UserwsWorld) -> None:
    async with world.running(dry_run=True, **_NO_KEYS) as service:
        await eventually(lambda: "idle" in world.logs.getvalue(), "the log line")
        assert service.readiness() == []
        assert service.state()["channel"] == "idle (dry mode)"
    assert world.states() == []
    assert world.peer.requests == []


async def test_credentials_left_by_the_executor_are_waited_for(world: UserwsWorld) -> None:
    async with world.running(**_NO_KEYS) as service:
        await eventually(lambda: "waiting_for_credentials" in world.logs.getvalue(), "the line")
        assert service.readiness() == ["waiting for API credentials"]
        file = {"api_key": KEY, "secret": SECRET, "passphrase": PASSPHRASE, "address": ADDRESS}
        (world.data_dir / "api_credentials.json").write_text(json.dumps(file))
        await world.connected()
    assert SECRET not in world.logs.getvalue()


async def test_credentials_that_the_executor_replaces_are_not_used_on(world: UserwsWorld) -> None:
    path = world.data_dir / "api_credentials.json"
    stale = {"api_key": KEY, "secret": SECRET, "passphrase": PASSPHRASE, "address": ADDRESS}
    path.write_text(json.dumps(stale))
    with pytest.RaisesGroup(pytest.RaisesExc(StartupError, match="other credentials")):
        async with world.running(**_NO_KEYS):
            await world.connected()
            path.write_text(json.dumps(stale | {"api_key": "another account's"}))
            await eventually(world.task.done, "the end")


async def test_without_credentials_it_does_not_start(world: UserwsWorld) -> None:
    with pytest.raises(StartupError, match="no API credentials"):
        async with world.running(**_NO_KEYS, credentials_wait_s=0.0):
            await eventually(world.task.done, "the end")


@pytest.mark.parametrize("content", ["{", "{}", '{"api_key":1}'])
async def test_a_credentials_file_that_is_none_is_named(world: UserwsWorld, content: str) -> None:
    (world.data_dir / "api_credentials.json").write_text(content)
    with pytest.raises(StartupError, match=r"api_credentials.json is not"):
        async with world.running(**_NO_KEYS):
            await eventually(world.task.done, "the end")


def test_half_of_the_credentials_is_a_bad_setting() -> None:
    with pytest.raises(ValidationError, match="POLYMARKET_API_SECRET"):
        UserwsSettings.model_validate({"api_key": "k", "api_passphrase": "p"})


def test_a_key_needs_its_address() -> None:
    with pytest.raises(ValidationError, match="POLYMARKET_ADDRESS"):
        UserwsSettings.model_validate({"api_key": "k", "api_secret": "czE=", "api_passphrase": "p"})


def test_a_secret_that_is_not_base64_is_a_bad_setting() -> None:
    with pytest.raises(ValidationError, match="not base64"):
        UserwsSettings.model_validate({"api_key": "k", "api_secret": "s", "api_passphrase": "p"})


async def test_messages_that_wait_for_redis_are_bounded(
    world: UserwsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pmuserws.channel.MAX_UNPUBLISHED", 1)
    world.store.available = False

    async def run_until_it_ends() -> None:
        async with world.running():
            await world.peer.socket()
            await eventually(lambda: world.task.done(), "the service gives up")

    with pytest.raises(TransportError, match="1 messages wait for Redis"):
        await run_until_it_ends()


async def test_refused_credentials_are_a_trouble_until_it_is_up(world: UserwsWorld) -> None:
    trades = world.peer.routes["/data/trades"]
    world.peer.routes["/data/trades"] = lambda *_: (401, {"error": "Unauthorized"})
    async with world.running() as service:
        await (await world.peer.socket()).hello()
        health = service._context.health
        await eventually(
            lambda: Cause.AUTH in [one.cause for one in health.troubles()], "refused credentials"
        )
        world.peer.routes["/data/trades"] = trades
        await world.state(RECONCILING, UP)
        assert health.troubles() == []


async def test_a_match_whose_trade_does_not_come_pulls_rest(world: UserwsWorld) -> None:
    """The order's own event says 5 of 5; the trade is only in REST, long before its turn."""
    world.run_faster(30)
    async with world.running(reconcile_s=3_600.0) as service:
        socket = await world.connected()
        world.trades = [world.trade_row("late")]
        await socket.send(world.order_frame(OrderUpdateKind.UPDATE, 5_000_000))
        await eventually(lambda: world.messages(FillReported), "the trade from REST")
        await eventually(lambda: service.state()["orders_without_trades"] == 0, "nothing owed")
    assert [fill.trade_id for fill in world.messages(FillReported)] == ["late"]
    assert "fills_missing" in world.logs.getvalue()


async def test_a_trade_that_stays_matched_is_asked_for_by_its_id(world: UserwsWorld) -> None:
    world.run_faster(300)
    asked: list[str] = []
    answer = world.peer.routes["/data/trades"]

    def listening(params: Any, headers: Any) -> Any:
        asked.append(params.get("id", ""))
        return answer(params, headers)

    world.peer.routes["/data/trades"] = listening
    async with world.running(reconcile_s=3_600.0):
        socket = await world.connected()
        await socket.send(world.trade_frame("t1"))
        await eventually(lambda: world.messages(FillReported), "the match")
        world.trades = [world.trade_row("t1", TradeStatus.CONFIRMED)]
        await eventually(lambda: len(world.messages(FillReported)) == 2, "its settlement")
    assert "t1" in asked
    assert world.messages(FillReported)[-1].status is TradeStatus.CONFIRMED
