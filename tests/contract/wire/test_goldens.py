"""Every message ever shipped: its bytes stay as they are and are understood for ever.

A golden file is never changed and never removed. A new optional field gets a new example and a
new golden beside the old one, named `<tag>.<what is new>.json`.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from pmcore.messages.base import Envelope
from pmcore.messages.control import Halt, Resume
from pmcore.messages.dead_letter import DeadLetter
from pmcore.messages.execution import (
    CancelFailed,
    FailureStage,
    MergeReported,
    MergeStatus,
    OrderAccepted,
    OrderCancelled,
    OrderFailed,
    OrderSubmitting,
    OrderUnknown,
    VenueMode,
    VenueModeChanged,
    WindowFlat,
)
from pmcore.messages.market_data import (
    BookDelta,
    BookSnapshot,
    FeedState,
    FeedStatusChanged,
    LevelChange,
    SnapshotOrigin,
    TickSizeChanged,
    TradePrinted,
    UnderlyingPriced,
)
from pmcore.messages.orders import CancelOrders, CancelWindow, MergePairs, SubmitOrder
from pmcore.messages.rotation import WindowAnnounced, WindowResolved
from pmcore.messages.union import StreamMessage
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
from pmcore.model.errors import Reason
from pmcore.model.market import BookSide, Outcome, Protocol, TakerSide, Window
from pmcore.wire import codec

GOLDENS = Path(__file__).parent / "goldens"
SLUG = "btc-updown-15m-1790766900"
EVENT_NS, RECV_NS, STEP_NS, EXEC_NS = (1_790_766_901_000_000_000 + n for n in range(4))

EXAMPLES: dict[str, StreamMessage] = {
    "book_snapshot": BookSnapshot(
        slug=SLUG,
        outcome=Outcome.UP,
        bids=((4800, 1_000_000), (4900, 634_490_000)),
        asks=((5200, 10_000), (5100, 25_000_000)),
        hash="0a1b",
        origin=SnapshotOrigin.SUBSCRIBE,
        tick_e4=100,
        last_trade="0.500",
        ts_event_ns=EVENT_NS,
        ts_recv_ns=RECV_NS,
    ),
    "book_snapshot.least": BookSnapshot(
        slug=SLUG,
        outcome=Outcome.DOWN,
        bids=(),
        asks=(),
        hash="",
        origin=SnapshotOrigin.TRADE,
        ts_event_ns=EVENT_NS,
        ts_recv_ns=RECV_NS,
    ),
    "book_delta": BookDelta(
        slug=SLUG,
        changes=(
            LevelChange(Outcome.UP, BookSide.BID, 4900, 0, "0a", 4800, 5100),
            LevelChange(Outcome.DOWN, BookSide.ASK, 5100, 7_500_000),
        ),
        ts_event_ns=EVENT_NS,
        ts_recv_ns=RECV_NS,
    ),
    "trade_printed": TradePrinted(
        slug=SLUG,
        outcome=Outcome.UP,
        taker_side=TakerSide.SELL,
        price_e4=4900,
        size_u6=5_000_000,
        transaction_hash="0xfe",
        ts_event_ns=EVENT_NS,
        ts_recv_ns=RECV_NS,
    ),
    "trade_printed.least": TradePrinted(
        slug=SLUG,
        outcome=Outcome.UP,
        taker_side=TakerSide.BUY,
        price_e4=4900,
        size_u6=5_000_000,
        ts_event_ns=EVENT_NS,
        ts_recv_ns=RECV_NS,
    ),
    "tick_size_changed": TickSizeChanged(
        slug=SLUG,
        outcome=Outcome.UP,
        new_tick_e4=10,
        ts_event_ns=EVENT_NS,
        ts_recv_ns=RECV_NS,
    ),
    "underlying_priced": UnderlyingPriced(
        slug=SLUG, price_e8=7_100_050_000_000, ts_event_ns=EVENT_NS, ts_recv_ns=RECV_NS
    ),
    "underlying_priced.least": UnderlyingPriced(
        slug=SLUG, price_e8=7_100_050_000_000, ts_recv_ns=RECV_NS
    ),
    "feed_status_changed": FeedStatusChanged(
        slug=SLUG, state=FeedState.SILENT, reason="watchdog", ts_recv_ns=RECV_NS
    ),
    "feed_status_changed.least": FeedStatusChanged(
        slug=SLUG, state=FeedState.LIVE, ts_recv_ns=RECV_NS
    ),
    "window_announced": WindowAnnounced(
        window=Window(
            series="btc-15m",
            slug=SLUG,
            condition_id="0xc0",
            up_token_id="11",
            down_token_id="22",
            open_ns=1_790_766_900_000_000_000,
            close_ns=1_790_767_800_000_000_000,
            tick_e4=100,
            min_size_u6=5_000_000,
            neg_risk=True,
            protocol=Protocol.V2,
            inferred=("tick_e4",),
        ),
        ts_recv_ns=RECV_NS,
    ),
    "window_resolved": WindowResolved(slug=SLUG, winner=Outcome.DOWN, ts_recv_ns=RECV_NS),
    "window_resolved.nobody": WindowResolved(slug=SLUG, winner=None, ts_recv_ns=RECV_NS),
    "submit_order": SubmitOrder(
        client_order_id="run-1-7",
        slug=SLUG,
        outcome=Outcome.UP,
        price_e4=4900,
        size_u6=5_000_000,
        tick_e4=100,
        expires_at_ns=STEP_NS + 10**9,
        ts_step_ns=STEP_NS,
        ts_cause_ns=RECV_NS,
    ),
    "submit_order.least": SubmitOrder(
        client_order_id="run-1-7",
        slug=SLUG,
        outcome=Outcome.UP,
        price_e4=4900,
        size_u6=5_000_000,
        tick_e4=100,
        expires_at_ns=STEP_NS + 10**9,
        ts_step_ns=STEP_NS,
    ),
    "cancel_orders": CancelOrders(
        slug=SLUG,
        client_order_ids=("run-1-7", "run-1-8"),
        reason="requote",
        ts_step_ns=STEP_NS,
        ts_cause_ns=RECV_NS,
    ),
    "cancel_orders.order_hashes": CancelOrders(
        slug=SLUG,
        client_order_ids=("run-1-7", "run-1-8"),
        reason="requote",
        ts_step_ns=STEP_NS,
        ts_cause_ns=RECV_NS,
        order_hashes=("0xab", ""),
    ),
    "cancel_window": CancelWindow(slug=SLUG, reason="closing", ts_step_ns=STEP_NS),
    "cancel_orders.lease_token": CancelOrders(
        slug=SLUG,
        client_order_ids=("run-1-7",),
        reason="requote",
        ts_step_ns=STEP_NS,
        lease_token=9,
    ),
    "cancel_window.lease_token": CancelWindow(
        slug=SLUG, reason="closing", ts_step_ns=STEP_NS, lease_token=9
    ),
    "submit_order.lease_token": SubmitOrder(
        client_order_id="run-1-7",
        slug=SLUG,
        outcome=Outcome.UP,
        price_e4=4700,
        size_u6=5_000_000,
        tick_e4=100,
        expires_at_ns=STEP_NS + 1_000_000_000,
        ts_step_ns=STEP_NS,
        lease_token=9,
    ),
    "submit_order.account_entry_id": SubmitOrder(
        client_order_id="run-1-7",
        slug=SLUG,
        outcome=Outcome.UP,
        price_e4=4700,
        size_u6=5_000_000,
        tick_e4=100,
        expires_at_ns=STEP_NS + 1_000_000_000,
        ts_step_ns=STEP_NS,
        lease_token=9,
        account_entry_id=(1_790_766_901_000, 3),
    ),
    "merge_pairs.account_entry_id": MergePairs(
        merge_id="run-1.merge.1",
        slug=SLUG,
        size_u6=9_000_000,
        expires_at_ns=STEP_NS + 10**9,
        ts_step_ns=STEP_NS,
        lease_token=9,
        account_entry_id=(0, 0),
    ),
    "merge_pairs": MergePairs(
        merge_id="run-1.merge.1",
        slug=SLUG,
        size_u6=9_000_000,
        expires_at_ns=STEP_NS + 10**9,
        ts_step_ns=STEP_NS,
        lease_token=9,
    ),
    "merge_reported": MergeReported(
        slug=SLUG,
        merge_id="run-1.merge.1",
        size_u6=9_000_000,
        status=MergeStatus.MERGED,
        text="transaction 7",
        up_cost_e4u6=42_300_000_000,
        down_cost_e4u6=46_800_000_000,
        ts_exec_ns=EXEC_NS,
    ),
    "merge_reported.least": MergeReported(
        slug=SLUG,
        merge_id="run-1.merge.1",
        size_u6=9_000_000,
        status=MergeStatus.UNKNOWN,
        ts_exec_ns=EXEC_NS,
    ),
    "order_submitting": OrderSubmitting(
        slug=SLUG, client_order_id="run-1-7", order_hash="0xab", ts_exec_ns=EXEC_NS
    ),
    "order_accepted": OrderAccepted(
        slug=SLUG, client_order_id="run-1-7", order_hash="0xab", ts_exec_ns=EXEC_NS
    ),
    "order_failed": OrderFailed(
        slug=SLUG,
        client_order_id="run-1-7",
        stage=FailureStage.REJECTED,
        reason=Reason.POST_ONLY_CROSSES,
        text="order crosses book",
        order_hash="0xab",
        ts_exec_ns=EXEC_NS,
    ),
    "order_failed.least": OrderFailed(
        slug=SLUG,
        client_order_id="run-1-7",
        stage=FailureStage.DENIED,
        reason=Reason.EXPIRED,
        ts_exec_ns=EXEC_NS,
    ),
    "order_unknown": OrderUnknown(
        slug=SLUG,
        client_order_id="run-1-7",
        order_hash="0xab",
        reason=Reason.TIMEOUT,
        ts_exec_ns=EXEC_NS,
    ),
    "order_cancelled": OrderCancelled(
        slug=SLUG,
        client_order_id="run-1-7",
        order_hash="0xab",
        filled_u6=1_000_000,
        ts_exec_ns=EXEC_NS,
    ),
    "order_cancelled.least": OrderCancelled(
        slug=SLUG, client_order_id="run-1-7", order_hash="0xab", ts_exec_ns=EXEC_NS
    ),
    "cancel_failed": CancelFailed(
        slug=SLUG,
        client_order_id="run-1-7",
        reason=Reason.ALREADY_MATCHED,
        text="matched orders can't be canceled",
        ts_exec_ns=EXEC_NS,
    ),
    "cancel_failed.filled_u6": CancelFailed(
        slug=SLUG,
        client_order_id="run-1-7",
        reason=Reason.ALREADY_MATCHED,
        text="found matched",
        ts_exec_ns=EXEC_NS,
        filled_u6=4_997_714,
    ),
    "window_flat": WindowFlat(slug=SLUG, ts_exec_ns=EXEC_NS),
    "venue_mode_changed": VenueModeChanged(
        slug=SLUG, mode=VenueMode.RESTARTING, until_ns=EXEC_NS + 10**9, ts_exec_ns=EXEC_NS
    ),
    "venue_mode_changed.least": VenueModeChanged(
        slug=SLUG, mode=VenueMode.NORMAL, ts_exec_ns=EXEC_NS
    ),
    "order_updated": OrderUpdated(
        kind=OrderUpdateKind.CANCELLATION,
        order_hash="0xab",
        condition_id="0xc0",
        token_id="11",
        price_e4=4900,
        original_u6=5_000_000,
        matched_u6=1_000_000,
        status="canceled",
        ts_event_ns=EVENT_NS,
        ts_recv_ns=RECV_NS,
    ),
    "order_updated.least": OrderUpdated(
        kind=OrderUpdateKind.PLACEMENT,
        order_hash="0xab",
        condition_id="0xc0",
        token_id="11",
        price_e4=4900,
        original_u6=5_000_000,
        matched_u6=None,
        ts_event_ns=EVENT_NS,
        ts_recv_ns=RECV_NS,
    ),
    "fill_reported": FillReported(
        trade_id="t-1",
        order_hash="0xab",
        condition_id="0xc0",
        token_id="11",
        price_e4=4900,
        size_u6=1_000_000,
        status=TradeStatus.MATCHED,
        ts_event_ns=EVENT_NS,
        ts_recv_ns=RECV_NS,
    ),
    "user_channel_changed": UserChannelChanged(
        state=UserChannelState.DOWN, reason="closed", ts_recv_ns=RECV_NS
    ),
    "user_channel_changed.doubted_ns": UserChannelChanged(
        state=UserChannelState.UP, doubted_ns=EVENT_NS, ts_recv_ns=RECV_NS
    ),
    "positions_read": PositionsRead(
        held=(TokenShares("71", 5_000_000),), asked_ns=EVENT_NS, ts_recv_ns=RECV_NS
    ),
    "positions_read.least": PositionsRead(asked_ns=EVENT_NS, ts_recv_ns=RECV_NS),
    "halt": Halt(reason="operator", by="pm kill", ts_recv_ns=RECV_NS),
    "resume": Resume(by="pm resume", ts_recv_ns=RECV_NS),
    "dead_letter": DeadLetter(
        stream="pm:v1:{btc-15m}:cmd",
        entry_id="1790766901000-0",
        group=f"{SLUG}:executor",
        problem="malformed",
        raw="t=submit_order d={",
        ts_recv_ns=RECV_NS,
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_bytes_of_a_message_are_those_ever_shipped(name: str) -> None:
    golden = (GOLDENS / f"{name}.json").read_bytes().rstrip(b"\n")
    assert codec.encode(EXAMPLES[name]) == golden
    assert codec.decode(golden) == EXAMPLES[name]


def test_every_tag_has_a_golden_and_every_golden_an_example() -> None:
    assert {path.stem for path in GOLDENS.glob("*.json")} == {*EXAMPLES, "envelope"}
    assert {name.split(".")[0].encode() for name in EXAMPLES} == set(codec.MESSAGE_TYPES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_fields_of_the_future_are_ignored(name: str) -> None:
    future = msgspec.json.decode((GOLDENS / f"{name}.json").read_bytes())
    future["field_of_the_future"] = {"deep": [1]}
    assert codec.decode(msgspec.json.encode(future)) == EXAMPLES[name]


def test_the_envelope_is_the_one_ever_shipped() -> None:
    golden = (GOLDENS / "envelope.json").read_bytes().rstrip(b"\n")
    envelope = Envelope(source="feed", run_id="run-1", seq=7, ts_pub_ns=RECV_NS)
    assert msgspec.json.encode(envelope) == golden
    assert msgspec.json.decode(golden, type=Envelope) == envelope
