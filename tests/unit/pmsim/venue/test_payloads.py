"""What the simulator writes must be what the venue's parsers read."""

from __future__ import annotations

import msgspec

from pmcore.messages.user import FillReported, OrderUpdated, OrderUpdateKind, TradeStatus
from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_S, SHARE_U6
from pmcore.venue.rest_models import parse_open_orders_page, parse_order
from pmcore.venue.user_frames import UserFrameParser
from pmsim.venue.payloads import open_order_row, order_frame, trade_frame, trade_row
from pmsim.venue.ports import Account, MakerFill, OrderSide, TradeRecord, VenueOrder

ME = Account(owner="my-key", maker_address="0x" + "11" * 20)
OTHER = Account(owner="their-key", maker_address="0x" + "22" * 20)
CONDITION = "0x" + "ab" * 32
AT_NS = 1_790_766_900 * NS_PER_S

RECORD = VenueOrder(
    order_hash="0x" + "01" * 32,
    account=ME,
    condition_id=CONDITION,
    token_id="11",
    outcome=Outcome.UP,
    side=OrderSide.BUY,
    price_e4=4_800,
    original_u6=5 * SHARE_U6,
    matched_u6=2 * SHARE_U6,
    created_ns=AT_NS,
    trade_ids=["t"],
)


def part(account: Account, order_hash: str, outcome: Outcome, price_e4: int) -> MakerFill:
    return MakerFill(
        order_hash=order_hash,
        account=account,
        token_id="11" if outcome is Outcome.UP else "22",
        outcome=outcome,
        side=OrderSide.BUY,
        price_e4=price_e4,
        size_u6=2 * SHARE_U6,
    )


MINT = TradeRecord(
    trade_id="83b5c849-0000-0000-0000-000000000000",
    taker_order_hash="0x" + "09" * 32,
    taker=OTHER,
    condition_id=CONDITION,
    token_id="22",
    outcome=Outcome.DOWN,
    side=OrderSide.BUY,
    price_e4=5_200,
    size_u6=4 * SHARE_U6,
    makers=(
        part(OTHER, "0x" + "02" * 32, Outcome.UP, 4_800),
        part(ME, RECORD.order_hash, Outcome.UP, 4_800),
    ),
    matched_ns=AT_NS,
    updated_ns=AT_NS,
)


def read(frame: dict[str, object]) -> list[object]:
    parser = UserFrameParser(api_key=ME.owner, maker_addresses=frozenset({ME.maker_address}))
    messages = parser.parse(msgspec.json.encode(frame), ts_recv_ns=AT_NS)
    assert not parser.unusable
    return list(messages)


def test_an_order_event_reads_back() -> None:
    [update] = read(order_frame(RECORD, OrderUpdateKind.UPDATE, AT_NS))
    assert isinstance(update, OrderUpdated)
    assert (update.kind, update.matched_u6, update.original_u6, update.status) == (
        OrderUpdateKind.UPDATE,
        2 * SHARE_U6,
        5 * SHARE_U6,
        "live",
    )


def test_our_part_of_a_mint_reads_back_as_ours() -> None:
    [fill] = read(trade_frame(MINT, ME.owner, AT_NS))
    assert isinstance(fill, FillReported)
    assert (fill.token_id, fill.price_e4, fill.size_u6) == ("11", 4_800, 2 * SHARE_U6)
    assert (fill.order_hash, fill.status) == (RECORD.order_hash, TradeStatus.MATCHED)


def test_a_trade_reads_the_same_in_rest() -> None:
    parser = UserFrameParser(api_key=ME.owner, maker_addresses=frozenset())
    from_rest = parser.fills(trade_row(MINT, ME.owner), ts_recv_ns=AT_NS)
    assert from_rest == read(trade_frame(MINT, ME.owner, AT_NS))


def test_rest_rows_read_back() -> None:
    row = open_order_row(RECORD)
    assert row["status"] == "ORDER_STATUS_LIVE"
    order = parse_order(row)
    assert order.order_hash == RECORD.order_hash
    page = parse_open_orders_page({"data": [row], "next_cursor": "LTE="})
    assert [each.order_hash for each in page.orders] == [RECORD.order_hash]
    trade = trade_row(MINT, OTHER.owner)
    assert (trade["status"], trade["trader_side"]) == ("TRADE_STATUS_MATCHED", "TAKER")
    assert trade_row(MINT, ME.owner)["trader_side"] == "MAKER"


def test_who_is_concerned_and_what_is_left() -> None:
    assert MINT.concerns(ME.owner)
    assert not MINT.concerns("stranger")
    assert RECORD.leaves_u6 == 3 * SHARE_U6
