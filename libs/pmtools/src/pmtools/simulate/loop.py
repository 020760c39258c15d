"""An event loop whose time is virtual: it jumps to the next timer when nothing is ready to run.

There are no sockets, no threads and no real clock in it, so what runs on it is a function of its
inputs. Each callback belongs to a `Life` (one start of one simulated process), named by the context
that it was scheduled in: those of a life that was killed never run again, those of a frozen one
wait.
"""

from __future__ import annotations

import asyncio
from asyncio import events
from collections.abc import Callable
from contextvars import Context, ContextVar
from typing import Any

CLOCK_RESOLUTION_S = 1e-9
MOST_TURNS = 20_000


class LivelockError(RuntimeError):
    """Tasks keep each other busy and never wait."""


class Life:
    """One start of one simulated process, as the loop sees it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self.frozen = False
        self._held: list[events.Handle] = []

    def hold(self, handle: events.Handle) -> None:
        """Keep a callback until the process goes on."""
        self._held.append(handle)

    def release(self) -> list[events.Handle]:
        """What was held, in order."""
        held, self._held = self._held, []
        return held


current_life: ContextVar[Life | None] = ContextVar("current_life", default=None)


def _may_run(handle: events.Handle) -> bool:
    life = handle._context.get(current_life)  # type: ignore[attr-defined]  # noqa: SLF001
    if life is None or not (life.dead or life.frozen):
        return True
    life.hold(handle)
    return False


class _Handle(events.Handle):
    def _run(self) -> None:
        if _may_run(self):
            super()._run()


class _TimerHandle(events.TimerHandle):
    """Timers of one time go off in the order in which they were set."""

    def __init__(self, number: int, *args: Any) -> None:
        super().__init__(*args)
        self._number = number

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, _TimerHandle):
            return NotImplemented
        return (self._when, self._number) < (other._when, other._number)  # type: ignore[attr-defined]

    def _run(self) -> None:
        if _may_run(self):
            super()._run()


class _Time:
    """Stands where a loop has its selector: waiting is what lets time pass."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def select(self, timeout_s: float | None) -> list[object]:
        if timeout_s is None:
            raise RuntimeError("the simulation has nothing left to wait for")
        self.now_s += max(timeout_s, 0.0)
        return []

    def close(self) -> None:
        """Nothing is open."""


class VirtualLoop(asyncio.BaseEventLoop):
    """`after_turn` is called after each turn, with everything that was ready done."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _Time()
        self._clock_resolution = CLOCK_RESOLUTION_S
        self.after_turn: Callable[[], None] | None = None
        self._turns = 0
        self._timers = 0

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._selector.now_s

    def thaw(self, life: Life) -> None:
        """Let a frozen life go on, with what came meanwhile; a dead one, to take it apart."""
        life.dead = life.frozen = False
        for handle in life.release():
            self._ready.append(handle)  # type: ignore[attr-defined]

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> events.TimerHandle:
        """See the base class."""
        self._check_closed()  # type: ignore[attr-defined]
        self._timers += 1
        timer = _TimerHandle(self._timers, when, callback, args, self, context)
        self._push(timer)
        return timer

    def _push(self, timer: events.TimerHandle) -> None:
        import heapq

        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        timer._scheduled = True  # type: ignore[attr-defined]  # noqa: SLF001

    def _call_soon(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None
    ) -> events.Handle:
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)  # type: ignore[attr-defined]
        return handle

    def _run_once(self) -> None:
        before_s = self.time()
        super()._run_once()  # type: ignore[misc]
        self._turns = self._turns + 1 if self.time() == before_s else 0
        if self._turns > MOST_TURNS:
            raise LivelockError(f"{MOST_TURNS} turns without time passing at {before_s:.3f} s")
        if self.after_turn is not None:
            self.after_turn()

    def _process_events(self, event_list: list[object]) -> None:
        """No sockets, no events."""

    def _write_to_self(self) -> None:
        """Nobody sleeps."""

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """There are no threads: it is done at once, and a moment later everybody knows."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it goes to whoever waits
            done.set_exception(error)
        return done
