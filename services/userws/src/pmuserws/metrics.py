"""What userws counts: the totals of the parser and of the engine, as metrics."""

from __future__ import annotations

from prometheus_client import Counter

from pmcore.engine.account.engine import AccountEngine
from pmcore.messages.user import UserChannelState
from pmcore.model.units import SHARE_U6
from pmcore.shell.service.metrics import ServiceMetrics, begin_with_0
from pmcore.venue.unusable import PROTOCOL_REASONS
from pmcore.venue.user_frames import UserFrameParser


class UserwsMetrics:
    """`update` raises all counters to the totals."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        self._frames = metrics.counter("frames_total", "Frames received")
        self._unusable = metrics.counter(
            "unusable_frames_total", "Frames that could not be used", ["reason"]
        )
        begin_with_0(self._unusable, PROTOCOL_REASONS)
        self._fills = metrics.counter("fills_total", "Fills published, by status", ["kind"])
        self._doubts = metrics.counter(
            "own_trades_unreadable_total", "Frames that may have told an own fill, not readable"
        )
        self._taken = metrics.counter(
            "own_takes_total", "Fills, by status, of own orders that took liquidity"
        )
        self._repeats = metrics.counter("repeats_total", "Messages that were said before")
        self._missed = metrics.counter(
            "fills_missed_total", "Fills that only REST told while the channel was up"
        )
        self._pulls = metrics.counter(
            "fills_pulled_total", "Times that REST was asked for trades the channel owes"
        )
        self._connects = metrics.counter("connects_total", "User sockets connected")
        self._reconciliations = metrics.counter(
            "reconciliations_total", "REST reconciliations by how they went", ["kind"]
        )
        self._positions = metrics.counter(
            "positions_reads_total", "Readings of the positions by how they went", ["kind"]
        )
        self._balances = metrics.counter(
            "balance_reads_total", "Readings of the balance by how they went", ["kind"]
        )
        for reads in (self._reconciliations, self._positions, self._balances):
            begin_with_0(reads, ("done", "failed"))
        self._falls = metrics.counter(
            "balance_falls_total", "Times that money left which none of our fills explains"
        )
        self._balance = metrics.gauge(
            "balance_dollars", "Collateral of the wallet at the last reading; -1 before the first"
        )
        self._up = metrics.gauge("channel_up", "1 while connected and reconciled")
        self._told: dict[tuple[Counter | str, ...], int] = {}

    def update(self, parser: UserFrameParser, engine: AccountEngine) -> None:
        """Raise the counters to the totals."""
        counted = engine.counters
        self._up.set(engine.state is UserChannelState.UP)
        self._raise(self._frames, parser.frames)
        self._raise(self._doubts, counted.doubts)
        self._raise(self._taken, counted.taken)
        self._raise(self._repeats, engine.repeats)
        self._raise(self._missed, counted.missed)
        self._raise(self._pulls, counted.pulls)
        self._raise(self._connects, counted.connects)
        self._raise(self._reconciliations, counted.reads_done, "done")
        self._raise(self._reconciliations, counted.reads_failed, "failed")
        self._raise(self._positions, counted.positions_read, "done")
        self._raise(self._positions, counted.positions_failed, "failed")
        self._raise(self._balances, counted.balance_read, "done")
        self._raise(self._balances, counted.balance_failed, "failed")
        self._raise(self._falls, counted.balance_falls)
        balance_u6 = engine.balance_u6
        self._balance.set(-1 if balance_u6 is None else balance_u6 / SHARE_U6)
        for status, total in counted.fills.items():
            self._raise(self._fills, total, status.value)
        for reason, total in parser.unusable.items():
            self._raise(self._unusable, total, reason)

    def _raise(self, counter: Counter, total: int, *labels: str) -> None:
        """A child is looked up only to add to it: this runs ten times a second."""
        key: tuple[Counter | str, ...] = (counter, *labels)
        if more := total - self._told.get(key, 0):
            self._told[key] = total
            (counter.labels(*labels) if labels else counter).inc(more)
