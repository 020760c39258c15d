"""One window in a replay: both engines, the paper venue, and the time between the frames.

Time is virtual and comes from the recording alone. The strategy's engine is stepped at every
frame, at every message of the executor, and at least every 100 ms while the window is alive; each
batch ends with `BatchEnded`. So a replay is a function of its input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pmcore.engine.strategy.engine import WindowEngine
from pmcore.engine.strategy.session import MarketSession
from pmcore.messages.gate import PlacingGateChanged
from pmcore.messages.market_data import MarketDataMessage
from pmcore.messages.notices import Notice
from pmcore.messages.orders import CommandMessage
from pmcore.messages.timers import BatchEnded, Tick
from pmcore.messages.union import EngineEvent
from pmcore.model.check import invariant
from pmcore.model.market import Window
from pmcore.model.units import NS_PER_MS, NS_PER_S
from pmsim.run.paper_executor import PaperExecutor
from pmtools.replay.transport import Answer, ReplayTransport

TICK_NS = 100 * NS_PER_MS
PREWARM_NS = 10 * NS_PER_S
AFTERLIFE_NS = 1_000 * NS_PER_S
_MAX_ROUNDS = 1_000

Output = CommandMessage | Notice


class WindowReplay:
    """A window's life from its first frame on.

    `sink` sees every output with its time, `look` the session after every decision.
    """

    def __init__(
        self,
        engine: WindowEngine,
        executor: PaperExecutor,
        transport: ReplayTransport,
        sink: Callable[[int, Output], None],
        look: Callable[[int, MarketSession], None] | None = None,
    ) -> None:
        self.engine = engine
        self.window: Window = engine.session.window
        self._executor = executor
        self._transport = transport
        self._sink = sink
        self._look = look
        self._now_ns = 0
        self._due: list[Answer] = []
        self._ticks_from_ns = self.window.open_ns - PREWARM_NS
        self._alive_until_ns = self.window.close_ns + AFTERLIFE_NS

    async def begin(self, at_ns: int) -> None:
        """The first frame is near: groups, user channel, the question whether we are flat."""
        self._now_ns = at_ns
        await self._transport.open(self.window)
        answers = self._executor.add_window(at_ns, self.window)
        self._step(at_ns, PlacingGateChanged(open=True, ts_recv_ns=at_ns))
        await self._answers(at_ns, answers)

    async def receive(self, at_ns: int, messages: Sequence[MarketDataMessage]) -> None:
        """Apply one frame's messages, in order, then decide once."""
        await self.reach(at_ns)
        for message in await self._transport.market(messages):
            self.take(message)
        await self.decide()

    async def reach(self, at_ns: int) -> None:
        """Let all happen that comes before the frame of a time."""
        await self.advance(at_ns)
        self._now_ns = max(at_ns, self._now_ns)
        self._due = self._executor.advance(self._now_ns)

    def take(self, message: MarketDataMessage) -> None:
        """Apply one message of the frame whose time was reached."""
        self._step(self._now_ns, message)
        unseen_e4 = self.engine.session.cause.unseen_trade_e4
        self._due += self._executor.market(self._now_ns, message, unseen_trade_e4=unseen_e4)

    async def decide(self) -> None:
        """The frame's messages were applied: decide."""
        await self._answers(self._now_ns, self._due)

    async def advance(self, until_ns: int) -> None:
        """Let time pass up to, but not including, `until_ns`."""
        until_ns = min(until_ns, self._alive_until_ns)
        while not self.engine.finished:
            tick_ns = max(self._now_ns + TICK_NS, self._ticks_from_ns)
            due_ns = self._executor.next_ns()
            next_ns = tick_ns if due_ns is None else max(self._now_ns, min(tick_ns, due_ns))
            if next_ns >= until_ns:
                return
            answers = self._executor.advance(next_ns)
            if next_ns < tick_ns and not answers:
                continue  # between executor and venue; the strategy does not see it
            self._now_ns = next_ns
            self._step(next_ns, Tick())
            await self._answers(next_ns, answers)

    async def _answers(self, at_ns: int, answers: Sequence[Answer]) -> None:
        """Feed answers back, decide, carry commands out; until nothing is left to say."""
        for _ in range(_MAX_ROUNDS):
            for message in await self._transport.answers(answers):
                self._step(at_ns, message)
            commands = self._step(at_ns, BatchEnded())
            if not commands:
                return
            answers = []
            for command in await self._transport.commands(commands):
                answers += self._executor.command(at_ns, command)
        invariant(condition=False, text=f"the engine did not stop producing outputs at {at_ns}")

    def _step(self, at_ns: int, event: EngineEvent) -> list[CommandMessage]:
        commands: list[CommandMessage] = []
        for output in self.engine.step(at_ns, event):
            self._sink(at_ns, output)
            if not isinstance(output, Notice):
                commands.append(output)
        if self._look is not None and isinstance(event, BatchEnded):
            self._look(at_ns, self.engine.session)
        return commands
