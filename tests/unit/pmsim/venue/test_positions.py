from __future__ import annotations

from pmcore.model.market import Outcome
from pmcore.model.units import SHARE_U6
from pmsim.venue.accounts import AccountsParams
from pmsim.venue.conservation import ledger_problems
from pmsim.venue.ports import MarketFrame, OrderStatus
from support.quiet_market import ANN, BOB, START_U6, QuietMarket


def test_split_and_merge_are_each_others_inverse() -> None:
    market = QuietMarket(sets=0)
    venue, condition = market.venue, market.window.condition_id
    done = venue.split(ANN.owner, condition, 7 * SHARE_U6, market.now_ns)
    assert (done.error, done.size_u6, done.cash_u6) == ("", 7 * SHARE_U6, -7 * SHARE_U6)
    assert venue.balance_u6(ANN.owner, market.window.down_token_id) == 7 * SHARE_U6
    back = venue.merge(ANN.owner, condition, 7 * SHARE_U6, market.now_ns)
    assert (back.error, back.cash_u6) == ("", 7 * SHARE_U6)
    assert venue.account_audit(ANN.owner).cash_u6 == START_U6
    assert venue.merge(ANN.owner, condition, 1, market.now_ns).error == "not enough settled shares"
    assert venue.split(ANN.owner, condition, 0, market.now_ns).error == "not enough free cash"
    assert venue.split(ANN.owner, "0x5", 1, market.now_ns).error == "market not found"
    assert venue.merge(ANN.owner, "0x5", 1, market.now_ns).error == "market not found"
    assert venue.redeem(ANN.owner, "0x5", market.now_ns).error == "market not found"


def test_what_orders_bind_or_a_trade_may_take_back_is_not_merged() -> None:
    market = QuietMarket(sets=0)
    venue, condition = market.venue, market.window.condition_id
    venue.split(ANN.owner, condition, 10 * SHARE_U6, market.now_ns)
    market.post(ANN, 6000, 6, sell=True)
    refusal = venue.merge(ANN.owner, condition, 5 * SHARE_U6, market.now_ns)
    assert refusal.error == "not enough settled shares"
    assert venue.merge(ANN.owner, condition, 4 * SHARE_U6, market.now_ns).error == ""
    market.post(BOB, 6000, 6)
    market.post(BOB, 4000, 6, outcome=Outcome.DOWN)
    market.post(ANN, 4000, 6, outcome=Outcome.DOWN, sell=True)
    audit = venue.account_audit(BOB.owner)
    assert set(audit.unsettled_u6.values()) == {6 * SHARE_U6}
    assert venue.merge(BOB.owner, condition, 1, market.now_ns).error == "not enough settled shares"
    market.later(4)
    assert venue.account_audit(BOB.owner).unsettled_u6 == {}
    assert venue.merge(BOB.owner, condition, 6 * SHARE_U6, market.now_ns).error == ""


def test_the_audit_counts_what_orders_bind() -> None:
    market = QuietMarket()
    market.post(ANN, 4000, 10)
    market.post(ANN, 6000, 10, sell=True)
    audit = market.venue.account_audit(ANN.owner)
    assert audit.reserved_u6 == 4 * SHARE_U6
    assert audit.reserved_shares_u6 == {market.window.up_token_id: 10 * SHARE_U6}
    assert audit.shares_u6 == {
        market.window.up_token_id: 100 * SHARE_U6,
        market.window.down_token_id: 100 * SHARE_U6,
    }
    assert (
        market.venue.split(ANN.owner, market.window.condition_id, START_U6, market.now_ns).error
        == "not enough free cash"
    )


def test_a_resolved_pair_pays_a_dollar_and_losers_nothing() -> None:
    market = QuietMarket(lead=1)
    venue, window = market.venue, market.window
    early = venue.redeem(ANN.owner, window.condition_id, market.now_ns)
    assert early.error == "market is not resolved"
    resting = market.post(ANN, 100, 10)
    events = market.later(615)
    resolved = [e for e in events if isinstance(e, MarketFrame) and "market_resolved" in e.text]
    assert [(e.custom, e.token_ids) for e in resolved] == [
        (True, (window.up_token_id, window.down_token_id))
    ]
    record = venue.order(resting.order_hash)
    assert record is not None
    assert record.status is OrderStatus.CANCELED_MARKET_RESOLVED
    done = venue.redeem(ANN.owner, window.condition_id, market.now_ns)
    assert (done.cash_u6, done.size_u6) == (100 * SHARE_U6, 200 * SHARE_U6)
    assert venue.account_audit(ANN.owner).shares_u6 == {}
    assert ledger_problems(venue.accounts, [window]) == []


def test_a_failure_gives_fee_and_rebate_back_too() -> None:
    market = QuietMarket(
        accounts=AccountsParams(cash_u6=START_U6 + 100 * SHARE_U6, failed_ppm=1_000_000)
    )
    market.post(ANN, 5000, 10, sell=True)
    market.post(BOB, 5000, 10)
    assert market.venue.account_audit(ANN.owner).rebates_u6 == 35_000
    market.later(30)
    for account in (ANN, BOB):
        audit = market.venue.account_audit(account.owner)
        assert (audit.cash_u6, audit.fees_paid_u6, audit.rebates_u6) == (START_U6, 0, 0)
        assert set(audit.shares_u6.values()) == {100 * SHARE_U6}
        assert audit.unsettled_u6 == {}
