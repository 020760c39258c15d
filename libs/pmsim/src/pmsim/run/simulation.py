"""A whole run in one process: a synthetic venue, an executor, and an engine for each window.

Time goes in steps of `step_ms`; what arrived within a step is applied in order and decided on
once, as a service does with a batch. A function of the seed and the parameters.
"""

from __future__ import annotations

import msgspec

from pmcore.engine.strategy.engine import WindowEngine
from pmcore.messages.execution import ExecutionMessage
from pmcore.messages.gate import PlacingGateChanged
from pmcore.messages.market_data import FeedState, FeedStatusChanged
from pmcore.messages.notices import Notice
from pmcore.messages.rotation import WindowResolved
from pmcore.messages.timers import BatchEnded, Tick
from pmcore.messages.union import EngineEvent
from pmcore.messages.user import UserChannelChanged, UserChannelState
from pmcore.model.market import Window
from pmcore.model.params import StrategyParams
from pmcore.model.units import NS_PER_MS, NS_PER_S
from pmcore.venue.market_frames import MarketFrameParser
from pmcore.venue.user_frames import UserFrameParser
from pmsim.run.checkers import (
    CommandAudit,
    belief_problems,
    ledger_problems,
    limit_problems,
    outliving_problems,
    taker_problems,
)
from pmsim.run.direct import DirectExecutor, DirectParams
from pmsim.run.synthetic import SyntheticParams, SyntheticVenue
from pmsim.venue.ports import Account, MarketFrame, VenueEvent

ACCOUNT = Account(owner="sim-key", maker_address="0x" + "5a" * 20)
PREWARM_NS = 10 * NS_PER_S
TICK_MS = 100


class _Seat(msgspec.Struct):
    engine: WindowEngine
    parser: MarketFrameParser
    resolved: bool = False

    @property
    def window(self) -> Window:
        return self.engine.session.window


class Simulation:
    """`run` it, then read `problems`, `engines` and `notices`."""

    def __init__(
        self,
        world: SyntheticParams,
        strategy: StrategyParams,
        *,
        direct: DirectParams | None = None,
        step_ms: int = 20,
    ) -> None:
        self.venue = SyntheticVenue(world)
        self.notices: list[Notice] = []
        self.problems: list[str] = []
        self._strategy = strategy
        self._executor = DirectExecutor(self.venue, ACCOUNT, direct or DirectParams())
        self._user = UserFrameParser(
            api_key=ACCOUNT.owner, maker_addresses=frozenset({ACCOUNT.maker_address})
        )
        self._audit = CommandAudit()
        self._seats: dict[str, _Seat] = {}
        self._by_condition: dict[str, _Seat] = {}
        self._step_ns = step_ms * NS_PER_MS
        self._next_tick_ns = 0

    @property
    def engines(self) -> list[WindowEngine]:
        """All engines that ever lived, oldest window first."""
        return [seat.engine for seat in self._seats.values()]

    def run(self, seconds: float) -> None:
        """Trade for a while, then let every window that has begun end, and check all."""
        stop_ns = self.venue.now_ns + int(seconds * NS_PER_S)
        while self.venue.now_ns < stop_ns:
            self._step(join=True)
        while not all(self._at_rest(seat) for seat in self._seats.values()):
            self._step(join=False)
        self._check_the_end()

    def _step(self, *, join: bool) -> None:
        at_ns = self.venue.now_ns + self._step_ns
        answers = self._executor.advance(at_ns)
        events = self.venue.advance(at_ns)
        if join:
            self._join_windows(at_ns)
        for event in events:
            self._deliver(at_ns, event)
        self._answer(at_ns, answers)
        self._tell_resolutions(at_ns)
        if at_ns >= self._next_tick_ns:
            self._next_tick_ns = at_ns + TICK_MS * NS_PER_MS
            for seat in self._seats.values():
                self._apply(at_ns, seat, Tick())
        for seat in self._seats.values():
            if not seat.engine.finished:
                self._apply(at_ns, seat, BatchEnded())
        windows = [seat.window for seat in self._seats.values()]
        self.problems += outliving_problems(self.venue.accounts, ACCOUNT.owner, windows, at_ns)

    def _join_windows(self, at_ns: int) -> None:
        for listing in self.venue.listings():
            window = listing.window
            due = window.open_ns - PREWARM_NS <= at_ns < window.close_ns
            if due and window.slug not in self._seats:
                self._join(at_ns, window)

    def _join(self, at_ns: int, window: Window) -> None:
        seat = _Seat(WindowEngine(window, self._strategy, "sim"), MarketFrameParser(window))
        self._seats[window.slug] = self._by_condition[window.condition_id] = seat
        self._executor.add_window(window)
        up = UserChannelChanged(state=UserChannelState.UP, ts_recv_ns=at_ns)
        self._apply(at_ns, seat, up)
        self._apply(at_ns, seat, PlacingGateChanged(open=True, ts_recv_ns=at_ns))
        live = FeedStatusChanged(slug=window.slug, state=FeedState.LIVE, ts_recv_ns=at_ns)
        self._apply(at_ns, seat, live)
        dump = self.venue.initial_dump([window.up_token_id, window.down_token_id])
        for message in seat.parser.parse(dump or "", ts_recv_ns=at_ns):
            self._apply(at_ns, seat, message)

    def _deliver(self, at_ns: int, event: VenueEvent) -> None:
        seat = self._by_condition.get(event.condition_id)
        if seat is None or (isinstance(event, MarketFrame) and event.custom):
            return
        if isinstance(event, MarketFrame):
            for message in seat.parser.parse(event.text, ts_recv_ns=event.at_ns):
                self._apply(at_ns, seat, message)
        else:
            text = msgspec.json.encode(event.frame)
            for own in self._user.parse(text, ts_recv_ns=event.at_ns):
                self._apply(at_ns, seat, own)

    def _answer(self, at_ns: int, answers: list[ExecutionMessage]) -> None:
        for answer in answers:
            self._audit.answered(answer)
            self._apply(at_ns, self._seats[answer.slug], answer)

    def _tell_resolutions(self, at_ns: int) -> None:
        for seat in self._seats.values():
            if seat.resolved or at_ns < seat.window.close_ns:
                continue
            listing = self.venue.listing(seat.window.slug)
            if listing is not None and listing.closed:
                seat.resolved = True
                resolved = WindowResolved(
                    slug=seat.window.slug, winner=listing.winner, ts_recv_ns=at_ns
                )
                self._apply(at_ns, seat, resolved)

    def _apply(self, at_ns: int, seat: _Seat, event: EngineEvent) -> None:
        for output in seat.engine.step(at_ns, event):
            if isinstance(output, Notice):
                self.notices.append(output)
            else:
                self._audit.commanded(output)
                self._answer(at_ns, self._executor.command(at_ns, output))

    def _at_rest(self, seat: _Seat) -> bool:
        return seat.engine.finished

    def _check_the_end(self) -> None:
        accounts = self.venue.accounts
        windows = [seat.window for seat in self._seats.values()]
        self.problems += ledger_problems(accounts, windows)
        self.problems += taker_problems(accounts, ACCOUNT.owner)
        self.problems += self._audit.problems(accounts, ACCOUNT.owner)
        for engine in self.engines:
            self.problems += belief_problems(accounts, ACCOUNT.owner, engine)
            self.problems += limit_problems(engine)
        self.problems += [f"unusable user frame: {reason}" for reason in self._user.unusable]
