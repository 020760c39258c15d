from __future__ import annotations

import msgspec
import pytest

from pmcore.model.market import Outcome, Window
from pmcore.model.units import NS_PER_S, SHARE_U6
from pmcore.venue.market_frames import MarketFrameParser
from pmsim.faults.faulty_venue import FaultyVenue
from pmsim.faults.plan import FaultPlan, StreamFaults, TradingMode, strikes
from pmsim.venue.ports import MarketFrame, UserFrame, VenueEvent
from support.quiet_market import ANN, BOB, QuietMarket
from support.sim_worlds import ME, WORLD_START_NS, new_order, play, synthetic


def faulty(**plan: object) -> FaultyVenue:
    venue = FaultyVenue(synthetic(), seed=7, plan=msgspec.convert(plan, FaultPlan))
    venue.add_account(ME)
    return venue


def running(venue: FaultyVenue) -> Window:
    return venue.listings()[0].window


def texts(events: list[VenueEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, MarketFrame)]


def test_without_faults_nothing_changes() -> None:
    assert play(faulty(), 20) == play(synthetic(), 20)


@pytest.mark.parametrize("step_ms", [20, 777])
def test_faults_are_a_function_of_plan_and_seed(step_ms: int) -> None:
    faults = StreamFaults(
        drop_ppm=50_000, duplicate_ppm=50_000, delay_ppm=50_000, reorder_ppm=50_000
    )
    plan = msgspec.to_builtins(faults)
    events = play(faulty(market=plan), 20, step_ms=step_ms)
    assert events == play(faulty(market=plan), 20)
    assert texts(events) != texts(play(synthetic(), 20))
    times = [event.at_ns for event in events]
    assert times == sorted(times)


def test_the_world_behind_is_the_same() -> None:
    venue = faulty(market={"drop_ppm": 500_000})
    lost = texts(play(venue, 10))
    whole = synthetic()
    every = texts(play(whole, 10))
    assert 0.4 * len(every) < len(lost) < 0.6 * len(every)
    assert iter_in(lost, every)
    token = running(venue).up_token_id
    assert venue.book(token) == whole.book(token)


def iter_in(part: list[str], whole: list[str]) -> bool:
    rest = iter(whole)
    return all(text in rest for text in part)


def test_a_silent_feed_says_nothing_and_trading_goes_on() -> None:
    venue = faulty(market={"silent": True})
    token = running(venue).up_token_id
    assert venue.initial_dump([token]) is None
    assert venue.place(ME.owner, new_order("0x1", token, 1000), venue.now_ns).status == "live"
    events = play(venue, 5)
    assert [type(event) for event in events] == [UserFrame]
    venue.set_faults(FaultPlan(), venue.now_ns)
    assert texts(play(venue, 1))


def test_user_frames_come_late_twice_or_not_at_all() -> None:
    def frames(**user: object) -> list[tuple[int, object]]:
        venue = faulty(user=user)
        token = running(venue).up_token_id
        venue.place(ME.owner, new_order("0x1", token, 1000), venue.now_ns)
        venue.cancel(ME.owner, ["0x1"], venue.now_ns)
        events = [e for e in play(venue, 3) if isinstance(e, UserFrame)]
        return [(e.at_ns - WORLD_START_NS, e.frame["type"]) for e in events]

    all_ = 1_000_000
    assert frames(drop_ppm=all_) == []
    assert frames(duplicate_ppm=all_) == [(0, "PLACEMENT")] * 2 + [(0, "CANCELLATION")] * 2
    late = [(NS_PER_S, "PLACEMENT"), (NS_PER_S, "CANCELLATION")]
    assert frames(delay_ppm=all_, delay_ms=1_000) == late
    assert frames(reorder_ppm=all_) == [(0, "CANCELLATION"), (0, "PLACEMENT")]


