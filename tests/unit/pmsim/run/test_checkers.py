from __future__ import annotations

import msgspec

from pmcore.engine.strategy.engine import WindowEngine
from pmcore.messages.execution import FailureStage, OrderAccepted, OrderFailed
from pmcore.messages.orders import SubmitOrder
from pmcore.model.errors import Reason
from pmcore.model.market import Outcome, Window
from pmcore.model.params import StrategyParams
from pmcore.model.units import SHARE_U6
from pmsim.run.checkers import (
    CommandAudit,
    belief_problems,
    ledger_problems,
    limit_problems,
    outliving_problems,
    taker_problems,
)
from pmsim.run.synthetic import SyntheticVenue
from pmsim.venue.ports import OrderSide, TimeInForce
from support.sim_worlds import ME, new_order, synthetic


def world() -> tuple[SyntheticVenue, Window]:
    venue = synthetic()
    return venue, venue.listings()[0].window


def take(venue: SyntheticVenue, window: Window) -> None:
    order = new_order(
        "0x1", window.up_token_id, 9_900, time_in_force=TimeInForce.FAK, post_only=False
    )
    assert venue.place(ME.owner, order, venue.now_ns).status == "matched"


def test_a_sound_ledger_has_no_problems_and_a_tampered_one_does() -> None:
    venue, window = world()
    assert ledger_problems(venue.accounts, [window]) == []
    venue.accounts.ledger._cash_u6[ME.owner] += 1
    venue.accounts.ledger._shares_u6[ME.owner, window.up_token_id] = 5
    problems = ledger_problems(venue.accounts, [window])
    assert [problem.split(":")[0] for problem in problems] == [
        "1 u6 of cash without a source",
        window.slug,
    ]


def test_taking_and_selling_are_noticed() -> None:
    venue, window = world()
    assert taker_problems(venue.accounts, ME.owner) == []
    take(venue, window)
    sell = new_order("0x2", window.up_token_id, 9_900, side=OrderSide.SELL)
    venue.place(ME.owner, sell, venue.now_ns)
    assert len(taker_problems(venue.accounts, ME.owner)) == 2


def test_an_order_that_outlives_its_window_is_noticed() -> None:
    venue, window = world()
    venue.place(ME.owner, new_order("0x1", window.up_token_id, 100), venue.now_ns)
    assert outliving_problems(venue.accounts, ME.owner, [window], window.close_ns) == []
    assert len(outliving_problems(venue.accounts, ME.owner, [window], window.close_ns + 1)) == 1


def test_a_belief_that_differs_is_noticed() -> None:
    venue, window = world()
    engine = WindowEngine(window, StrategyParams(), "test")
    assert belief_problems(venue.accounts, ME.owner, engine) == []
    venue.place(ME.owner, new_order("0x2", window.down_token_id, 100), venue.now_ns)
    take(venue, window)
    problems = belief_problems(venue.accounts, ME.owner, engine)
    assert len(problems) == 2
    assert "believes in orders {}" in problems[0]
    assert "of up, holds 5000000" in problems[1]


def test_a_limit_that_was_reached_is_noticed() -> None:
    _, window = world()
    engine = WindowEngine(window, StrategyParams(), "test")
    assert limit_problems(engine) == []
    engine.counters.limit_violations = 1
    engine.counters.max_abs_net_diff_u6 = 10 * SHARE_U6
    assert len(limit_problems(engine)) == 2


def submit(client_order_id: str) -> SubmitOrder:
    return SubmitOrder(
        client_order_id=client_order_id,
        slug="s",
        outcome=Outcome.UP,
        price_e4=4_000,
        size_u6=5 * SHARE_U6,
        tick_e4=100,
        expires_at_ns=1,
        ts_step_ns=0,
    )


def test_every_submit_has_one_end() -> None:
    venue, window = world()
    audit = CommandAudit()
    audit.commanded(submit("a"))
    accepted = OrderAccepted(slug="s", client_order_id="a", order_hash="0x1", ts_exec_ns=1)
    audit.answered(accepted)
    venue.place(ME.owner, new_order("0x1", window.up_token_id, 4_000), venue.now_ns)
    assert audit.problems(venue.accounts, ME.owner) == []

    audit.answered(
        OrderFailed(
            slug="s",
            client_order_id="a",
            stage=FailureStage.REJECTED,
            reason=Reason.TICK,
            ts_exec_ns=2,
        )
    )
    audit.commanded(submit("b"))
    audit.commanded(submit("b"))
    audit.answered(msgspec.structs.replace(accepted, client_order_id="stranger"))
    venue.place(ME.owner, new_order("0x9", window.up_token_id, 4_000), venue.now_ns)
    assert audit.problems(venue.accounts, ME.owner) == [
        "b was submitted twice",
        "stranger was never asked for",
        "a ended 2 times",
        "b ended 0 times",
        "0x9 at the venue is no engine's",
    ]
