from __future__ import annotations

import msgspec
import pytest

from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_S, SHARE_U6
from pmsim.venue.ports import MarketFrame, OrderStatus, TimeInForce
from support.quiet_market import ANN, BOB, START_U6, QuietMarket

FOK_TEXT = "order couldn't be fully filled. FOK orders are fully filled or killed."
FAK_TEXT = (
    "no orders found to match with FAK order. FAK orders are partially filled or killed if no "
    "match is found."
)


def status(market: QuietMarket, order_hash: str) -> OrderStatus:
    record = market.venue.order(order_hash)
    assert record is not None
    return record.status


def market_texts(market: QuietMarket, seconds: float = 0.0) -> list[dict[str, object]]:
    return [
        msgspec.json.decode(event.text)
        for event in market.later(seconds)
        if isinstance(event, MarketFrame) and not event.custom
    ]


@pytest.mark.parametrize(
    ("kind", "text"), [(TimeInForce.FOK, FOK_TEXT), (TimeInForce.FAK, FAK_TEXT)]
)
def test_immediate_orders_without_a_counterpart_say_so(kind: TimeInForce, text: str) -> None:
    market = QuietMarket()
    market.post(ANN, 5000, 5, sell=True)
    assert market.post(BOB, 4900, kind=kind).error == text
    answer = market.post(BOB, 5000, 10, kind=kind)
    if kind is TimeInForce.FOK:
        assert answer.error == text
        assert market.venue.order(answer.order_hash) is None
    else:
        assert (answer.status, answer.taking_u6) == ("matched", 5 * SHARE_U6)
        assert status(market, answer.order_hash) is OrderStatus.CANCELED


def test_a_market_buy_spends_its_cash_through_the_levels() -> None:
    market = QuietMarket()
    market.post(ANN, 4000, 10, sell=True)
    market.post(ANN, 5000, 10, sell=True)
    answer = market.post(
        BOB, 5500, 0, kind=TimeInForce.FOK, amount_u6=6_500_000, size_u6=11_810_000
    )
    assert (answer.making_u6, answer.taking_u6) == (6_500_000, 15 * SHARE_U6)
    record = market.venue.order(answer.order_hash)
    assert record is not None
    assert (record.status, record.matched_u6, record.original_u6) == (
        OrderStatus.MATCHED,
        15 * SHARE_U6,
        15 * SHARE_U6,
    )
    placement = next(f for f in market.frames() if f.get("id") == answer.order_hash)
    assert placement["original_size"] == "6.5"


def test_a_market_buy_that_finds_too_little_is_killed_or_cut() -> None:
    market = QuietMarket()
    market.post(ANN, 5000, 10, sell=True)
    killed = market.post(BOB, 5500, kind=TimeInForce.FOK, amount_u6=6_000_000)
    assert killed.error == FOK_TEXT
    cut = market.post(BOB, 5500, kind=TimeInForce.FAK, amount_u6=6_000_000)
    assert (cut.making_u6, cut.taking_u6) == (5_000_000, 10 * SHARE_U6)
    assert status(market, cut.order_hash) is OrderStatus.CANCELED


def test_a_marketable_buy_needs_a_dollar() -> None:
    market = QuietMarket()
    market.post(ANN, 1000, 20, sell=True)
    text = "invalid amount for a marketable BUY order ($0.5), min size: $1"
    assert market.post(BOB, 1000, 5, kind=TimeInForce.FAK).error == text
    assert market.post(BOB, 1000, 5).error == text
    assert market.post(BOB, 900, 5).status == "live"


def test_a_market_buy_in_parts_of_a_cent_is_refused() -> None:
    market = QuietMarket()
    market.post(ANN, 5000, 20, sell=True)
    answer = market.post(BOB, 5000, kind=TimeInForce.FAK, amount_u6=2_005_000)
    assert answer.error.startswith("invalid amounts, the market buy orders maker amount supports")
    assert market.post(BOB, 5000, amount_u6=2_000_000).error == "Invalid order payload"


