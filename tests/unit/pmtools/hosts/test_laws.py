"""The judge of the two-host experiment: each law is broken once, by what the venue saw."""

from __future__ import annotations

import msgspec
import pytest

from pmtools.hosts.laws import Marks, SeriesResult, Watched, judge
from pmtools.hosts.watch import SeriesSeen, VenueSample

SLUG = "btc-updown-30m-1800000000"
MARKS = Marks(cut_s=10.0, restored_s=50.0, end_s=70.0)
CUT = Watched(
    series="btc-30m",
    slug=SLUG,
    host="host-a",
    redis_host="host-a",
    is_cut=True,
    most_bare_s=10.0,
)
OTHER = msgspec.structs.replace(CUT, host="host-b", is_cut=False)


def seen(*spans: tuple[float, int, int, bool]) -> list[VenueSample]:
    """A sample each second to 70; `spans`: from when on, placed, resting, armed."""
    samples = []
    for at_s in range(71):
        _, placed, resting, armed = [span for span in spans if span[0] <= at_s][-1]
        samples.append(VenueSample(float(at_s), {SLUG: SeriesSeen(placed, resting, armed)}))
    return samples


QUIET = seen((0, 4, 2, True), (22, 4, 0, False), (55, 4, 0, True), (58, 6, 2, True))
WENT_ON = seen((0, 4, 2, True), (20, 5, 0, True), (23, 6, 2, True), (60, 7, 1, True))


def test_a_cut_host_that_was_quiet_in_time_and_came_back_breaks_no_law() -> None:
    assert judge(CUT, QUIET, MARKS) == SeriesResult(
        series="btc-30m",
        host="host-a",
        redis_host="host-a",
        placed_before=4,
        placed_during=0,
        placed_after=2,
        quiet_after_s=12.0,
        bare_before_s=0.0,
        bare_during_s=27.0,
        back_after_s=8.0,
    )


@pytest.mark.parametrize(("accepted_s", "during"), [(10.5, 0), (11.5, 1)])
def test_an_order_on_its_way_when_the_cable_is_pulled_was_sent_before(
    accepted_s: float, during: int
) -> None:
    last = VenueSample(accepted_s, {SLUG: SeriesSeen(5, 2, True)})
    later = seen((0, 5, 2, True), (22, 5, 0, False), (58, 7, 2, True))
    samples = [*QUIET[:11], last, *(each for each in later if each.at_s > accepted_s)]
    result = judge(CUT, samples, MARKS)
    assert (result.placed_before, result.placed_during) == (5 - during, during)
    assert result.broken == ()


def test_another_host_that_went_on_breaks_no_law() -> None:
    result = judge(OTHER, WENT_ON, MARKS)
    assert result.broken == ()
    assert (result.placed_during, result.bare_during_s, result.quiet_after_s) == (2, 3.0, None)


@pytest.mark.parametrize(
    ("watched", "samples", "said"),
    [
        (CUT, seen((0, 4, 2, True), (28, 4, 0, False), (58, 6, 2, True)), "too late"),
        (CUT, seen((0, 4, 2, True), (58, 6, 2, True)), "until the cable was in"),
        (CUT, seen((0, 4, 2, True), (22, 4, 0, True), (40, 5, 0, True)), "too late"),
        (CUT, seen((0, 4, 2, True), (22, 4, 0, False), (52, 5, 1, False)), "although no heartbeat"),
        (CUT, seen((0, 4, 2, True), (22, 4, 0, False)), "did not come back"),
        (CUT, seen((0, 0, 0, True), (58, 2, 2, True)), "did not quote before"),
        (OTHER, seen((0, 4, 2, True), (30, 4, 0, True), (32, 4, 1, True)), "no order was accepted"),
        (OTHER, seen((0, 4, 2, True), (20, 5, 0, True), (31, 6, 1, True)), "without a resting"),
        (OTHER, seen((0, 4, 2, True), (38, 5, 0, True)), "without a resting"),
    ],
    ids=[
        "quiet too late",
        "never quiet",
        "an order in the quiet",
        "a late order",
        "not back",
        "nothing to look at",
        "stands still",
        "bare too long",
        "bare to the end",
    ],
)
def test_each_law_can_be_broken(watched: Watched, samples: list[VenueSample], said: str) -> None:
    assert any(said in each for each in judge(watched, samples, MARKS).broken)


def test_a_watch_that_saw_nothing_proves_nothing() -> None:
    for watched in (CUT, OTHER):
        assert judge(watched, [], MARKS).broken
