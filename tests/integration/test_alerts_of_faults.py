"""Every alert's fault, brought about in one run of a whole engine; and who is told.

A real Prometheus evaluates the rules over real services. What it says must reach a receiver that
speaks as an Alertmanager does; what the console finds by itself, a webhook.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from pmcore.messages.market_data import BookSnapshot, SnapshotOrigin
from pmcore.messages.orders import SubmitOrder
from pmcore.messages.user import FillReported, OrderUpdated, OrderUpdateKind, TradeStatus
from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_S, SHARE_U6
from pmcore.wire import keys
from support.chaos.chaos_engine import SERIES
from support.fault_run import ACCOUNT, LONG_SERIES, FaultRun, fault_run, why_no_full_disk
from support.promql import alert_rules
from support.webhook import Webhook, receiving

pytestmark = [pytest.mark.connected, pytest.mark.timeout(900)]

FAULTS = {
    "DiskNearlyFull": "a console keeps its data on a disk that is full",
    "RedisDenied": "somebody guesses a password of Redis",
    "CommandRefused": "somebody with the password sends orders without the lease",
    "StreamBehind": "so many that the executor does not keep up",
    "CommandsPending": "and so the first ones wait",
    "OrdersUnknown": "the venue takes orders and answers nothing",
    "UnknownMessages": "the market channel has frames of an unknown kind",
    "OrderVanished": "another process cancels our orders, and the user channel is silent",
    "PositionsDiffer": "shares are split by hand from the wallet's money",
    "BalanceFell": "the same",
    "FillsUnaccounted": "an order event tells of a match, and no trade follows",
    "FillsMissed": "there are fills, and the user channel is silent",
    "HeartbeatLate": "the venue refuses connections",
    "UserChannelDown": "the same",
    "BookStale": "the same",
    "ServiceNotReady": "the same",
    "OrderOutlivesWindow": "and so over the end of a window in which orders rest",
    "LimitViolated": "a fill of 500 shares is told that the venue does not know",
    "LossLimitReached": "the same",
    "ResidualNearTheEnd": "the same",
    "FillsUnsettled": "and it never settles",
    "BooksMismatched": "books are told that have other hashes",
    "ServiceDown": "the executor is frozen",
    "RedisAway": "Redis does not answer the feed",
    "ClockSkew": "market data come 2.5 s late",
    "NotQuoting": "no bid rests because of all that",
    "DeadLetters": "an entry of `user` cannot be read",
    "Halted": "an operator kills",
}
"""By alert, in the order of the run. Messages that no fault of the simulator brings are written to
Redis by the test."""
TOLD = {
    *("UnknownMessages", "PositionsDiffer", "BalanceFell", "FillsUnaccounted", "UserChannelDown"),
    *("BookStale", "LimitViolated", "LossLimitReached", "ResidualNearTheEnd", "FillsUnsettled"),
    *("ServiceDown", "NotQuoting", "DeadLetters", "Halted"),
}
"""Those that the console's own notifier tells too, by the same section of the runbook."""
ALL = 1_000_000
ORDERS = 20_000
BOOKS = 50
"""More than one in a thousand of those that the venue sent."""


async def test_each_alert_fires_in_its_fault_and_its_notice_arrives(tmp_path: Path) -> None:
    with receiving() as notified, receiving() as alerted:
        limits = {"PM_MAX_WINDOW_LOSS": "20", "PM_REPRICE_THRESHOLD": "0.05", "PM_OFI_MODE": "off"}
        waits = {"PM_POSITIONS_LAG_S": "2", "PM_SETTLE_GRACE_S": "5", "PM_USERWS_RECONCILE_S": "20"}
        async with fault_run(tmp_path, notified, alerted, **limits, **waits) as run:
            possible = FAULTS.keys() - await impossible(run)
            await asyncio.sleep(3)
            assert run.fired.keys() <= {"DiskNearlyFull"}, "nothing is wrong yet"
            await strangers_write_to_redis(run, possible)
            await the_venue_changes_and_does_not_answer(run)
            await the_user_channel_is_silent(run)
            await money_and_matches_are_not_what_they_were(run)
            await run.until_fired("FillsMissed", within_s=120)
            await run.engine.plan("user", None)
            await the_venue_is_away(run)
            await services_and_redis_stop(run)
            await run.until_fired(*(possible - {"DeadLetters", "Halted"}), within_s=90)
            await an_entry_is_unreadable_and_somebody_kills(run)
            print({name: round(at_s) for name, at_s in run.fired.items()}, f"{run.now_s:.0f} s")
            assert run.fired.keys() == possible
            await arrived(possible, notified, alerted)


def test_each_alert_has_its_fault() -> None:
    assert {rule.name for rule in alert_rules()} == FAULTS.keys()
    assert FAULTS.keys() >= TOLD


async def impossible(run: FaultRun) -> set[str]:
    """What cannot be brought about on this machine; it is printed why."""
    found = {}
    if why := why_no_full_disk():
        found["DiskNearlyFull"] = f"no mounts for users: {why}"
    if await run.redis_release() < 7:
        found["StreamBehind"] = "Redis tells the lag of a group from 7.0 on"
    print(found or "every alert can be fired here")
    return set(found)