def test_good_till_date_dies_a_minute_early_and_tells() -> None:
    market = QuietMarket()
    now_s = market.now_ns // NS_PER_S
    early = market.post(ANN, 4000, kind=TimeInForce.GTD, expiration_s=now_s + 179)
    assert early.error == "invalid expiration"
    assert market.post(ANN, 4000, expiration_s=now_s + 200).error == "invalid expiration"
    answer = market.post(ANN, 4000, kind=TimeInForce.GTD, expiration_s=now_s + 180)
    assert answer.status == "live"
    market.later(119.9)
    assert status(market, answer.order_hash) is OrderStatus.LIVE
    events = market.later(0.2)
    frames = [e.frame for e in events if not isinstance(e, MarketFrame)]
    assert [(f["type"], f["status"]) for f in frames] == [
        ("CANCELLATION", "CANCELED_EXPIRED_ORDER")
    ]
    assert any(
        '"size":"0"' in e.text.replace(" ", "") for e in events if isinstance(e, MarketFrame)
    )
    assert market.venue.open_orders(ANN.owner) == []


def test_a_marketable_order_waits_and_cannot_be_cancelled() -> None:
    market = QuietMarket(taker_delay_ms=150)
    market.post(ANN, 5000, 10, sell=True)
    answer = market.post(BOB, 5000, 10)
    assert (answer.status, answer.making_u6, answer.trade_ids) == ("delayed", 0, ())
    assert market.venue.open_orders(BOB.owner) == []
    refusal = market.venue.cancel(BOB.owner, [answer.order_hash], market.now_ns)
    assert refusal.not_canceled == ((answer.order_hash, "Order not found or already canceled"),)
    assert market.venue.cancel_all(BOB.owner, market.now_ns).canceled == ()
    assert market.frames(0.149)[-1]["status"] == "DELAYED"
    assert market.venue.trades(BOB.owner) == []
    market.later(0.001)
    assert status(market, answer.order_hash) is OrderStatus.MATCHED


def test_a_cancel_wins_the_race_against_a_delayed_taker() -> None:
    market = QuietMarket(taker_delay_ms=150)
    maker = market.post(ANN, 5000, 10, sell=True, post_only=True)
    assert maker.status == "live"
    takers = [
        market.post(BOB, 5000, 10),
        market.post(BOB, 5000, 10, kind=TimeInForce.FOK),
        market.post(BOB, 5000, 10, kind=TimeInForce.FAK),
    ]
    market.later(0.1)
    done = market.venue.cancel(ANN.owner, [maker.order_hash], market.now_ns)
    assert done.canceled == (maker.order_hash,)
    frames = {f["id"]: f["status"] for f in market.frames(0.1)}
    assert [frames[taker.order_hash] for taker in takers] == [
        "LIVE",
        f"CANCELED_{FOK_TEXT}",
        f"CANCELED_{FAK_TEXT}",
    ]
    assert [r.order_hash for r in market.venue.open_orders(BOB.owner)] == [takers[0].order_hash]
    assert market.venue.trades(BOB.owner) == []


def test_a_delayed_order_whose_money_is_gone_is_cancelled() -> None:
    market = QuietMarket(sets=20, taker_delay_ms=150)
    market.post(ANN, 5000, 10)
    answer = market.post(BOB, 5000, 20, sell=True)
    assert answer.status == "delayed"
    market.venue.accounts.ledger.merge(BOB.owner, market.window, 15 * SHARE_U6)
    frames = market.frames(0.2)
    assert frames[-1]["status"] == "CANCELED_NOT_ENOUGH_BALANCE"


def test_a_delayed_order_binds_its_funds() -> None:
    market = QuietMarket(sets=0, taker_delay_ms=150)
    market.venue.split(ANN.owner, market.window.condition_id, 100 * SHARE_U6, market.now_ns)
    market.post(ANN, 5000, 100, sell=True)
    market.post(BOB, 5000, 100)
    refusal = market.post(BOB, 4000, 2_400)
    assert refusal.error == (
        "not enough balance / allowance: the balance is not enough -> balance: 1000000000, "
        "sum of active orders: 50000000, sum of matched orders: 0, "
        "order amount (inc. fees): 960000000"
    )


def test_post_only_is_judged_at_once_and_against_own_orders() -> None:
    market = QuietMarket(taker_delay_ms=150)
    text = "invalid post-only order: order crosses book"
    assert market.post(ANN, 5000, post_only=True).status == "live"
    assert market.post(ANN, 5000, post_only=True, outcome=Outcome.DOWN).error == text
    assert market.post(ANN, 5000, post_only=True, sell=True).error == text
    assert market.post(ANN, 4900, post_only=True, outcome=Outcome.DOWN).status == "live"


