from __future__ import annotations

from collections.abc import Iterator

import pytest

from pmcore.engine.account.engine import (
    MISSED,
    OWED,
    TOOK,
    UNREADABLE,
    AccountEngine,
    AccountParams,
)
from pmcore.engine.account.io import (
    AccountEvent,
    AccountNotice,
    AccountNoticeKind,
    AccountOutput,
    AccountRead,
    AccountReadFailed,
    BalanceAnswered,
    ChannelAnswered,
    ChannelConnected,
    ChannelHeard,
    ChannelLost,
    OperatorResumed,
    PositionsAnswered,
    PositionsReadFailed,
    ReadAccount,
    ReadPositions,
    ReconnectChannel,
)
from pmcore.machines.fill_watch import OWED_AFTER_NS, UNSETTLED_AFTER_NS
from pmcore.messages.timers import Tick
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
from pmcore.model.errors import InvariantError
from pmcore.model.units import NS_PER_S

UP, DOWN, RECONCILING = UserChannelState.UP, UserChannelState.DOWN, UserChannelState.RECONCILING
START_NS = 1_000_000 * NS_PER_S
PARAMS = AccountParams(lookback_s=3_600, reconcile_ns=60 * NS_PER_S)


def fill(
    trade_id: str = "t", status: TradeStatus = TradeStatus.MATCHED, *, age_s: int = 0
) -> FillReported:
    return FillReported(
        trade_id=trade_id,
        order_hash="0xo",
        condition_id="0xc",
        token_id="1",
        price_e4=4700,
        size_u6=5_000_000,
        status=status,
        ts_event_ns=START_NS - age_s * NS_PER_S,
        ts_recv_ns=START_NS,
    )


def update(matched_u6: int) -> OrderUpdated:
    return OrderUpdated(
        kind=OrderUpdateKind.UPDATE,
        order_hash="0xo",
        condition_id="0xc",
        token_id="1",
        price_e4=4700,
        original_u6=5_000_000,
        matched_u6=matched_u6,
        ts_event_ns=START_NS,
        ts_recv_ns=START_NS,
    )


class Driver:
    """An engine and what it said; `reads` are the readings that it asked for."""

    def __init__(self) -> None:
        self.engine = AccountEngine(PARAMS)
        self.at_ns = START_NS
        self.reads: list[ReadAccount] = []

    def step(self, event: AccountEvent, *, after_ns: int = 0) -> list[AccountOutput]:
        self.at_ns += after_ns
        outputs = self.engine.step(self.at_ns, event)
        self.reads += [one for one in outputs if isinstance(one, ReadAccount)]
        return outputs

    def read(
        self, *fills: FillReported, orders: tuple[OrderUpdated, ...] = (), taken: str = ""
    ) -> list[AccountOutput]:
        names = (taken,) if taken else ()
        return self.step(AccountRead(self.reads[-1].read_id, orders, fills, names))

    def wait(self, ns: int) -> list[AccountOutput]:
        return self.step(Tick(), after_ns=ns)


def up() -> Driver:
    driver = Driver()
    driver.step(ChannelConnected())
    driver.step(ChannelAnswered())
    driver.read()
    assert driver.engine.state is UP
    return driver


def states(outputs: list[AccountOutput]) -> list[tuple[UserChannelState, str]]:
    return [(o.state, o.reason) for o in outputs if isinstance(o, UserChannelChanged)]


def kinds(outputs: list[AccountOutput]) -> Iterator[AccountNoticeKind]:
    return (o.kind for o in outputs if isinstance(o, AccountNotice))


def fills_of(outputs: list[AccountOutput]) -> list[FillReported]:
    return [o for o in outputs if isinstance(o, FillReported)]


def test_it_says_at_once_that_it_is_down_and_asks_for_nothing() -> None:
    driver = Driver()
    assert states(driver.step(Tick())) == [(DOWN, "not connected yet")]
    assert driver.wait(3_600 * NS_PER_S) == []
    assert driver.step(ChannelAnswered()) == []