def test_frames_of_an_unknown_kind_join_those_of_a_channel() -> None:
    unknown = {"unknown_ppm": 1_000_000}
    venue = faulty(market=unknown, user=unknown)
    window = running(venue)
    venue.place(ME.owner, new_order("0x1", window.up_token_id, 1000), venue.now_ns)
    events = play(venue, 3)
    kinds = [e.frame["event_type"] for e in events if isinstance(e, UserFrame)]
    assert kinds == ["kind_of_a_new_release", "order"]
    parser = MarketFrameParser(window)
    for text in texts(events):
        parser.parse(text, ts_recv_ns=0)
    assert parser.unusable == {"unknown_event": len(texts(events)) // 2}


def test_a_swapped_frame_does_not_wait_for_ever() -> None:
    venue = faulty(user={"reorder_ppm": 1_000_000, "delay_ms": 300})
    venue.place(ME.owner, new_order("0x1", running(venue).up_token_id, 1000), venue.now_ns)
    events = [e for e in play(venue, 1) if isinstance(e, UserFrame)]
    assert [e.at_ns - WORLD_START_NS for e in events] == [300_000_000]


def test_frames_lack_what_real_ones_lack() -> None:
    market = QuietMarket()
    plan = FaultPlan(omit_maker_side_ppm=1_000_000, empty_size_matched_ppm=1_000_000)
    venue = FaultyVenue(market.venue, seed=1, plan=plan)
    market.post(ANN, 5000, 10, sell=True)
    market.post(BOB, 5000, 10)
    frames = [e.frame for e in venue.advance(venue.now_ns) if isinstance(e, UserFrame)]
    for frame in frames:
        if frame["event_type"] == "order":
            assert frame["size_matched"] == ""
        else:
            entries = frame["maker_orders"]
            assert isinstance(entries, list)
            assert "side" not in entries[0]
            assert entries[0]["order_id"]
    record = market.venue.trades(ANN.owner)[0]
    assert record.makers[0].side.value == "SELL"


def test_modes_stand_at_the_door() -> None:
    venue = faulty(mode="cancel_only")
    token = running(venue).up_token_id
    order = new_order("0x1", token, 1000)
    assert venue.place(ME.owner, order, venue.now_ns).http_status == 503
    assert venue.cancel(ME.owner, ["0x1"], venue.now_ns).http_status == 200
    venue.set_faults(FaultPlan(mode=TradingMode.POST_ONLY), venue.now_ns)
    loose = msgspec.structs.replace(order, order_hash="0x2", post_only=False)
    first, second = venue.place_batch(ME.owner, [loose, order], venue.now_ns)
    assert (first.code, second.status) == ("post_only_mode", "live")
    venue.set_faults(FaultPlan(mode=TradingMode.RESTART, mode_s=2), venue.now_ns)
    assert venue.cancel_all(ME.owner, venue.now_ns).http_status == 425
    assert venue.cancel_market(ME.owner, venue.now_ns).http_status == 425
    play(venue, 2)
    assert venue.cancel_all(ME.owner, venue.now_ns).canceled == ("0x1",)


def test_a_window_is_listed_before_the_clob_knows_it() -> None:
    venue = faulty(hydrate_lead_s=10)
    slug = f"btc-updown-30s-{WORLD_START_NS // NS_PER_S + 30}"
    listing = venue.listing(slug)
    assert listing is not None
    assert not listing.hydrated
    token = listing.window.up_token_id
    assert venue.book(token) is None
    assert venue.initial_dump([token]) is None
    assert venue.place(ME.owner, new_order("0x1", token, 4000), venue.now_ns).http_status == 404
    early = play(venue, 19)
    market = listing.window.condition_id
    frames = [e for e in early if isinstance(e, MarketFrame)]
    assert not any(e.condition_id == market and e.token_ids for e in frames)
    assert any(e.condition_id == market for e in play(venue, 2))
    assert venue.book(token) is not None
    again = venue.listing(slug)
    assert again is not None
    assert again.hydrated


def test_trades_fail_or_retry_as_the_plan_says() -> None:
    for plan, wanted in (
        (FaultPlan(failed_ppm=1_000_000), ["MATCHED", "RETRYING", "FAILED"]),
        (FaultPlan(retried_ppm=1_000_000), ["MATCHED", "RETRYING", "MINED", "CONFIRMED"]),
        (FaultPlan(), ["MATCHED", "MINED", "CONFIRMED"]),
    ):
        market = QuietMarket()
        market.venue.set_faults(plan, market.now_ns)
        market.post(ANN, 5000, 10, sell=True)
        market.post(BOB, 5000, 10)
        frames = market.frames(30)
        trades = [f for f in frames if f["event_type"] == "trade" and f["trader_side"] == "MAKER"]
        assert [f["status"] for f in trades] == wanted
        assert [bool(f["transaction_hash"]) for f in trades] == [False] + [True] * (len(trades) - 1)


def test_a_phantom_lock_refuses_until_it_is_released() -> None:
    market = QuietMarket()
    market.venue.set_faults(FaultPlan(phantom_ppm=1_000_000, phantom_s=60), market.now_ns)
    market.post(ANN, 5000, 100, sell=True)
    market.post(BOB, 5000, 100)
    audit = market.venue.account_audit(BOB.owner)
    assert audit.phantom_u6 == 50 * SHARE_U6
    refusal = market.post(BOB, 4000, 2_300)
    assert refusal.error == (
        "not enough balance / allowance: the balance is not enough -> "
        f"balance: {audit.cash_u6}, sum of matched orders: 50000000, "
        "order amount (inc. fees): 920000000"
    )
    market.later(60)
    assert market.post(BOB, 4000, 2_300).status == "live"


def test_resolution_can_be_late_and_the_time_after_the_end_dangerous() -> None:
    market = QuietMarket(lead=1)
    plan = FaultPlan(resolve_delay_ms=60_000, end_sweep_shares=1_000_000)
    market.later(595)
    market.venue.set_faults(plan, market.now_ns)
    left = [market.post(ANN, 100, 10), market.post(ANN, 100, 10, outcome=Outcome.DOWN)]
    assert [answer.status for answer in left] == ["live", "live"]
    market.later(8)
    filled = [market.venue.order(answer.order_hash) for answer in left]
    assert [record.matched_u6 if record else 0 for record in filled] == [10 * SHARE_U6] * 2
    market.later(60)
    listing = market.venue.listing(market.window.slug)
    assert listing is not None
    assert not listing.closed
    market.later(10)
    listing = market.venue.listing(market.window.slug)
    assert listing is not None
    assert listing.closed


def test_a_strike_is_a_share_of_all() -> None:
    hits = sum(strikes(100_000, 1, "x", number) for number in range(10_000))
    assert 900 < hits < 1_100
    assert not strikes(0, 1, "x")
    assert strikes(1_000_000, 1, "x")


def test_a_plan_is_plain_json_and_knows_its_fields() -> None:
    plan = msgspec.json.decode(b'{"mode": "restart", "user": {"drop_ppm": 5}}', type=FaultPlan)
    assert (plan.mode, plan.user.drop_ppm, plan.market.drop_ppm) == (TradingMode.RESTART, 5, 0)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"moode": "restart"}', type=FaultPlan)
