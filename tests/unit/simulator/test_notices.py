"""Which user frames become notifications, what they say, and how they are dropped."""

from __future__ import annotations

from pmcore.model.market import Outcome, Window
from pmcore.model.units import NS_PER_S
from pmsim.venue.ports import Account, ListedWindow, OrderSide, UserFrame, VenueOrder
from pmsimulator.notices import KEPT, Notices

WINDOW = Window(
    series="btc-5m",
    slug="btc-updown-5m-1790000100",
    condition_id="0x" + "ab" * 32,
    up_token_id="111",
    down_token_id="222",
    open_ns=1_790_000_100 * NS_PER_S,
    close_ns=1_790_000_400 * NS_PER_S,
    tick_e4=100,
    min_size_u6=5_000_000,
)
LISTING = ListedWindow(window=WINDOW, accepting_orders=False, closed=True, winner=Outcome.DOWN)
RECORD = VenueOrder(
    order_hash="0x01",
    account=Account(owner="key", maker_address="0x02"),
    condition_id=WINDOW.condition_id,
    token_id="222",
    outcome=Outcome.DOWN,
    side=OrderSide.BUY,
    price_e4=4_600,
    original_u6=10_000_000,
    matched_u6=6_000_000,
)


def frame(**fields: object) -> UserFrame:
    return UserFrame(
        at_ns=5_000_000_000, owner="key", condition_id=WINDOW.condition_id, frame=fields
    )


def heard(*frames: UserFrame) -> Notices:
    notices = Notices({"0x01": RECORD}.get, {WINDOW.condition_id: LISTING}.get)
    for one in frames:
        notices.hear(one)
    return notices


def order(kind: str, status: str) -> UserFrame:
    return frame(event_type="order", id="0x01", type=kind, status=status)


def trade(status: str, *makers: tuple[str, str], taker: str = "") -> UserFrame:
    return frame(
        event_type="trade",
        id="t-1",
        type="TRADE",
        status=status,
        trade_owner=taker,
        taker_order_id="0x01" if taker else "0x09",
        transaction_hash="0xaa",
        maker_orders=[{"order_id": order_id, "owner": owner} for order_id, owner in makers],
    )


def test_types_follow_the_frames() -> None:
    mine = ("0x01", "key")
    notices = heard(
        order("PLACEMENT", "LIVE"),
        order("CANCELLATION", "CANCELED"),
        order("CANCELLATION", "CANCELED_MARKET_RESOLVED"),
        *(trade(status, mine) for status in ("MATCHED", "MINED", "FAILED")),
    )
    rows = notices.of("key")
    assert [row["type"] for row in rows] == [8, 2, 4, 1]
    assert {row["timestamp"] for row in rows} == {5}
    assert notices.of("other") == []


def test_a_fill_shows_the_order_and_its_trade() -> None:
    (row,) = heard(trade("MATCHED", ("0x01", "key"), ("0x01", "somebody"))).of("key")
    payload = row["payload"]
    assert isinstance(payload, dict)
    sizes = ("original_size", "matched_size", "remaining_size")
    assert [payload[name] for name in sizes] == ["10", "6", "4"]
    assert (payload["order_id"], payload["trade_id"]) == ("0x01", "t-1")
    assert (payload["outcome"], payload["outcome_index"]) == ("Down", 1)
    assert (payload["asset_id"], payload["market"]) == ("222", WINDOW.condition_id)
    assert (payload["side"], payload["price"], payload["type"]) == ("BUY", "0.46", "GTC")
    (taken,) = heard(trade("MATCHED", taker="key")).of("key")
    assert isinstance(taken["payload"], dict)
    assert taken["payload"]["order_id"] == "0x01"


def test_a_resolved_market_is_told_once_with_its_winner() -> None:
    notices = heard(order("CANCELLATION", "CANCELED_MARKET_RESOLVED"))
    notices.resolved("key", WINDOW.condition_id, 6_000_000_000)
    notices.resolved("key", "0x99", 6_000_000_000)
    (row,) = notices.of("key")
    payload = row["payload"]
    assert isinstance(payload, dict)
    assert payload["condition_id"] == WINDOW.condition_id
    assert [token["winner"] for token in payload["tokens"]] == [False, True]


def test_they_are_dropped_by_id_or_all_and_kept_in_bounds() -> None:
    notices = heard(*(trade("MATCHED", taker="key") for _ in range(KEPT + 5)))
    rows = notices.of("key")
    assert len(rows) == KEPT
    notices.drop("key", {str(rows[0]["id"])})
    assert notices.of("key") == rows[1:]
    notices.drop("key", set())
    assert notices.of("key") == []