def test_before_the_connection_answered_nothing_is_read_and_nothing_is_up() -> None:
    driver = Driver()
    driver.step(ChannelConnected())
    driver.wait(30 * NS_PER_S)
    assert driver.reads == []
    driver.step(ChannelAnswered())
    assert driver.reads == [ReadAccount(1, driver.at_ns // NS_PER_S - 3_600)]
    assert states(driver.read(fill()))[-1] == (UP, "")
    driver.step(ChannelAnswered())
    assert len(driver.reads) == 1


def test_a_reading_that_began_on_an_earlier_connection_is_not_heard() -> None:
    driver = Driver()
    driver.step(ChannelConnected())
    driver.step(ChannelAnswered())
    driver.step(ChannelLost("closed"))
    assert driver.read(fill()) == []
    driver.step(ChannelConnected())
    assert driver.read(fill()) == []
    assert driver.step(AccountReadFailed(1, "late")) == []
    assert driver.engine.state is RECONCILING


def test_each_status_of_a_fill_goes_out_once_whoever_tells_it() -> None:
    driver = up()
    mined = fill(status=TradeStatus.MINED)
    assert fills_of(driver.step(ChannelHeard((fill(), fill(), mined)))) == [fill(), mined]
    driver.wait(PARAMS.reconcile_ns)
    confirmed = fill(status=TradeStatus.CONFIRMED)
    assert fills_of(driver.read(fill(), confirmed)) == [confirmed]
    assert driver.engine.repeats == 1
    assert driver.engine.counters.fills == dict.fromkeys(
        (fill().status, mined.status, confirmed.status), 1
    )


def test_while_up_it_reads_again_and_repeats_its_state() -> None:
    driver = up()
    assert driver.wait(PARAMS.reconcile_ns - 1) == []
    driver.wait(1)
    assert len(driver.reads) == 2
    assert states(driver.read()) == [(UP, "")]


def test_failed_readings_wait_longer_each_time_and_do_not_end_up() -> None:
    driver = up()
    driver.wait(PARAMS.reconcile_ns)
    waits = []
    for _ in range(8):
        driver.step(AccountReadFailed(driver.reads[-1].read_id, "no"))
        before, begun_ns = len(driver.reads), driver.at_ns
        while len(driver.reads) == before:
            driver.wait(NS_PER_S // 4)
        waits.append((driver.at_ns - begun_ns) / NS_PER_S)
    assert waits == [0.25, 0.5, 1, 2, 4, 8, 10, 10]
    assert driver.engine.state is UP
    assert driver.engine.counters.reads_failed == 8


def asked(outputs: list[AccountOutput]) -> list[int]:
    return [o.read_id for o in outputs if isinstance(o, ReadPositions)]


def test_positions_are_read_after_each_connect_and_in_the_rhythm_of_the_reconciliation() -> None:
    driver, held = Driver(), (TokenShares("1", 5_000_000),)
    assert asked(driver.step(ChannelConnected())) == []
    assert asked(driver.step(ChannelAnswered())) == [1]
    asked_ns = driver.at_ns
    assert driver.step(PositionsAnswered(1, held), after_ns=NS_PER_S) == [
        PositionsRead(held=held, asked_ns=asked_ns, ts_recv_ns=driver.at_ns)
    ]
    assert asked(driver.wait(PARAMS.reconcile_ns - NS_PER_S - 1)) == []
    assert asked(driver.wait(1)) == [2]
    driver.step(ChannelLost("closed"))
    assert driver.step(PositionsAnswered(2)) == []
    driver.step(ChannelConnected())
    assert asked(driver.step(ChannelAnswered())) == [3]
    assert driver.engine.counters.positions_read == 1


def test_positions_that_cannot_be_read_are_told_and_asked_for_again() -> None:
    driver = up()
    outputs = driver.step(PositionsReadFailed(1, "no answer"))
    assert list(kinds(outputs)) == [AccountNoticeKind.POSITIONS_FAILED]
    assert asked(driver.wait(PARAMS.reconcile_ns)) == [2]
    assert driver.engine.counters.positions_failed == 1
    assert driver.engine.state is UP


def balance(driver: Driver, dollars: float | None) -> list[AccountNoticeKind]:
    """The next reading's answer, and what it says."""
    read_id = asked(driver.wait(PARAMS.reconcile_ns))[0]
    balance_u6 = None if dollars is None else round(dollars * 1_000_000)
    notices = list(kinds(driver.step(BalanceAnswered(read_id, balance_u6, "no answer"))))
    assert driver.step(BalanceAnswered(read_id - 1, 0)) == []  # of a reading that is over
    driver.step(PositionsAnswered(read_id))
    return notices


def test_money_that_left_without_a_fill_is_told_and_stops_nothing() -> None:
    driver = up()
    driver.step(PositionsAnswered(1))
    assert balance(driver, 100) == balance(driver, 90) == []
    assert balance(driver, 90) == [AccountNoticeKind.BALANCE_FELL]
    assert balance(driver, 90) == []
    assert driver.engine.counters.balance_falls == 1
    assert driver.engine.balance_u6 == 90_000_000
    assert driver.engine.state is UP


def test_what_our_own_fills_cost_is_no_fall() -> None:
    driver = up()
    driver.step(PositionsAnswered(1))
    assert balance(driver, 100) == []
    driver.step(ChannelHeard((fill("t1"), fill("t2"))))
    driver.step(ChannelHeard((fill("t1", TradeStatus.CONFIRMED),)))
    assert balance(driver, 95.3) == balance(driver, 95.3) == balance(driver, 95.3) == []


def test_a_balance_that_cannot_be_read_is_told() -> None:
    driver = up()
    driver.step(PositionsAnswered(1))
    assert balance(driver, None) == [AccountNoticeKind.BALANCE_FAILED]
    assert driver.engine.counters.balance_failed == 1
    assert driver.engine.balance_u6 is None


def test_what_could_not_be_read_is_named_with_its_time_from_then_on() -> None:
    def doubted_ns(outputs: list[AccountOutput]) -> int:
        return [o.doubted_ns for o in outputs if isinstance(o, UserChannelChanged)][-1]

    driver = up()
    first_ns = driver.at_ns + NS_PER_S
    assert doubted_ns(driver.step(ChannelHeard(doubts=1), after_ns=NS_PER_S)) == first_ns
    driver.wait(NS_PER_S)
    assert doubted_ns(driver.read()) == first_ns
    driver.wait(PARAMS.reconcile_ns)
    unreadable = AccountReadFailed(driver.reads[-1].read_id, "bad", unreadable=True)
    assert doubted_ns(driver.step(unreadable, after_ns=1)) == driver.at_ns > first_ns


def test_a_doubt_ends_up_until_a_reading_that_began_after_it() -> None:
    driver = up()
    driver.wait(PARAMS.reconcile_ns)
    outputs = driver.step(ChannelHeard(unusable=1, doubts=1))
    assert states(outputs) == [(RECONCILING, UNREADABLE)]
    assert AccountNoticeKind.OWN_TRADE_UNREADABLE in kinds(outputs)
    assert driver.read() == []
    driver.wait(NS_PER_S)
    assert driver.reads[-1].read_id == 3
    assert states(driver.read(fill())) == [(UP, "")]


def test_a_frame_that_is_of_no_use_only_brings_the_next_reading_forward() -> None:
    driver = up()
    driver.step(ChannelHeard(unusable=1))
    assert driver.engine.state is UP
    driver.wait(NS_PER_S)
    assert len(driver.reads) == 2


def test_a_trade_that_rest_tells_unreadably_ends_up_and_does_not_grow_too_old() -> None:
    driver = up()
    driver.wait(PARAMS.reconcile_ns)
    asked = driver.reads[-1]
    outputs = driver.step(AccountReadFailed(asked.read_id, "bad", unreadable=True))
    assert states(outputs) == [(RECONCILING, UNREADABLE)]
    driver.wait(7_200 * NS_PER_S)
    assert driver.reads[-1].after_s == asked.after_s
    driver.read(fill())
    assert driver.engine.state is UP
    driver.wait(PARAMS.reconcile_ns)
    assert driver.reads[-1].after_s == driver.at_ns // NS_PER_S - PARAMS.lookback_s


def test_what_makes_a_reading_needed_while_one_runs_is_read_after_it() -> None:
    driver = up()
    driver.wait(PARAMS.reconcile_ns)
    driver.step(ChannelHeard(unusable=1))
    driver.read()
    driver.wait(NS_PER_S)
    assert driver.reads[-1].read_id == 3


def test_a_doubt_while_down_does_not_look_like_a_connection() -> None:
    driver = Driver()
    driver.step(ChannelHeard(unusable=1, doubts=1))
    assert driver.engine.state is DOWN


def test_a_match_without_its_trade_ends_up_until_the_trade_is_told() -> None:
    driver = up()
    driver.step(ChannelHeard((update(5_000_000),)))
    assert driver.engine.state is UP
    outputs = driver.wait(OWED_AFTER_NS)
    assert states(outputs) == [(RECONCILING, OWED)]
    assert AccountNoticeKind.FILLS_MISSING in kinds(outputs)
    assert states(driver.read()) == []
    assert driver.engine.state is RECONCILING
    assert driver.engine.owed_orders == 1
    driver.wait(2 * OWED_AFTER_NS)
    assert driver.reads[-1].after_s == driver.at_ns // NS_PER_S - 2**2 * 3_600
    assert driver.read(fill())[-1] == UserChannelChanged(state=UP, ts_recv_ns=driver.at_ns)


def test_a_late_trade_on_the_channel_leads_to_a_reading_and_up() -> None:
    driver = up()
    driver.step(ChannelHeard((update(5_000_000),)))
    driver.wait(OWED_AFTER_NS)
    driver.read()
    before = len(driver.reads)
    driver.step(ChannelHeard((fill(),)))
    assert len(driver.reads) == before + 1
    driver.read(fill())
    assert driver.engine.state is UP


def test_a_trade_that_does_not_settle_is_asked_for_by_its_id() -> None:
    driver = up()
    driver.step(ChannelHeard((fill(),)))
    driver.wait(UNSETTLED_AFTER_NS - 1)
    driver.read()
    driver.wait(1)
    assert driver.reads[-1].trade_ids == ("t",)
    assert driver.engine.state is UP


def test_a_fill_that_the_channel_did_not_tell_is_published_and_the_channel_replaced() -> None:
    driver = up()
    driver.wait(PARAMS.reconcile_ns)
    outputs = driver.read(fill(age_s=20))
    assert fills_of(outputs) == [fill(age_s=20)]
    assert ReconnectChannel(MISSED) in outputs
    assert driver.engine.counters.missed == 1


def test_nothing_is_read_between_a_reconnect_and_the_next_connections_answer() -> None:
    driver = up()
    driver.wait(PARAMS.reconcile_ns)
    driver.read(fill(age_s=20))
    before = len(driver.reads)
    driver.wait(2 * PARAMS.reconcile_ns)
    assert len(driver.reads) == before
    driver.step(ChannelLost("closed"))
    driver.step(ChannelConnected())
    driver.step(ChannelAnswered())
    assert len(driver.reads) == before + 1


@pytest.mark.parametrize("by_rest", [False, True])
def test_a_take_is_booked_and_ends_up_until_an_operator_resumes(*, by_rest: bool) -> None:
    driver = up()
    if by_rest:
        driver.wait(PARAMS.reconcile_ns)
        outputs = driver.read(fill(), taken="0xo")
    else:
        outputs = driver.step(ChannelHeard((fill(),), taken=("0xo",)))
    assert fills_of(outputs) == [fill()]
    assert AccountNoticeKind.OWN_ORDER_TOOK in kinds(outputs)
    assert (driver.engine.state, driver.engine.reason) == (RECONCILING, TOOK)
    driver.step(ChannelLost("closed"))
    driver.step(ChannelConnected())
    driver.step(ChannelAnswered())
    driver.read(fill())
    assert (driver.engine.state, driver.engine.reason) == (RECONCILING, TOOK)
    driver.step(OperatorResumed())
    driver.read(fill())
    assert driver.engine.state is UP


def test_a_resume_without_a_take_changes_nothing() -> None:
    driver = up()
    assert driver.step(OperatorResumed()) == []


def test_time_that_runs_backwards_is_our_mistake() -> None:
    driver = up()
    with pytest.raises(InvariantError):
        driver.engine.step(START_NS - 1, Tick())
