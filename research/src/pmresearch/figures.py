"""Figures of one tape or of several together; one list of them for recordings and for our world.

A figure is None where the source does not hold what it needs. Phases are by seconds left, except
the first, so that windows of 5 and 15 minutes compare. Prices in cents, sizes in shares.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean

import msgspec

from pmcore.model.units import NS_PER_S, SHARE_U6
from pmresearch.tape import Sample, Tape

OFI_S = 3
PROBE_EVERY_S = 20
PROBE_HOLD_S = 60
MARKOUTS_S = (5, 30)
_CENT_E4 = 100
_OPEN_E4 = (2_000, 8_000)


class Phase(msgspec.Struct, frozen=True):
    """A part of a window: from `more_s` seconds left (None: the open) to `less_s`."""

    name: str
    more_s: float | None
    less_s: float


PHASES = (
    Phase("until 120 s left", None, 120),
    Phase("120 to 60 s left", 120, 60),
    Phase("60 to 30 s left", 60, 30),
    Phase("last 30 s", 30, 0),
)


class Figure(msgspec.Struct, frozen=True):
    """A row of the table."""

    group: str
    name: str
    value: float | None


def figures(tapes: Sequence[Tape]) -> list[Figure]:
    """All figures of these windows taken together."""
    rows: list[Figure] = []
    for phase in PHASES:
        rows += [Figure(phase.name, name, value) for name, value in _of_phase(tapes, phase)]
    rows += [Figure("whole window", name, value) for name, value in _trades(tapes)]
    rows += [Figure("whole window", name, value) for name, value in _flow(tapes)]
    rows += [Figure("whole window", name, value) for name, value in _markouts(tapes)]
    rows += [Figure("whole window", name, value) for name, value in _probes(tapes)]
    return rows


def quantile(values: Iterable[float], share: float) -> float | None:
    """The value that this share of all lies below; None of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def _of_phase(tapes: Sequence[Tape], phase: Phase) -> list[tuple[str, float | None]]:
    samples = [one for tape in tapes for one in tape.samples if _within(tape, phase, one.at_ns)]
    contested = [one for one in samples if _OPEN_E4[0] <= one.mid_e4 <= _OPEN_E4[1]]
    touch = [size / SHARE_U6 for one in samples for size in one.touch_u6 or ()]
    near = [size / SHARE_U6 for one in samples for size in one.near_u6 or ()]
    spreads = [one.spread_e4 / _CENT_E4 for one in samples]
    moves = [move for tape in tapes for move in _moves(tape, phase)]
    return [
        ("book with one empty side, %", _one_sided(tapes, phase, len(samples))),
        ("spread mean, c", _mean(spreads)),
        ("spread p90, c", quantile(spreads, 0.9)),
        ("spread 1 c, %", _percent(spread < 1.5 for spread in spreads)),
        ("spread mean, mid .20-.80, c", _mean([one.spread_e4 / _CENT_E4 for one in contested])),
        ("mid outside .05-.95, %", _percent(not 500 <= one.mid_e4 <= 9_500 for one in samples)),
        ("touch depth p50, shares", quantile(touch, 0.5)),
        ("5-level depth p50, shares", quantile(near, 0.5)),
        ("1 s mid move rms, mid .20-.80, c", _rms(moves)),
        ("book frames /s", _rate(tapes, phase, lambda tape: tape.frame_ns)),
        ("touch changes /s", _rate(tapes, phase, lambda tape: tape.touch_ns)),
        ("prints /s", _rate(tapes, phase, lambda tape: sorted(p.at_ns for p in tape.prints))),
    ]


def _one_sided(tapes: Sequence[Tape], phase: Phase, two_sided: int) -> float | None:
    count = sum(_within(tape, phase, at_ns) for tape in tapes for at_ns in tape.one_sided_ns)
    return 100 * count / (count + two_sided) if count + two_sided else None


def _within(tape: Tape, phase: Phase, at_ns: int) -> bool:
    left_s = (tape.close_ns - at_ns) / NS_PER_S
    return phase.less_s < left_s and (phase.more_s is None or left_s <= phase.more_s)


def _moves(tape: Tape, phase: Phase) -> list[float]:
    """Changes of the mid from one second to the next while the window is contested."""
    return [
        (after.mid_e4 - before.mid_e4) / _CENT_E4
        for before, after in zip(tape.samples, tape.samples[1:], strict=False)
        if after.at_ns - before.at_ns == NS_PER_S
        and _within(tape, phase, after.at_ns)
        and _OPEN_E4[0] <= before.mid_e4 <= _OPEN_E4[1]
    ]


def _rate(
    tapes: Sequence[Tape], phase: Phase, stamps_ns: Callable[[Tape], Sequence[int]]
) -> float | None:
    """Events a second, over the seconds from a tape's first event on (some recorders join late)."""
    events, seconds = 0, 0.0
    for tape in tapes:
        stamps = stamps_ns(tape)
        if not stamps:
            continue
        begin_ns = tape.open_ns
        if phase.more_s is not None:
            begin_ns = max(begin_ns, tape.close_ns - round(phase.more_s * NS_PER_S))
        begin_ns = max(begin_ns, stamps[0])
        end_ns = tape.close_ns - round(phase.less_s * NS_PER_S)
        events += bisect_left(stamps, end_ns) - bisect_left(stamps, begin_ns)
        seconds += max(0.0, (end_ns - begin_ns) / NS_PER_S)
    return events / seconds if seconds > 1 else None


