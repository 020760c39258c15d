"""Seeds that broke a law when thousands were tried: what each found is mended, and it holds."""

from __future__ import annotations

import pytest

from pmtools.simulate.faults import Fault
from pmtools.simulate.trial import try_seed

pytestmark = pytest.mark.timeout(120)

FOUND = {
    "userws begins again on a clock that is an hour ahead, and Redis comes back empty": (
        7_814,
        [
            Fault(at_s=6.357, kind="clock-step", target="userws", amount=3_600),
            Fault(at_s=10.872, kind="slow-link", target="userws", lasts_s=4.565, amount=400),
            Fault(at_s=18.214, kind="redis-empty", lasts_s=8.317),
            Fault(at_s=31.857, kind="edge-429", target="userws", lasts_s=2.866),
        ],
    ),
    "an executor is killed after it heard that a window was over": (
        5_727,
        [
            Fault(at_s=6.703, kind="lose-requests", target="executor", lasts_s=4.675),
            Fault(at_s=13.879, kind="positions-lag", lasts_s=7.394),
            Fault(at_s=19.304, kind="tick"),
            Fault(at_s=25.144, kind="kill-9-leaving", target="executor", lasts_s=33.135, amount=2),
        ],
    ),
    "an order has ended, Redis forgets the end, and a new executor ends it again": (
        9_554,
        [
            Fault(at_s=8.548, kind="redis-slow-reads", lasts_s=10.830, amount=0.3),
            Fault(at_s=19.672, kind="kill-9", target="executor", lasts_s=4.097),
            Fault(at_s=20.471, kind="redis-stale", lasts_s=1.402),
        ],
    ),
    "a POST is lost, and the feed's clock is an hour behind: nobody says that its window is over": (
        6_460,
        [
            Fault(at_s=5.367, kind="tick"),
            Fault(at_s=6.970, kind="edge-403", target="executor", lasts_s=6.897),
            Fault(at_s=19.409, kind="redis-lost-reads", lasts_s=5.607),
            Fault(at_s=23.017, kind="clock-step", target="feed", amount=-3_600),
            Fault(at_s=28.523, kind="kill-9-leaving", target="strategy", lasts_s=16.591, amount=1),
        ],
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_a_seed_that_once_broke_a_law_holds(name: str) -> None:
    seed, schedule = FOUND[name]
    assert try_seed(seed, schedule).problems == []