def test_a_batch_is_one_event_with_one_hash_per_token() -> None:
    market = QuietMarket()
    orders = [
        market.order(4000, post_only=True),
        market.order(3900, post_only=True),
        market.order(4050, post_only=True),
        market.order(5000, post_only=True, outcome=Outcome.DOWN),
    ]
    answers = market.venue.place_batch(ANN.owner, orders, market.now_ns)
    assert [answer.status for answer in answers] == ["live", "live", "", "live"]
    frames = market_texts(market)
    assert [frame["event_type"] for frame in frames] == ["price_change"] * 3
    assert len({frame["timestamp"] for frame in frames}) == 1
    hashes: dict[object, set[object]] = {}
    for frame in frames:
        changes = frame["price_changes"]
        assert isinstance(changes, list)
        assert changes[0]["side"] == "BUY"
        for change in changes:
            hashes.setdefault(change["asset_id"], set()).add(change["hash"])
    assert [len(found) for found in hashes.values()] == [1, 1]
    for token, (hash_,) in hashes.items():
        book = market.venue.book(str(token))
        assert book is not None
        assert book["hash"] == hash_


def test_a_batch_that_trades_publishes_in_order() -> None:
    market = QuietMarket()
    market.post(BOB, 5000, 10, sell=True)
    market.later(0)
    orders = [market.order(4000), market.order(5000), market.order(3900)]
    answers = market.venue.place_batch(ANN.owner, orders, market.now_ns)
    assert [answer.status for answer in answers] == ["live", "matched", "live"]
    kinds = [frame["event_type"] for frame in market_texts(market)]
    assert kinds == ["price_change", "book", "book", "price_change", "price_change"]


def test_two_bids_mint_and_two_offers_merge() -> None:
    market = QuietMarket()
    ledger, window = market.venue.accounts.ledger, market.window
    before_u6 = ledger.sets_u6(window)
    market.post(ANN, 6000, 10)
    minted = market.post(BOB, 4500, 10, outcome=Outcome.DOWN)
    assert (minted.making_u6, minted.taking_u6) == (4_000_000, 10 * SHARE_U6)
    assert ledger.sets_u6(window) == before_u6 + 10 * SHARE_U6
    market.post(ANN, 6000, 20, sell=True)
    merged = market.post(BOB, 4000, 20, outcome=Outcome.DOWN, sell=True)
    assert (merged.making_u6, merged.taking_u6) == (20 * SHARE_U6, 8_000_000)
    assert ledger.sets_u6(window) == before_u6 - 10 * SHARE_U6
    trade = market.venue.trades(ANN.owner)[0]
    frames = [
        f for f in market.frames() if f["event_type"] == "trade" and f["id"] == trade.trade_id
    ]
    assert [f["trader_side"] for f in frames] == ["TAKER", "MAKER"]
    assert all(f["outcome"] == "Down" and f["side"] == "SELL" for f in frames)


def test_sells_are_bounded_by_shares() -> None:
    market = QuietMarket(sets=10)
    assert market.post(ANN, 6000, 6, sell=True).status == "live"
    assert market.post(ANN, 6100, 5, sell=True).error == (
        "not enough balance / allowance: the balance is not enough -> balance: 10000000, "
        "sum of active orders: 6000000, sum of matched orders: 0, "
        "order amount (inc. fees): 5000000"
    )
    assert market.post(ANN, 6000, 10, sell=True, outcome=Outcome.DOWN).status == "live"


def test_a_taker_pays_the_fee_and_a_maker_is_promised_a_fifth() -> None:
    market = QuietMarket()
    market.post(ANN, 5000, 10, sell=True)
    market.post(BOB, 5000, 10)
    ann, bob = (market.venue.account_audit(who.owner) for who in (ANN, BOB))
    assert (bob.fees_paid_u6, bob.cash_u6) == (175_000, START_U6 - 5_000_000 - 175_000)
    assert (ann.fees_paid_u6, ann.cash_u6, ann.rebates_u6) == (0, START_U6 + 5_000_000, 35_000)
    assert market.venue.trades(BOB.owner)[0].fee_u6 == 175_000
