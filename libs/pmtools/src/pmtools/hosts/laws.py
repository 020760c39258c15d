"""What must hold when a host is cut off, judged from what the venue saw. Pure.

1. The cut host's series are quiet, at the latest when the venue's dead-man's switch must have
   worked: no order rests, and none is accepted, until the cable is in again.
2. After that no order rests for a wallet whose switch is not armed: such an order was sent before.
3. Every other series goes on: it places orders meanwhile, unless what rests need not move, and is
   never without a resting order for longer than its bound. What nobody looks after does not rest:
   the executor takes it back. Where the cut host had the master of its keys, or of its account's,
   the bound has the failover of Redis in it.
4. Every series of the cut host comes back.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pmtools.hosts.watch import SeriesSeen, VenueSample

DEAD_MAN_S = 15.0
"""The venue ends orders 10 to 15 s after the last heartbeat (docs/venue.md 8)."""
SLACK_S = 2.0
"""For a sample that was late, and for the venue's own look at what has lapsed."""
ON_ITS_WAY_S = 1.0
"""An order accepted so soon after the cut was sent before it."""
_NOTHING = SeriesSeen(0, 0)


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """A series of the experiment, and what is expected of it."""

    series: str
    slug: str
    host: str
    redis_host: str
    is_cut: bool
    most_bare_s: float
    """How long it may be without a resting order while the other host is cut off."""


class Marks(msgspec.Struct, frozen=True):
    """When the cable was pulled and plugged in, and when the watch ended: seconds of the watch."""

    cut_s: float
    restored_s: float
    end_s: float


class SeriesResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one series did. Times in seconds; None: it does not apply, or never happened.

    `placed_*`: orders accepted before, during and after the cut; what was on its way at the cut
    counts as before. `quiet_after_s`: from the cut until nothing rested and nothing was accepted
    any more. `bare_*_s`: the longest time without a resting order. `back_after_s`: from the end of
    the cut until an order rested.
    """

    series: str
    host: str
    redis_host: str
    placed_before: int
    placed_during: int
    placed_after: int
    quiet_after_s: float | None = None
    bare_before_s: float
    bare_during_s: float
    back_after_s: float | None = None
    broken: tuple[str, ...] = ()


def judge(watched: Watched, samples: Sequence[VenueSample], marks: Marks) -> SeriesResult:
    """Look at one series from the first sample to the last."""
    before = [each for each in samples if each.at_s < marks.cut_s]
    during = [each for each in samples if marks.cut_s <= each.at_s < marks.restored_s]
    after = [each for each in samples if each.at_s >= marks.restored_s]
    sent_before = [each for each in samples if each.at_s < marks.cut_s + ON_ITS_WAY_S]
    parts = (sent_before, during, after)
    counts = [_seen(watched, part[-1]).placed if part else 0 for part in parts]
    result = SeriesResult(
        series=watched.series,
        host=watched.host,
        redis_host=watched.redis_host,
        placed_before=counts[0],
        placed_during=counts[1] - counts[0],
        placed_after=counts[2] - counts[1],
        quiet_after_s=_quiet_after_s(watched, during, marks) if watched.is_cut else None,
        bare_before_s=_bare_s(watched, _from_first_order(watched, before)),
        bare_during_s=_bare_s(watched, [*before[-1:], *during]),
        back_after_s=_back_after_s(watched, after, marks) if watched.is_cut else None,
    )
    broken = (
        _of_cut(watched, result, after)
        if watched.is_cut
        else _of_others(watched, result, marks.restored_s - marks.cut_s)
    )
    if not before or not result.placed_before:
        broken.append("it did not quote before the cut")
    return msgspec.structs.replace(result, broken=tuple(broken))


def _of_cut(watched: Watched, result: SeriesResult, after: Sequence[VenueSample]) -> list[str]:
    broken = []
    limit_s = DEAD_MAN_S + SLACK_S
    if result.quiet_after_s is None or result.quiet_after_s > limit_s:
        said = "until the cable was in" if result.quiet_after_s is None else "too late"
        broken.append(f"not quiet within {limit_s:g} s of the cut: {said}")
    if any(seen.resting and not seen.armed for seen in (_seen(watched, each) for each in after)):
        broken.append("an order rested after the cut although no heartbeat had been accepted")
    if result.back_after_s is None:
        broken.append("it did not come back")
    return broken


def _of_others(watched: Watched, result: SeriesResult, cut_for_s: float) -> list[str]:
    broken = []
    may_stand_still = watched.most_bare_s >= cut_for_s or not result.bare_during_s
    if not result.placed_during and not may_stand_still:
        broken.append("no order was accepted during the cut, and none rested all the time")
    if result.bare_during_s > watched.most_bare_s:
        broken.append(
            f"without a resting order for {result.bare_during_s:.1f} s, "
            f"the bound is {watched.most_bare_s:g} s"
        )
    return broken


def _seen(watched: Watched, sample: VenueSample) -> SeriesSeen:
    return sample.series.get(watched.slug, _NOTHING)


def _from_first_order(watched: Watched, samples: Sequence[VenueSample]) -> list[VenueSample]:
    first = next((i for i, each in enumerate(samples) if _seen(watched, each).placed), None)
    return [] if first is None else list(samples[first:])


def _quiet_after_s(watched: Watched, samples: Sequence[VenueSample], marks: Marks) -> float | None:
    """Until the first sample from which on nothing rests and nothing is accepted; None if never."""
    quiet_s: float | None = None
    placed = _seen(watched, samples[-1]).placed if samples else 0
    for each in reversed(samples):
        seen = _seen(watched, each)
        if seen.resting or seen.placed != placed:
            break
        quiet_s = each.at_s
    return None if quiet_s is None else max(0.0, quiet_s - marks.cut_s)


def _bare_s(watched: Watched, samples: Sequence[VenueSample]) -> float:
    """The longest time between samples in which nothing rested; one that ends the span counts."""
    longest_s, bare_since_s = 0.0, None
    for each in samples:
        if bare_since_s is not None:
            longest_s = max(longest_s, each.at_s - bare_since_s)
        if _seen(watched, each).resting:
            bare_since_s = None
        elif bare_since_s is None:
            bare_since_s = each.at_s
    return longest_s


def _back_after_s(watched: Watched, after: Sequence[VenueSample], marks: Marks) -> float | None:
    found = (each.at_s for each in after if _seen(watched, each).resting)
    first_s = next(found, None)
    return None if first_s is None else first_s - marks.restored_s