def _trades(tapes: Sequence[Tape]) -> list[tuple[str, float | None]]:
    sizes = [one.size_u6 / SHARE_U6 for tape in tapes for one in tape.prints]
    return [
        ("print size mean, shares", _mean(sizes)),
        ("print size p50, shares", quantile(sizes, 0.5)),
        ("print size p90, shares", quantile(sizes, 0.9)),
        ("print size p99, shares", quantile(sizes, 0.99)),
        ("seconds without a print, %", _percent(_silence(tapes))),
        ("prints per second, variance/mean", _burstiness(tapes)),
    ]


def _per_second(tape: Tape) -> list[int]:
    counts = Counter((one.at_ns - tape.open_ns) // NS_PER_S for one in tape.prints)
    return [counts[second] for second in range((tape.close_ns - tape.open_ns) // NS_PER_S)]


def _silence(tapes: Sequence[Tape]) -> list[bool]:
    return [count == 0 for tape in tapes if tape.prints for count in _per_second(tape)]


def _burstiness(tapes: Sequence[Tape]) -> float | None:
    counts = [count for tape in tapes if tape.prints for count in _per_second(tape)]
    mean = _mean(counts)
    return None if not mean else fmean((count - mean) ** 2 for count in counts) / mean


def _flow(tapes: Sequence[Tape]) -> list[tuple[str, float | None]]:
    """Taker imbalance: shares that pushed Up less those that pushed Down, in steps of OFI_S."""
    flows = [_imbalances(tape) for tape in tapes if any(one.direction for one in tape.prints)]
    absolute = [abs(value) for flow in flows for value in flow]
    return [
        (f"absolute OFI of {OFI_S} s p50, shares", quantile(absolute, 0.5)),
        (f"absolute OFI of {OFI_S} s p90, shares", quantile(absolute, 0.9)),
        (f"absolute OFI of {OFI_S} s p99, shares", quantile(absolute, 0.99)),
        ("sign of OFI, autocorrelation 1", _autocorrelation(flows, 1)),
        ("sign of OFI, autocorrelation 5", _autocorrelation(flows, 5)),
    ]


def _imbalances(tape: Tape) -> list[float]:
    steps = (tape.close_ns - tape.open_ns) // (OFI_S * NS_PER_S)
    flow = [0.0] * steps
    for one in tape.prints:
        step = (one.at_ns - tape.open_ns) // (OFI_S * NS_PER_S)
        if step < steps:
            flow[step] += one.direction * one.size_u6 / SHARE_U6
    return flow


def _autocorrelation(flows: Sequence[Sequence[float]], lag: int) -> float | None:
    pairs = [
        (math.copysign(1, before), math.copysign(1, after))
        for flow in flows
        for before, after in zip(flow, flow[lag:], strict=False)
        if before and after
    ]
    return fmean(before * after for before, after in pairs) if pairs else None


def _markouts(tapes: Sequence[Tape]) -> list[tuple[str, float | None]]:
    """How far the mid goes the taker's way after a print, from the last full second before it."""
    return [
        (
            f"mid move {ahead_s} s after a print, its way, c",
            _mean([move for tape in tapes for move in _after_prints(tape, ahead_s)]),
        )
        for ahead_s in MARKOUTS_S
    ]


def _after_prints(tape: Tape, ahead_s: int) -> list[float]:
    mid_e4 = {(one.at_ns - tape.open_ns) // NS_PER_S: one.mid_e4 for one in tape.samples}
    moves = []
    for one in tape.prints:
        second = (one.at_ns - tape.open_ns) // NS_PER_S
        if one.direction and second in mid_e4 and second + ahead_s in mid_e4:
            moves.append(one.direction * (mid_e4[second + ahead_s] - mid_e4[second]) / _CENT_E4)
    return moves


def _probes(tapes: Sequence[Tape]) -> list[tuple[str, float | None]]:
    """What a pair of bids at the touch of both tokens meets within PROBE_HOLD_S.

    A bid counts as filled once the other side of the book has come to its price.
    """
    outcomes = [outcome for tape in tapes for outcome in _probe(tape)]
    return [
        (f"pair of touch bids: both filled in {PROBE_HOLD_S} s, %", _share(outcomes, 2)),
        (f"pair of touch bids: one only in {PROBE_HOLD_S} s, %", _share(outcomes, 1)),
        (f"pair of touch bids: none in {PROBE_HOLD_S} s, %", _share(outcomes, 0)),
    ]


def _probe(tape: Tape) -> list[int]:
    by_second = {(one.at_ns - tape.open_ns) // NS_PER_S: one for one in tape.samples}
    length_s = (tape.close_ns - tape.open_ns) // NS_PER_S
    found = []
    for start_s in range(PROBE_EVERY_S, length_s - PROBE_HOLD_S, PROBE_EVERY_S):
        start = by_second.get(start_s)
        if start is None or not _OPEN_E4[0] <= start.mid_e4 <= _OPEN_E4[1]:
            continue
        later: list[Sample] = [
            by_second[second]
            for second in range(start_s + 1, start_s + PROBE_HOLD_S)
            if second in by_second
        ]
        if len(later) > PROBE_HOLD_S // 2:
            up = any(one.ask_e4 <= start.bid_e4 for one in later)
            down = any(one.bid_e4 >= start.ask_e4 for one in later)
            found.append(up + down)
    return found


def _share(outcomes: Sequence[int], wanted: int) -> float | None:
    return _percent(outcome == wanted for outcome in outcomes)


def _percent(hits: Iterable[bool]) -> float | None:
    share = _mean([float(hit) for hit in hits])
    return None if share is None else 100 * share


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _rms(values: Sequence[float]) -> float | None:
    return math.sqrt(fmean(value * value for value in values)) if values else None
