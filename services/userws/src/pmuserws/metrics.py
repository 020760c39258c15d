"""What userws counts: the totals of the parser and of the engine, as metrics."""

from __future__ import annotations

from pmcore.engine.account.engine import AccountEngine
from pmcore.messages.user import UserChannelState
from pmcore.model.units import SHARE_U6
from pmcore.shell.service.metrics import ServiceMetrics
from pmcore.venue.unusable import PROTOCOL_REASONS
from pmcore.venue.user_frames import UserFrameParser


class UserwsMetrics:
    """`update` raises all counters to the totals."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        self._frames = metrics.counter("frames_total", "Frames received")
        self._unusable = metrics.counter(
            "unusable_frames_total", "Frames that could not be used", ["reason"]
        )
        for reason in PROTOCOL_REASONS:
            self._unusable.labels(reason)
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
        self._falls = metrics.counter(
            "balance_falls_total", "Times that money left which none of our fills explains"
        )
        self._balance = metrics.gauge(
            "balance_dollars", "Collateral of the wallet at the last reading; -1 before the first"
        )
        self._up = metrics.gauge("channel_up", "1 while connected and reconciled")
        self._told: dict[tuple[str, str], int] = {}

    def update(self, parser: UserFrameParser, engine: AccountEngine) -> None:
        """Raise the counters to the totals."""
        counted = engine.counters
        self._up.set(engine.state is UserChannelState.UP)
        self._frames.inc(self._more("frames", parser.frames))
        self._doubts.inc(self._more("doubts", counted.doubts))
        self._taken.inc(self._more("taken", counted.taken))
        self._repeats.inc(self._more("repeats", engine.repeats))
        self._missed.inc(self._more("missed", counted.missed))
        self._pulls.inc(self._more("pulls", counted.pulls))
        self._connects.inc(self._more("connects", counted.connects))
        reads = {"done": counted.reads_done, "failed": counted.reads_failed}
        for kind, total in reads.items():
            self._reconciliations.labels(kind).inc(self._more("reads", total, kind))
        readings = {"done": counted.positions_read, "failed": counted.positions_failed}
        for kind, total in readings.items():
            self._positions.labels(kind).inc(self._more("positions", total, kind))
        balances = {"done": counted.balance_read, "failed": counted.balance_failed}
        for kind, total in balances.items():
            self._balances.labels(kind).inc(self._more("balances", total, kind))
        self._falls.inc(self._more("falls", counted.balance_falls))
        balance_u6 = engine.balance_u6
        self._balance.set(-1 if balance_u6 is None else balance_u6 / SHARE_U6)
        for status, total in counted.fills.items():
            self._fills.labels(status).inc(self._more("fills", total, status.value))
        for reason, total in parser.unusable.items():
            self._unusable.labels(reason).inc(self._more("unusable", total, reason))

    def _more(self, name: str, total: int, label: str = "") -> int:
        before = self._told.get((name, label), 0)
        self._told[name, label] = total
        return total - before
