"""Helpers for waiting: bounded back-off, retries while a connection is away, ends of tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pmcore.model.errors import TransportError
from pmcore.shell.machine import machine

T = TypeVar("T")


class Backoff:
    """Delays that double from `first_s` to `most_s`, each taken at random from its upper half."""

    def __init__(self, first_s: float = 0.25, most_s: float = 30.0) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._next_s = first_s

    def reset(self) -> None:
        """Begin again at the first delay."""
        self._next_s = self._first_s

    def next_s(self) -> float:
        """Return the next delay."""
        delay_s = self._next_s
        self._next_s = min(delay_s * 2, self._most_s)
        return delay_s * machine().uniform(0.5, 1.0)


async def retry_until_answered(
    call: Callable[[], Awaitable[T]], on_away: Callable[[TransportError], None] | None = None
) -> T:
    """Call until there is an answer; only a `TransportError` that says so is waited out.

    Only for what may be sent twice: reads, acknowledgements, facts and commands with an identity.
    `on_away` hears of the first failure only, so that an outage is one line in the log.
    """
    backoff = Backoff(first_s=0.05, most_s=1.0)
    told = False
    while True:
        try:
            return await call()
        except TransportError as error:
            if not error.retryable:
                raise
            if on_away is not None and not told:
                on_away(error)
            told = True
            await asyncio.sleep(backoff.next_s())


async def let_others_write() -> None:
    """Return when the tasks that are ready have run, and what they wrote is on its way.

    Before a reader asks for more: the asking would be in front of what follows from the answer.
    uvloop writes at the end of a round of its loop, so it takes two.
    """
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def answered_at_once(
    call: Callable[[], Awaitable[object]], on_away: Callable[[TransportError], None]
) -> bool:
    """Call once; tell `on_away` when Redis is away for now, and return whether it answered.

    For what has its own next turn and must not wait. An error that waiting does not mend is raised.
    """
    try:
        await call()
    except TransportError as error:
        if not error.retryable:
            raise
        on_away(error)
        return False
    return True


async def cancel_and_wait(task: asyncio.Task[None]) -> None:
    """End a task and wait for it; its error, other than a cancellation, is raised."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
