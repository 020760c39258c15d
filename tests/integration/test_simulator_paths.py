"""The less used paths of the venue, with the official client where it has them.

See docs/venue.md 1.2.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from py_clob_client_v2 import (
    BalanceAllowanceParams,
    BookParams,
    ClobClient,
    DropNotificationParams,
    OrderArgs,
    OrderPayload,
    OrderScoringParams,
    OrdersScoringParams,
    PostOrdersV2Args,
    PricesHistoryParams,
)
from websockets.sync.client import connect

from pmcore.model.market import Protocol
from pmcore.venue.listings import parse_gamma_market
from pmsim.venue.accounts import AccountsParams
from support.running_venue import RunningVenue, synthetic_venue

pytestmark = pytest.mark.connected

MAKER_KEY, TAKER_KEY = "0x" + "42" * 32, "0x" + "43" * 32
WALLET = "0x" + "77" * 20
PATIENCE_S = 30.0


@pytest.fixture
def venue() -> Iterator[RunningVenue]:
    with synthetic_venue() as running:
        yield running


@pytest.fixture
def maker(venue: RunningVenue) -> ClobClient:
    return venue.client(MAKER_KEY)


def buy(client: ClobClient, token_id: str, price: float, size: int, **options: Any) -> Any:
    args = OrderArgs(token_id=token_id, price=price, size=size, side="BUY")
    return client.create_and_post_order(args, post_only=options.pop("post_only", True), **options)


def hash_of(book: dict[str, Any]) -> str:
    """SHA-1 of the book as it came, with an empty hash (docs/venue.md 5.4)."""
    text = json.dumps({**book, "hash": ""}, separators=(",", ":"))
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def test_prices_come_many_at_a_time(venue: RunningVenue, maker: ClobClient) -> None:
    up, down = venue.tokens(venue.slug)
    both = [BookParams(token_id=up, side="BUY"), BookParams(token_id=down, side="SELL")]
    mids = maker.get_midpoints(both)
    assert float(mids[up]) + float(mids[down]) == pytest.approx(1)
    prices = maker.get_prices(both)
    assert set(prices[up]) == {"BUY"}
    assert float(prices[up]["BUY"]) + float(prices[down]["SELL"]) == pytest.approx(1)
    assert set(maker.get_spreads(both)) == {up, down}
    assert maker.get_midpoints([BookParams(token_id="77")]) == {}


def test_history_is_sampled() -> None:
    with synthetic_venue(speed=60.0) as venue:
        client = venue.client(MAKER_KEY)
        up, _ = venue.tokens(venue.slug)
        deadline = time.monotonic() + PATIENCE_S
        rows: list[Any] = []
        while len(rows) < 3:
            assert time.monotonic() < deadline
            params = PricesHistoryParams(market=up, interval="1h", fidelity=0)
            rows = client.get_prices_history(params)["history"]
        assert all(0 < row["p"] < 1 for row in rows)
        assert rows[0]["t"] < rows[-1]["t"]
        ends = PricesHistoryParams(market=up, start_ts=rows[1]["t"], end_ts=rows[1]["t"])
        assert client.get_prices_history(ends)["history"] == [rows[1]]
        unbounded = httpx.get(f"{venue.url}/prices-history", params={"market": up})
        assert unbounded.status_code == 400


def test_an_order_scores_near_the_midpoint(venue: RunningVenue, maker: ClobClient) -> None:
    up, _ = venue.tokens(venue.slug)
    mid = float(maker.get_midpoint(up)["mid"])
    near = buy(maker, up, round(mid - 0.02, 2), 50)["orderID"]
    small = buy(maker, up, round(mid - 0.02, 2), 49)["orderID"]
    far = buy(maker, up, 0.01, 100)["orderID"]
    assert maker.is_order_scoring(OrderScoringParams(orderId=near)) == {"scoring": True}
    ids = [near, small, far, "0x00"]
    scoring = maker.are_orders_scoring(OrdersScoringParams(orderIds=ids))
    assert scoring == {near: True, small: False, far: False, "0x00": False}


def test_rewards_answer_in_pages(venue: RunningVenue, maker: ClobClient) -> None:
    condition_id = venue.window(venue.slug).condition_id
    assert condition_id in [row["condition_id"] for row in maker.get_current_rewards()]
    (row,) = maker.get_raw_rewards_for_market(condition_id)
    assert (row["rewards_min_size"], row["rewards_max_spread"]) == (50, 4.5)
    assert maker.get_earnings_for_user_for_day("2026-11-01") == []
    assert maker.get_total_earnings_for_user_for_day("2026-11-01") == []
    assert maker.get_user_earnings_and_markets_config("2026-11-01") == []
    assert maker.get_reward_percentages() == {}


def test_fills_and_cancels_are_notified(venue: RunningVenue, maker: ClobClient) -> None:
    up, down = venue.tokens(venue.next_slug)
    first = buy(maker, up, 0.55, 10)["orderID"]
    buy(venue.client(TAKER_KEY), down, 0.46, 6, post_only=False, defer_exec=True)
    maker.cancel_order(OrderPayload(orderID=first))
    notices = maker.get_notifications()
    assert [notice["type"] for notice in notices] == [1, 2]
    assert notices[0]["payload"]["order_id"] == first
    maker.drop_notifications(DropNotificationParams(ids=[str(notices[0]["id"])]))
    assert [notice["type"] for notice in maker.get_notifications()] == [2]
    maker.drop_notifications()
    assert maker.get_notifications() == []


def test_takers_pay_and_makers_are_rebated(venue: RunningVenue, maker: ClobClient) -> None:
    up, down = venue.tokens(venue.next_slug)
    taker = venue.client(TAKER_KEY)
    buy(maker, up, 0.5, 100)
    buy(taker, down, 0.5, 100, post_only=False, defer_exec=True)
    paid = httpx.get(f"{venue.url}/audit", params={"owner": taker.get_address()}).json()
    (account,) = paid["accounts"]
    assert (account["fees_paid"], account["trades"][0]["fee"]) == ("1.75", "1.75")
    assert account["orders"][0]["status"] == "ORDER_STATUS_MATCHED"
    day = time.strftime("%Y-%m-%d", time.gmtime(venue.start_s))
    params = {"date": day, "maker_address": maker.get_address()}
    (rebate,) = httpx.get(f"{venue.url}/rebates/current", params=params).json()
    assert rebate["condition_id"] == venue.window(venue.next_slug).condition_id
    assert rebate["rebated_fees_usdc"] == "0.35"
    params["date"] = "2020-01-01"
    assert httpx.get(f"{venue.url}/rebates/current", params=params).json() == []


def test_another_signature_type_is_another_wallet(venue: RunningVenue) -> None:
    mine = venue.client(MAKER_KEY, signature_type=3, funder=WALLET)
    cash = BalanceAllowanceParams(asset_type="COLLATERAL")
    before = mine.get_balance_allowance(cash)["balance"]
    assert int(before) > 0
    buy(mine, venue.tokens(venue.next_slug)[0], 0.2, 10)
    wrong = venue.client(MAKER_KEY, signature_type=1, funder=WALLET)
    assert wrong.get_balance_allowance(cash)["balance"] == "0"
    assert mine.get_balance_allowance(cash)["balance"] == before


def test_the_tier_is_told(venue: RunningVenue, maker: ClobClient) -> None:
    headers = maker._l2_headers("GET", "/v1/user/rate-limit-tier")
    tier = maker._get(f"{venue.url}/v1/user/rate-limit-tier", headers=headers)
    assert tier["tier"] == "Standard"
    assert tier["orders"] == {"per_second": 40, "burst": 60}
    headers = maker._l2_headers("POST", "/heartbeats")
    assert maker._post(f"{venue.url}/heartbeats", headers=headers) == {"status": "ok"}
    assert maker._get(f"{venue.url}/fees/builder-fees/0x01")["builder_taker_fee_rate_bps"] == 0


def test_positions_are_split_merged_and_redeemed() -> None:
    with synthetic_venue(speed=100.0, accounts=AccountsParams(mined_delay_ms=1)) as venue:
        maker = venue.client(MAKER_KEY)
        window = venue.window(venue.slug)
        maker.get_open_orders()
        position = {"owner": maker.get_address(), "market": venue.slug, "size": "10"}
        split = httpx.post(f"{venue.url}/sim/split", json=position).json()
        assert split == {"size": "10", "cash": "-10"}
        merged = httpx.post(
            f"{venue.url}/sim/merge",
            json={**position, "market": window.condition_id, "size": "4"},
        )
        assert merged.json() == {"size": "4", "cash": "4"}
        shares = BalanceAllowanceParams(asset_type="CONDITIONAL", token_id=window.up_token_id)
        assert maker.get_balance_allowance(shares)["balance"] == "6000000"
        early = httpx.post(f"{venue.url}/sim/redeem", json=position)
        assert early.status_code == 400
        deadline = time.monotonic() + PATIENCE_S
        while httpx.post(f"{venue.url}/sim/redeem", json=position).json() != {
            "size": "12",
            "cash": "6",
        }:
            assert time.monotonic() < deadline
        nobody = httpx.post(f"{venue.url}/sim/split", json={**position, "owner": "x"})
        assert nobody.status_code == 404


def test_a_finer_tick_is_told_and_kept(venue: RunningVenue, maker: ClobClient) -> None:
    up, _ = venue.tokens(venue.next_slug)
    market = venue.window(venue.next_slug).condition_id
    with connect(f"ws://{venue.address}/ws/market") as socket:
        socket.send(json.dumps({"type": "market", "assets_ids": [up]}))
        assert json.loads(socket.recv(timeout=PATIENCE_S))
        wanted = {"market": market, "tick_size": "0.001"}
        assert httpx.post(f"{venue.url}/sim/tick", json=wanted).status_code == 200
        frame = json.loads(socket.recv(timeout=PATIENCE_S))
        assert (frame["event_type"], frame["new_tick_size"]) == ("tick_size_change", "0.001")
    assert maker.get_clob_market_info(market)["mts"] == 0.001
    assert buy(maker, up, 0.305, 10)["status"] == "live"
    coarser = httpx.post(f"{venue.url}/sim/tick", json={**wanted, "tick_size": "0.01"})
    assert coarser.status_code == 400


def test_a_batch_is_one_event(venue: RunningVenue, maker: ClobClient) -> None:
    up, down = venue.tokens(venue.next_slug)
    orders = [
        maker.create_order(OrderArgs(token_id=up, price=cents / 100, size=10, side="BUY"))
        for cents in (30, 31, 32)
    ]
    with connect(f"ws://{venue.address}/ws/market") as socket:
        socket.send(json.dumps({"type": "market", "assets_ids": [up, down]}))
        assert json.loads(socket.recv(timeout=PATIENCE_S))
        args = [PostOrdersV2Args(order=order, orderType="GTC") for order in orders]
        maker.post_orders(args, post_only=True)
        frames = [json.loads(socket.recv(timeout=PATIENCE_S)) for _ in orders]
    assert {len(frame["price_changes"]) for frame in frames} == {2}
    assert len({frame["timestamp"] for frame in frames}) == 1
    assert len({entry["hash"] for f in frames for entry in f["price_changes"]}) == 2


def test_a_taker_waits_and_cannot_be_cancelled() -> None:
    with synthetic_venue(taker_delay_ms=150) as venue:
        maker, taker = venue.client(MAKER_KEY), venue.client(TAKER_KEY)
        up, down = venue.tokens(venue.next_slug)
        buy(maker, up, 0.55, 10)
        held = buy(taker, down, 0.46, 6, post_only=False, defer_exec=True)
        assert (held["status"], held["makingAmount"]) == ("delayed", "0")
        deadline = time.monotonic() + PATIENCE_S
        while taker.get_order(held["orderID"])["size_matched"] != "6":
            assert time.monotonic() < deadline


def test_a_day_of_windows_is_listed_page_by_page(venue: RunningVenue) -> None:
    slugs: list[str] = []
    cursor = ""
    while True:
        params: dict[str, str | int] = {
            "series_id": 10684,
            "closed": "false",
            "limit": 100,
            "after_cursor": cursor,
        }
        page = httpx.get(f"{venue.url}/events/keyset", params=params, timeout=PATIENCE_S).json()
        assert len(page["events"]) <= 100
        slugs += [event["slug"] for event in page["events"]]
        if "next_cursor" not in page:
            break
        cursor = page["next_cursor"]
    starts = [int(slug.rsplit("-", 1)[1]) for slug in slugs]
    assert starts == list(range(starts[0], starts[0] + 300 * len(starts), 300))
    assert starts[-1] - venue.start_s >= 86_400 - 300
    far = httpx.get(f"{venue.url}/markets", params={"slug": slugs[-1]}).json()[0]
    assert far["acceptingOrders"] is True
    two = httpx.get(f"{venue.url}/markets/keyset", params={"limit": 2}).json()
    assert len(two["markets"]) == 2
    assert httpx.get(f"{venue.url}/events/slug/{slugs[0]}").json()["slug"] == slugs[0]
    for wrong in ({"limit": "x"}, {"closed": "maybe"}, {"after_cursor": "%%"}):
        assert httpx.get(f"{venue.url}/events/keyset", params=wrong).status_code == 422
    assert httpx.get(f"{venue.url}/events/keyset", params={"series_id": 1}).json()["events"] == []


def test_a_market_of_protocol_v2_trades_by_position_id() -> None:
    with synthetic_venue(protocol=Protocol.V2) as venue:
        gamma = httpx.get(f"{venue.url}/markets", params={"slug": venue.next_slug}).json()[0]
        assert (gamma["version"], gamma["clobTokenIds"]) == ("v2", None)
        assert len(gamma["conditionId"]) == 2 + 62
        window = parse_gamma_market(gamma)
        up, down = gamma["positionIds"]
        assert (window.up_token_id, window.down_token_id) == (up, down)
        assert int(up) >> 8 == int(window.condition_id, 16) >> 8
        assert ((int(up) >> 40) & (2**64 - 1), int(up) & 0xFF, int(down) & 0xFF) == (0, 0, 1)
        client = venue.client(MAKER_KEY, signature_type=3, funder=WALLET)
        client.get_clob_market_info(window.condition_id)
        args = OrderArgs(token_id=None, position_id=up, price=0.3, size=10, side="BUY")
        answer = client.create_and_post_order(args, post_only=True)
        assert client.get_open_orders()[0]["id"] == answer["orderID"]
        book = client.get_order_book(up)
        assert book["version"] == "v2"
        assert hash_of(book) == book["hash"]
        v2 = BalanceAllowanceParams(asset_type="CONDITIONAL-V2", token_id=up)
        assert client.get_balance_allowance(v2)["balance"] == "0"
        wrong = OrderArgs(token_id=up, price=0.3, size=10, side="BUY")
        with pytest.raises(Exception, match="order_version_mismatch"):
            client.create_and_post_order(wrong, post_only=True)
