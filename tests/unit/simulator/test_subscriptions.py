"""Who hears a frame, once each, and what happens to those who do not read."""

from __future__ import annotations

import asyncio

from pmsim.venue.ports import MarketFrame, UserFrame
from pmsimulator.subscriptions import (
    MarketSubscriber,
    Outbox,
    Subscriptions,
    UserSubscriber,
)
from support.socket_frames import frame_text


def frame(*tokens: str, custom: bool = False) -> MarketFrame:
    return MarketFrame(at_ns=1, condition_id="0xc", token_ids=tokens, text="text", custom=custom)


async def taken(outbox: Outbox) -> list[str]:
    outbox.put_text("end")
    return [frame_text(frame) for frame in (await outbox.take())[:-1]]


async def test_a_frame_of_both_tokens_is_sent_once_per_connection() -> None:
    subscriptions = Subscriptions(10)
    both, one, none = (MarketSubscriber(subscriptions.new_outbox()) for _ in range(3))
    assert subscriptions.add_assets(both, ["up", "down", "up"]) == ["up", "down"]
    assert subscriptions.add_assets(both, ["up"]) == []
    subscriptions.add_assets(one, ["down"])
    subscriptions.add_assets(none, ["other"])
    subscriptions.deliver(frame("up", "down"))
    assert [await taken(s.outbox) for s in (both, one, none)] == [["text"], ["text"], []]
    subscriptions.remove_assets(both, ["up", "never"])
    subscriptions.deliver(frame("up"))
    assert await taken(both.outbox) == []


async def test_custom_frames_need_the_flag() -> None:
    subscriptions = Subscriptions(10)
    plain, custom = (MarketSubscriber(subscriptions.new_outbox()) for _ in range(2))
    custom.custom_features = True
    for subscriber in (plain, custom):
        subscriptions.add_assets(subscriber, ["up"])
    subscriptions.deliver(frame("up", custom=True))
    assert await taken(plain.outbox) == []
    assert await taken(custom.outbox) == ["text"]


async def test_user_frames_go_to_the_key_and_its_markets() -> None:
    subscriptions = Subscriptions(10)
    all_markets = UserSubscriber(subscriptions.new_outbox(), "key", [])
    other_market = UserSubscriber(subscriptions.new_outbox(), "key", ["0xd"])
    other_key = UserSubscriber(subscriptions.new_outbox(), "foreign", [])
    for subscriber in (all_markets, other_market, other_key):
        subscriptions.add_user(subscriber)
    event = UserFrame(at_ns=1, owner="key", condition_id="0xc", frame={"event_type": "order"})
    subscriptions.deliver(event)
    assert await taken(all_markets.outbox) == ['{"event_type":"order"}']
    assert await taken(other_market.outbox) == []
    assert await taken(other_key.outbox) == []
    subscriptions.remove_user(all_markets)
    subscriptions.deliver(event)
    assert await taken(all_markets.outbox) == []


async def test_a_full_outbox_gives_up_instead_of_growing() -> None:
    outbox = Outbox(2)
    for _ in range(2):
        outbox.put(b"text")
    assert not outbox.overflow.is_set()
    for _ in range(5):
        outbox.put(b"late")
    assert outbox.overflow.is_set()
    assert await outbox.take() == []


async def test_take_waits_for_the_first_frame() -> None:
    outbox = Outbox(2)
    waiting = asyncio.create_task(outbox.take())
    await asyncio.sleep(0)
    assert not waiting.done()
    outbox.put(b"a")
    assert await waiting == [b"a"]


async def test_a_long_queue_is_taken_in_parts() -> None:
    outbox = Outbox(1_000)
    for number in range(300):
        outbox.put(b"%d" % number)
    first = await outbox.take()
    assert 0 < len(first) < 300
    assert first + await outbox.take() == [b"%d" % number for number in range(300)]


async def test_frames_of_no_token_go_to_all_with_the_flag() -> None:
    subscriptions = Subscriptions(10)
    plain, custom = (MarketSubscriber(subscriptions.new_outbox()) for _ in range(2))
    custom.custom_features = True
    for subscriber in (plain, custom):
        subscriptions.add_market(subscriber)
    subscriptions.deliver(frame(custom=True))
    assert await taken(plain.outbox) == []
    assert await taken(custom.outbox) == ["text"]
    subscriptions.remove_market(custom)
    subscriptions.deliver(frame(custom=True))
    assert await taken(custom.outbox) == []


def test_connections_are_dropped_by_channel_and_age() -> None:
    subscriptions = Subscriptions(10)
    market = MarketSubscriber(subscriptions.new_outbox(5))
    user = UserSubscriber(subscriptions.new_outbox(9), "key", [])
    subscriptions.add_market(market)
    subscriptions.add_user(user)
    assert subscriptions.drop("all", 4) == 0
    assert subscriptions.drop("all", 5) == 1
    assert market.outbox.dropped.is_set()
    assert not user.outbox.dropped.is_set()
    assert subscriptions.drop("user") == 1
    assert user.outbox.dropped.is_set()
