"""Orders of one maker reach the book one after another, in their order."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from random import Random

import pytest

from pmcore.model.errors import InvariantError
from pmcore.model.units import NS_PER_MS
from pmsim.crowd.order_pipe import GAP_MS, MOST_GROUPED, OrderPipe
from pmsim.run.scheduler import Scheduler
from pmsim.venue.matching import BookOrder


def test_operations_come_in_order_a_few_at_a_time() -> None:
    schedule, done = Scheduler(), list[tuple[int, list[str | BookOrder]]]()

    def work(ops: Sequence[str | BookOrder], at_ns: int) -> None:
        done.append((at_ns, list(ops)))

    pipe = OrderPipe(Random(1), schedule, work)
    wanted: list[str | BookOrder] = [str(number) for number in range(200)]
    pipe.start(wanted, 0)
    assert pipe.busy
    with pytest.raises(InvariantError):
        pipe.start(["too early"], 0)
    while schedule.next_ns() is not None:
        schedule.run_next()
    assert not pipe.busy
    assert [op for _, ops in done for op in ops] == wanted
    sizes = [len(ops) for _, ops in done]
    assert max(sizes) <= MOST_GROUPED
    assert sum(sizes) / len(sizes) < 1.5
    times = [at_ns for at_ns, _ in done]
    assert {b - a for a, b in itertools.pairwise(times)} == {GAP_MS * NS_PER_MS}
