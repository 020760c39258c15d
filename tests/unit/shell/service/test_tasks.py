from __future__ import annotations

import asyncio

import pytest

from pmcore.model.errors import Sent, TransportError
from pmcore.shell.service.tasks import (
    Backoff,
    answered_at_once,
    cancel_and_wait,
    retry_until_answered,
)


def test_delays_double_up_to_the_most_and_are_jittered_downwards() -> None:
    backoff = Backoff(first_s=1.0, most_s=4.0)
    for top_s in (1.0, 2.0, 4.0, 4.0):
        assert top_s / 2 <= backoff.next_s() <= top_s
    backoff.reset()
    assert backoff.next_s() <= 1.0


async def test_a_cancelled_task_is_waited_for() -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await cancel_and_wait(task)
    assert task.cancelled()


async def test_what_a_task_died_of_is_raised() -> None:
    async def die() -> None:
        raise RuntimeError("boom")

    task = asyncio.create_task(die())
    await asyncio.wait({task})
    with pytest.raises(RuntimeError, match="boom"):
        await cancel_and_wait(task)


async def test_a_call_is_made_again_while_the_road_is_down_and_not_when_it_says_no() -> None:
    failures = [
        TransportError("away", retryable=True, sent=Sent.UNKNOWN),
        TransportError("no", retryable=False, sent=Sent.YES),
    ]

    async def call() -> int:
        if failures:
            raise failures.pop(0)
        return 7

    with pytest.raises(TransportError, match="no"):
        await retry_until_answered(call)
    failures.append(TransportError("away", retryable=True, sent=Sent.NO))
    assert await retry_until_answered(call) == 7


async def test_an_outage_is_told_once_however_often_the_call_is_made() -> None:
    failures = [TransportError(f"away {n}", retryable=True, sent=Sent.NO) for n in range(3)]
    told: list[str] = []

    async def call() -> int:
        if failures:
            raise failures.pop(0)
        return 7

    assert await retry_until_answered(call, lambda error: told.append(str(error))) == 7
    assert told == ["away 0"]


async def test_a_call_of_one_turn_is_made_once_and_raises_what_waiting_does_not_mend() -> None:
    calls: list[int] = []
    told: list[str] = []
    failures = [TransportError("away", retryable=True, sent=Sent.NO)]

    async def call() -> None:
        calls.append(1)
        if failures:
            raise failures.pop(0)

    def tell(error: TransportError) -> None:
        told.append(str(error))

    assert not await answered_at_once(call, tell)
    assert (len(calls), told) == (1, ["away"])
    assert await answered_at_once(call, tell)
    failures.append(TransportError("no", retryable=False, sent=Sent.NO))
    with pytest.raises(TransportError, match="no"):
        await answered_at_once(call, tell)
    assert told == ["away"]
