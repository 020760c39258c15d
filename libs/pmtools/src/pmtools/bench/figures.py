"""Samples of a path and of its floor, taken in turn, as medians over rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

import msgspec

from pmcore.model.ranks import nearest_rank


class Round(msgspec.Struct):
    """One round: nanoseconds, a sample of the path beside one of the floor."""

    path_ns: list[int] = msgspec.field(default_factory=list)
    floor_ns: list[int] = msgspec.field(default_factory=list)


class Spread(msgspec.Struct, frozen=True):
    """Of all samples, in microseconds. `p50_us` is the median of the rounds' medians."""

    p50_us: float
    p99_us: float


class Measured(msgspec.Struct, frozen=True):
    """A path and its floor. `ratio` is the median of the rounds' ratios of medians.

    `parts`: of the path's own time, where it was told apart; `rate_per_s`: where one is stated;
    `quantities`: by name with its unit, what is no time of the path.
    """

    name: str
    path: str
    floor: str
    rounds: int
    samples: int
    path_time: Spread
    floor_time: Spread
    ratio: float
    ratio_least: float
    ratio_most: float
    parts: dict[str, Spread] = {}
    rate_per_s: int = 0
    quantities: dict[str, float] = {}


def measured(
    name: str,
    path: str,
    floor: str,
    rounds: Sequence[Round],
    *,
    parts: Mapping[str, list[int]] | None = None,
    rate_per_s: float = 0,
    quantities: Mapping[str, float] | None = None,
) -> Measured:
    """Put the rounds of one measurement together. `parts`: nanoseconds by what they are."""
    ratios = [median(one.path_ns) / median(one.floor_ns) for one in rounds]
    paths, floors = [one.path_ns for one in rounds], [one.floor_ns for one in rounds]
    return Measured(
        name=name,
        path=path,
        floor=floor,
        rounds=len(rounds),
        samples=sum(len(one) for one in paths),
        path_time=_spread(paths),
        floor_time=_spread(floors),
        ratio=round(median(ratios), 2),
        ratio_least=round(min(ratios), 2),
        ratio_most=round(max(ratios), 2),
        parts={part: _spread([samples]) for part, samples in (parts or {}).items()},
        rate_per_s=round(rate_per_s),
        quantities=dict(quantities or {}),
    )


def _spread(rounds: Sequence[list[int]]) -> Spread:
    every = sorted(sample for one in rounds for sample in one)
    return Spread(
        p50_us=round(median(median(one) for one in rounds) / 1000, 1),
        p99_us=round(nearest_rank(every, 99) / 1000, 1),
    )


def table(figures: Sequence[Measured]) -> str:
    """Two lines for each figure, and one for each part of its path."""
    lines = []
    for one in figures:
        rate = f", {one.rate_per_s:,} a second and core" if one.rate_per_s else ""
        lines.append(
            f"{one.name}: {one.ratio:g} times the floor"
            f" ({one.ratio_least:g} to {one.ratio_most:g} in {one.rounds} rounds,"
            f" {one.samples} samples){rate}"
        )
        times = [(one.path, one.path_time), (one.floor, one.floor_time)]
        times += [(f"  {part}", time) for part, time in one.parts.items()]
        for what, time in times:
            lines.append(f"  {what:52} p50 {time.p50_us:9.1f} us   p99 {time.p99_us:9.1f} us")
        lines += [f"    {what:50} {value:,.1f}" for what, value in one.quantities.items()]
    return "\n".join(lines)
