"""`--latency` of replays: numbers, a file of quantiles, or what a run's own executor measured.

A run's journal says when each request left and when its answer came. All of that counts as the way
there, though some of it is the way back: so a replay is late rather than early.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from pmcore.engine.execution.io import (
    CancelAnswered,
    DeleteOrders,
    ExecutionEvent,
    ExecutionOutput,
    ListOpenOrders,
    LookUpOrder,
    OpenOrdersAnswered,
    OrderLookedUp,
    Posted,
    PostOrder,
    PostRejected,
)
from pmcore.engine.execution.journal import (
    EXECUTION_JOURNAL,
    ExecutionJournalEntry,
    ExecutionJournalHeader,
)
from pmcore.messages.user import FillReported, TradeStatus
from pmcore.model.errors import MalformedInputError
from pmcore.model.latency import (
    DEFAULT_LATENCIES,
    MOST_MS,
    Latencies,
    LatencyPoints,
    Travel,
    checked,
    parse_latencies,
)
from pmcore.model.units import NS_PER_MS
from pmtools.errors import UsageError
from pmtools.replay.inputs import files_in, find_inputs
from pmtools.replay.journals import JournalParts, header_of, journal_steps

QUANTILES_BPS = (0, 1_000, 2_500, 5_000, 7_500, 9_000, 9_500, 9_900, 10_000)
Measured = dict[Travel, list[int]]
Quantiles = dict[str, dict[str, float]]
_QUANTILE = re.compile(r"p[0-9]{1,3}(\.[0-9]{1,2})?")
_ONE_BPS = 10_000


class _QuantileFile(msgspec.Struct):
    latency_ms: Quantiles


def read_latencies(text: str | None, seed: int = 1) -> Latencies:
    """Of `--latency`: a run's folder, a file, or `parse_latencies`. Raise `UsageError`."""
    if text is None:
        return DEFAULT_LATENCIES
    path = Path(text)
    try:
        if path.suffix == ".json":
            told = msgspec.json.decode(path.read_bytes(), type=_QuantileFile)
            return as_latencies(told.latency_ms, seed)
        if path.exists():
            return as_latencies(quantiles_ms(measure(journals_in(path))), seed)
        return parse_latencies(text, seed)
    except MalformedInputError as error:
        raise UsageError(f"--latency {text}: {error.detail}") from error
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(f"--latency {text}: no latencies can be read there: {error}") from error


def journals_in(path: Path) -> list[JournalParts]:
    """The executor's journals below a folder, or the one named. Raise `UsageError` without one."""
    named = [path]
    if path.is_dir():
        named = [each for each in files_in(path) if each.name.startswith("executor-")]
    found = find_inputs(named, None).found
    journals = [
        each
        for each in found
        if isinstance(each, JournalParts) and each.format is EXECUTION_JOURNAL
    ]
    if not journals:
        raise UsageError(f"{path}: no journal of an executor is there (PM_JOURNAL=true writes it)")
    return journals


def measure(journals: Sequence[JournalParts]) -> Measured:
    """Nanoseconds from each request to its answer, and from each match to its report."""
    taken: Measured = {travel: [] for travel in Travel}
    for journal in journals:
        header = header_of(journal)
        assert isinstance(header, ExecutionJournalHeader)
        engine = header.make_engine()
        sent: dict[object, int] = {}
        for line in journal_steps(journal):
            if not isinstance(line, ExecutionJournalEntry):
                continue
            event = line.event
            if isinstance(event, FillReported) and event.status is TradeStatus.MATCHED:
                taken[Travel.REPORT].append(max(0, event.ts_recv_ns - event.ts_event_ns))
            travel, name = _answered(event)
            if (sent_ns := sent.pop(name, None)) is not None:
                taken[travel].append(line.at_ns - sent_ns)
            for output in engine.step(line.at_ns, event):
                if (name := _sent(output)) is not None:
                    sent[name] = line.at_ns
    return taken


def _answered(event: ExecutionEvent) -> tuple[Travel, object]:
    """What an answer tells the latency of, and the name of its request."""
    match event:
        case Posted() | PostRejected():
            return Travel.ORDER, event.client_order_id
        case CancelAnswered():
            return Travel.CANCEL, event.order_hashes
        case OpenOrdersAnswered():
            return Travel.QUERY, ("list", event.slug)
        case OrderLookedUp():
            return Travel.QUERY, ("look", event.order_hash)
        case _:
            pass
    return Travel.ORDER, None


def _sent(output: ExecutionOutput) -> object:
    match output:
        case PostOrder():
            return output.client_order_id
        case DeleteOrders():
            return output.order_hashes
        case ListOpenOrders():
            return ("list", output.slug)
        case LookUpOrder():
            return ("look", output.order_hash)
        case _:
            pass
    return None


def quantiles_ms(measured: Measured) -> Quantiles:
    """Milliseconds at QUANTILES_BPS (`p50` is 5 000) of what was measured at least once."""
    return {
        travel.value: {
            f"p{bps / 100:g}": sorted(taken)[(len(taken) - 1) * bps // _ONE_BPS] / NS_PER_MS
            for bps in QUANTILES_BPS
        }
        for travel, taken in measured.items()
        if taken
    }


def as_latencies(quantiles: Quantiles, seed: int) -> Latencies:
    """Raise `MalformedInputError` without order and cancel; queries then take as long as orders.

    Whatever took longer than MOST_MS counts as that.
    """
    if missing := {Travel.ORDER.value, Travel.CANCEL.value} - quantiles.keys():
        raise MalformedInputError("bad_latency", f"there is no latency of: {min(missing)}")
    points = {name: _points(name, given) for name, given in quantiles.items()}
    return Latencies(**{Travel.QUERY.value: points[Travel.ORDER.value], **points}, seed=seed)


def _points(name: str, given: Mapping[str, float]) -> LatencyPoints:
    if name not in set(Travel):
        raise MalformedInputError("bad_latency", f"{name[:20]!r} is none of {', '.join(Travel)}")
    rows = []
    for quantile, value in given.items():
        if not _QUANTILE.fullmatch(quantile):
            raise MalformedInputError("bad_latency", f"{quantile[:20]!r} is no quantile like p50")
        bps = round(float(quantile[1:]) * 100)
        rows.append((bps, round(min(value, MOST_MS) * NS_PER_MS)))
    return checked(LatencyPoints(tuple(sorted(rows))))
