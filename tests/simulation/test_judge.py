"""Each law of the judge goes red when the venue's own books break it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from pmcore.messages.execution import FailureStage, OrderAccepted, OrderFailed
from pmcore.messages.orders import SubmitOrder
from pmcore.messages.user import PositionsRead, TokenShares
from pmcore.model.errors import InvariantError, Reason
from pmcore.model.market import Outcome, Window
from pmcore.model.units import NS_PER_S, SHARE_U6
from pmcore.wire import keys
from pmcore.wire.ports import Outgoing
from pmsim.venue.ports import NewOrder, OrderSide, TimeInForce
from pmtools.simulate import checkers
from pmtools.simulate.checkers import Judge
from pmtools.simulate.world import SeededWorld

pytestmark = pytest.mark.timeout(120)


class Case:
    """A world that has begun to trade, and its judge."""

    def __init__(self) -> None:
        self.world = SeededWorld(2)
        self.judge = Judge(self.world)
        self.world.start()
        self.world.run(3.0)
        assert self.laws == set()

    @property
    def window(self) -> Window:
        """The one that is open."""
        listings = [listing.window for listing in self.world.venue.listings()]
        return next(w for w in listings if w.open_ns <= self.world.now_ns < w.close_ns)

    @property
    def laws(self) -> set[str]:
        """Those broken so far."""
        return {breach.law for breach in self.judge.problems}

    def place(self, price_e4: int, shares: int, **more: object) -> None:
        """An order of our account that no service asked for."""
        order = {
            "order_hash": f"0x{len(self.world.accounts.orders):064x}",
            "token_id": self.window.up_token_id,
            "side": OrderSide.BUY,
            "price_e4": price_e4,
            "size_u6": shares * SHARE_U6,
            "post_only": True,
            **more,
        }
        result = self.world.venue.place(self.world.owner, NewOrder(**order), self.world.now_ns)  # type: ignore[arg-type]  # a table of fields
        assert not result.error
        self.world.run(0.01)

    def say(self, message: SubmitOrder | OrderAccepted | OrderFailed) -> None:
        """A message on the bus."""
        for hear in self.world.on_publish:
            hear("somebody", Outgoing(keys.exe("btc-30s"), message))


@pytest.fixture
def case() -> Iterator[Case]:
    made = Case()
    yield made
    made.world.close()


def submit(client_order_id: str) -> SubmitOrder:
    return SubmitOrder(
        client_order_id=client_order_id,
        slug="s",
        outcome=Outcome.UP,
        price_e4=100,
        size_u6=5 * SHARE_U6,
        tick_e4=100,
        expires_at_ns=0,
        ts_step_ns=0,
        ts_cause_ns=0,
    )


def test_resting_orders_count_as_held(case: Case) -> None:
    case.place(100, 12)
    assert case.laws == {"exposure"}


def test_money_at_risk_is_bounded(case: Case) -> None:
    case.place(100, 6_000)
    assert "value limit" in case.laws


def test_taking_and_its_net_are_seen(case: Case) -> None:
    take = {"post_only": False, "time_in_force": TimeInForce.FAK}
    case.place(9_900, 20, **take)
    case.world.run(1.0)  # takers wait at the venue
    assert {"maker only", "net limit"} <= case.laws
    case.place(9_900, 5, side=OrderSide.SELL)
    assert "buys only" in case.laws


def test_an_order_after_a_kill_is_seen(case: Case) -> None:
    case.world.killed("nobody: the services go on")
    case.world.run(40.0)
    assert "kill" in case.laws


def test_two_ends_of_one_command_are_seen(case: Case) -> None:
    case.say(OrderAccepted(slug="s", client_order_id="a", order_hash="0x1", ts_exec_ns=1))
    assert case.laws == set()
    case.say(
        OrderFailed(
            slug="s",
            client_order_id="a",
            stage=FailureStage.REJECTED,
            reason=Reason.TICK,
            text="",
            order_hash="0x1",
            ts_exec_ns=2,
        )
    )
    assert case.laws == {"one end"}


def test_an_order_that_outlives_its_window_is_seen(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.place(100, 5)
    case.judge.outlived()
    assert case.laws == set()
    monkeypatch.setattr(checkers, "OUTLIVE_S", -60)  # every window closed a minute ago
    case.judge.outlived()
    assert case.laws == {"outlives its window"}


def test_what_only_rest_shows_is_seen(case: Case) -> None:
    case.say(submit("never-answered"))
    case.place(100, 5)
    case.world.accounts.ledger._cash_u6[case.world.owner] += 1

    async def mistake() -> None:
        raise InvariantError("ours")

    case.world.hosts["feed"].do(mistake)
    case.world.run(0.01)
    case.judge.finish()
    assert {"one end", "flat after a kill", "record first", "conserved", "no crash"} <= case.laws


def test_a_bid_on_positions_that_disagree_is_seen(case: Case) -> None:
    window = case.window
    bid = msgspec.structs.replace(
        submit("bid"), slug=window.slug, ts_step_ns=case.world.now_ns + 13 * NS_PER_S
    )

    def read(seconds: int, shares: int) -> None:
        at_ns = case.world.now_ns + seconds * NS_PER_S
        held = (TokenShares(window.up_token_id, shares * SHARE_U6),)
        for hear in case.world.on_read:
            hear("strategy", PositionsRead(held=held, asked_ns=at_ns, ts_recv_ns=at_ns))

    for seconds, shares in ((0, 50), (9, 50), (10, 0), (11, 50)):
        read(seconds, shares)
    case.judge._on_positions(bid)
    assert case.laws == set()
    late_ns = case.world.now_ns + 21 * NS_PER_S
    read(21, 50)
    case.judge._on_positions(msgspec.structs.replace(bid, ts_step_ns=late_ns))
    assert case.laws == set()
    later_ns = late_ns + 3 * NS_PER_S
    case.judge._on_positions(msgspec.structs.replace(bid, ts_step_ns=later_ns))
    assert case.laws == {"positions"}


def test_an_expired_order_is_seen(case: Case) -> None:
    case.say(submit("late"))  # it expired in 1970
    case.judge._client_ids["0x7"] = "late"
    case.judge._recorded_s["late"] = 0.0
    case.judge._posted("0x7", case.world.loop.time())
    assert case.laws == {"expiry"}
    assert case.judge.problems[0].at_s == case.world.loop.time()
    assert case.world.now_ns > NS_PER_S


def test_an_order_decided_on_an_old_book_is_seen(case: Case) -> None:
    command = msgspec.structs.replace(submit("a"), slug=case.window.slug)
    case.say(msgspec.structs.replace(command, ts_step_ns=case.world.now_ns))
    assert case.laws == set()
    late_ns = case.world.now_ns + 4 * NS_PER_S
    case.say(msgspec.structs.replace(command, client_order_id="b", ts_step_ns=late_ns))
    assert case.laws == {"stale book"}