async def strangers_write_to_redis(run: FaultRun, possible: set[str]) -> None:
    await run.guess_a_password()
    window, now_ns = await run.window(), run.engine.clock.now_ns()
    orders = [
        SubmitOrder(
            client_order_id=f"stranger.0.{number}",
            slug=window.slug,
            outcome=Outcome.UP,
            price_e4=1000,
            size_u6=5 * SHARE_U6,
            tick_e4=100,
            expires_at_ns=now_ns + NS_PER_S,
            ts_step_ns=now_ns,
        )
        for number in range(ORDERS)
    ]
    await run.say(keys.cmd(SERIES), *orders)
    await run.until_fired("RedisDenied", "CommandRefused", "CommandsPending")
    await run.until_fired(*(possible & {"StreamBehind"}))


async def the_venue_changes_and_does_not_answer(run: FaultRun) -> None:
    faults = {"transport": {"lose_response_ppm": ALL}, "market": {"unknown_ppm": ALL // 4}}
    await run.engine.plan("venue", faults)
    await run.until_fired("OrdersUnknown", "UnknownMessages")
    await run.engine.plan("venue", None)


async def the_user_channel_is_silent(run: FaultRun) -> None:
    """An order must have rested for a while when it goes, and a fill be old when REST tells it."""
    await run.engine.plan("user", {"user": {"silent": True}})
    for _ in range(10):
        await asyncio.sleep(6)
        await run.cancel_everything()
        await asyncio.sleep(6)
        if "OrderVanished" in run.fired:
            break
    await run.until_fired("OrderVanished", within_s=1)


async def money_and_matches_are_not_what_they_were(run: FaultRun) -> None:
    """In the long window; what comes of it is waited for later."""
    window = await run.window(LONG_SERIES)
    now_ns = run.engine.clock.now_ns()
    match = OrderUpdated(
        kind=OrderUpdateKind.UPDATE,
        order_hash="0x" + "cd" * 32,
        condition_id=window.condition_id,
        token_id=window.up_token_id,
        price_e4=4_000,
        original_u6=5 * SHARE_U6,
        matched_u6=5 * SHARE_U6,
        ts_event_ns=now_ns,
        ts_recv_ns=now_ns,
    )
    await run.say(keys.user(ACCOUNT), match)
    owner = (await run.wallet())["maker_address"]
    split = {"owner": owner, "market": window.slug, "size": "1000"}
    await run.engine.ask_simulator("/sim/split", split)


async def the_venue_is_away(run: FaultRun) -> None:
    """From before the end of a window until well into the next, in which a fill is made up."""
    engine = run.engine
    closing = await run.window_about_to_close(7, 10)
    await engine.plan("away", {"transport": {"refuse_connections": True}})
    await engine.ask_simulator("/sim/disconnect", {"channel": "all"})
    await run.until_closed(closing)
    window, now_ns = await run.window(), engine.clock.now_ns()
    fill = FillReported(
        trade_id="made up",
        order_hash="0x" + "ab" * 32,
        condition_id=window.condition_id,
        token_id=window.up_token_id,
        price_e4=9000,
        size_u6=500 * SHARE_U6,
        status=TradeStatus.MATCHED,
        ts_event_ns=now_ns,
        ts_recv_ns=now_ns,
    )
    await run.say(keys.user(ACCOUNT), fill)
    await run.until_fired("LimitViolated", "LossLimitReached", "ResidualNearTheEnd")
    away = ("HeartbeatLate", "UserChannelDown", "BookStale", "ServiceNotReady")
    await run.until_fired("OrderOutlivesWindow", *away)
    await engine.plan("away", None)


async def services_and_redis_stop(run: FaultRun) -> None:
    """While market data come late."""
    engine = run.engine
    await engine.plan("late", {"market": {"delay_ppm": ALL, "delay_ms": 2_500}})
    window, now_ns = await run.window(LONG_SERIES), engine.clock.now_ns()
    books = [
        BookSnapshot(
            slug=window.slug,
            outcome=Outcome.UP,
            bids=((4_000, 10 * SHARE_U6),),
            asks=((6_000, 10 * SHARE_U6),),
            hash=f"{number:040x}",
            origin=SnapshotOrigin.REST,
            last_trade="0.5",
            ts_event_ns=now_ns,
            ts_recv_ns=now_ns,
        )
        for number in range(BOOKS)
    ]
    await run.say(keys.md(LONG_SERIES), *books)
    engine.to_redis["feed"].silence()
    await run.until_fired("RedisAway")
    engine.to_redis["feed"].mend()
    engine.signal("executor", signal.SIGSTOP)
    await asyncio.sleep(10)  # the console tells it after 7 s
    await run.until_fired("ServiceDown")
    engine.signal("executor", signal.SIGCONT)


async def an_entry_is_unreadable_and_somebody_kills(run: FaultRun) -> None:
    await run.engine.direct.xadd(keys.user(ACCOUNT), {"t": "fill_reported", "d": "{", "e": "{"})
    await run.until_fired("DeadLetters")
    await run.engine.kill("tried in a fault run", "feed")
    await run.until_fired("Halted")


async def arrived(fired: set[str], notified: Webhook, alerted: Webhook) -> None:
    """All at the receiver of Prometheus, with their sections; those of the console at its own."""
    runbook = {rule.name: rule.runbook for rule in alert_rules()}
    told = {alert["labels"]["alertname"]: alert for batch in alerted.got for alert in batch}
    assert {name: one["annotations"]["runbook"] for name, one in told.items()} == {
        name: runbook[name] for name in fired
    }
    async with asyncio.timeout(60):  # between two messages are 15 s at least
        while missing := sorted(n for n in TOLD if f"({runbook[n]})" not in notified.text):
            print("not told yet:", missing)
            await asyncio.sleep(5)
