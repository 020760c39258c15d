"""The account's engine against made-up venues: loss, repeats, any order, REST that lags."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pmcore.engine.account.engine import AccountEngine, AccountParams
from pmcore.engine.account.io import (
    AccountEvent,
    AccountRead,
    AccountReadFailed,
    ChannelAnswered,
    ChannelConnected,
    ChannelHeard,
    ChannelLost,
    ReadAccount,
    ReconnectChannel,
)
from pmcore.messages.timers import Tick
from pmcore.messages.user import FillReported, TradeStatus, UserChannelChanged, UserChannelState
from pmcore.model.units import NS_PER_S

START_NS = 1_000_000 * NS_PER_S
PARAMS = AccountParams(lookback_s=3_600, reconcile_ns=10 * NS_PER_S)
MATCHED, MINED = TradeStatus.MATCHED, TradeStatus.MINED
LIVES = (
    (MATCHED,),
    (MATCHED, MINED),
    (MATCHED, MINED, TradeStatus.CONFIRMED),
    (MATCHED, TradeStatus.FAILED),
    (MATCHED, TradeStatus.RETRYING, TradeStatus.FAILED),
)
STEPS = ("tick", "drop", "answer", "connect", "next", "frame", "repeat", "lag", "read", "fail")


class World:
    """A venue's history of trades, of which the channel tells some and REST what it knows yet."""

    def __init__(self, lives: list[tuple[TradeStatus, ...]]) -> None:
        self.engine = AccountEngine(PARAMS)
        self.at_ns = START_NS
        self.ahead = [(f"t{n}", status) for n, life in enumerate(lives) for status in life]
        self.venue: dict[str, TradeStatus] = {}
        self.by_rest: dict[str, TradeStatus] = {}
        self.frames: list[FillReported] = []
        self.told: set[tuple[str, TradeStatus]] = set()
        self.connected = self.answered = False
        self.request: ReadAccount | None = None
        self.began_answered = False
        self.up = False

    def fill(self, trade_id: str, status: TradeStatus) -> FillReported:
        return FillReported(
            trade_id=trade_id,
            order_hash="0xo",
            condition_id="0xc",
            token_id="1",
            price_e4=4700,
            size_u6=5_000_000,
            status=status,
            ts_event_ns=START_NS,
            ts_recv_ns=self.at_ns,
        )

    def step(self, event: AccountEvent) -> None:
        for output in self.engine.step(self.at_ns, event):
            match output:
                case ReadAccount():
                    assert self.answered
                    self.request, self.began_answered = output, True
                case ReconnectChannel():
                    self.begin_anew()
                case FillReported():
                    self.told.add((output.trade_id, output.status))
                case UserChannelChanged():
                    up = output.state is UserChannelState.UP
                    assert not up or (self.answered and self.began_answered)
                    self.up = up
                case _:
                    pass

    def begin_anew(self) -> None:
        self.connected = self.answered = self.began_answered = False

    def do(self, what: str, pick: int) -> None:
        self.at_ns += pick * NS_PER_S // 4
        event: AccountEvent = Tick()
        if what == "next" and self.ahead:
            trade_id, status = self.ahead.pop(0)
            self.venue[trade_id] = status
            self.frames.append(self.fill(trade_id, status))
        elif what == "drop" and self.connected:
            self.begin_anew()
            event = ChannelLost("closed")
        elif what == "connect" and not self.connected:
            self.step(ChannelLost("closed"))
            self.connected, event = True, ChannelConnected()
        elif what == "answer" and self.connected:
            self.answered, event = True, ChannelAnswered()
        elif what in ("frame", "repeat") and self.connected and self.frames:
            chosen = self.frames[pick % len(self.frames)]
            if what == "frame":
                self.frames.remove(chosen)
            event = ChannelHeard((chosen,))
        elif what == "lag":
            self.by_rest = dict(self.venue)
        elif what == "fail" and self.request is not None:
            event = AccountReadFailed(self.request.read_id, "no")
        elif what == "read" and self.request is not None:
            event = self.answer(self.request)
        self.step(event)

    def answer(self, request: ReadAccount) -> AccountRead:
        fills = (self.fill(trade_id, status) for trade_id, status in self.by_rest.items())
        return AccountRead(request.read_id, (), tuple(fills))

    def settle(self) -> None:
        """The rest of the history happens, REST catches up, the channel tells nothing more."""
        self.venue |= dict(self.ahead)
        self.by_rest = dict(self.venue)
        for _ in range(8):
            self.do("connect", 8)
            self.do("answer", 0)
            self.do("tick", 80)
            self.do("read", 0)


@given(
    st.lists(st.sampled_from(LIVES), max_size=4),
    st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 60)), max_size=60),
)
def test_every_fill_and_every_end_is_told_and_up_only_after_a_reading(
    lives: list[tuple[TradeStatus, ...]], steps: list[tuple[str, int]]
) -> None:
    """UP needs a reading that began after this connection answered: `World.step` asserts it."""
    world = World(lives)
    for what, pick in steps:
        world.do(what, pick)
    world.settle()
    assert world.up
    assert world.told >= set(world.venue.items())
