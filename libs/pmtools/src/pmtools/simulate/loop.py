"""An event loop in virtual time: no selector, no threads, no waiting, the same order every time.

When nothing is ready, time jumps to the next timer. Each callback belongs to the life of a process
(`LIFE` in its context). One that is frozen keeps its callbacks for later; of one that was killed
no callback runs again, not even a `finally`, until the world is taken apart (`resume`).
"""

from __future__ import annotations

import asyncio
import heapq
from asyncio.base_events import BaseEventLoop
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from typing import Any, TypeVar

T = TypeVar("T")
MOST_STEPS_WITHOUT_TIME = 20_000


class Life:
    """One run of a process, from its start to its end."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self.frozen = False
        self.parked: list[asyncio.Handle] = []
        self.tasks: list[asyncio.Task[Any]] = []


LIFE: ContextVar[Life | None] = ContextVar("life", default=None)


class StuckError(Exception):
    """Nothing can ever happen again, or callbacks go on for ever while no time passes."""


class VirtualTask(asyncio.Task[T]):
    """A task whose hash is its number: sets of tasks have the same order in each run."""

    def __init__(self, coro: Coroutine[Any, Any, T], *, number: int, **options: Any) -> None:
        self._number = number
        super().__init__(coro, **options)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


class VirtualLoop(BaseEventLoop):
    """`time()` begins at 0 s. `on_pause` is called when all that was ready has run.

    Timers of one time go off in the order in which they were made.
    """

    _ready: Any
    _scheduled: list[tuple[float, int, asyncio.TimerHandle]]
    _timer_cancelled_count: int
    _stopping: bool

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        self._tasks_made = 0
        self._timers_made = 0
        self._steps_now = 0
        self.callbacks_run = 0
        self.on_pause: Callable[[], None] | None = None
        self.set_task_factory(self._make_task)  # type: ignore[arg-type]  # typeshed: no options

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now_s

    def now_ns(self) -> int:
        """The same in nanoseconds."""
        return round(self._now_s * 1e9)

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: object,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """As `BaseEventLoop.call_at`."""
        self._check_closed()  # type: ignore[attr-defined]  # not in typeshed
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._timers_made += 1
        heapq.heappush(self._scheduled, (when, self._timers_made, timer))
        timer._scheduled = True  # type: ignore[attr-defined]  # not in typeshed
        return timer

    def run_for(self, seconds: float) -> None:
        """Run until so much virtual time has passed; an idle loop passes it at once."""
        end = self.call_later(seconds, self.stop)
        try:
            self.run_forever()
        finally:
            end.cancel()

    def resume(self, life: Life) -> None:
        """Run what a frozen process kept, in its order; what a dead one left, to end its tasks."""
        life.dead = life.frozen = False
        self._ready.extend(life.parked)
        life.parked.clear()

    def _make_task(
        self,
        loop: asyncio.AbstractEventLoop,
        coro: Coroutine[Any, Any, Any],
        **options: Any,
    ) -> VirtualTask[Any]:
        self._tasks_made += 1
        task = VirtualTask(coro, number=self._tasks_made, loop=loop, **options)
        context = options.get("context")
        life = context.get(LIFE) if context is not None else LIFE.get()
        if life is not None:
            _keep(life, task)
        return task

    def _run_once(self) -> None:
        """One round: what is ready now, then, if there was nothing, what is due next."""
        if not self._ready and not self._stopping:
            self._jump()
        for _ in range(len(self._ready)):
            handle = self._ready.popleft()
            if not handle._cancelled:
                self._run_handle(handle)
        if self._ready:
            self._steps_now += 1
            if self._steps_now > MOST_STEPS_WITHOUT_TIME:
                raise StuckError(f"callbacks go on for ever at {self._now_s:.6f} s")
        elif self.on_pause is not None:
            self.on_pause()

    def _run_handle(self, handle: asyncio.Handle) -> None:
        context: Context = handle._context  # type: ignore[attr-defined]  # not in typeshed
        life = context.get(LIFE)
        if life is not None and (life.dead or life.frozen):
            life.parked.append(handle)
            return
        self.callbacks_run += 1
        handle._run()

    def _jump(self) -> None:
        """Go to the next timer, and make all that is due then ready, in order of time."""
        self._forget_cancelled()
        scheduled = self._scheduled
        while scheduled and scheduled[0][2]._cancelled:
            self._timer_cancelled_count -= 1
            heapq.heappop(scheduled)[2]._scheduled = False  # type: ignore[attr-defined]  # not in typeshed
        if not scheduled:
            raise StuckError("nothing is ready and nothing is scheduled")
        if scheduled[0][0] > self._now_s:
            self._now_s = scheduled[0][0]
            self._steps_now = 0
        while scheduled and scheduled[0][0] <= self._now_s:
            timer = heapq.heappop(scheduled)[2]
            timer._scheduled = False  # type: ignore[attr-defined]  # not in typeshed
            self._ready.append(timer)

    def _forget_cancelled(self) -> None:
        """Time-outs that never came would fill the heap."""
        if self._timer_cancelled_count <= max(100, len(self._scheduled) // 2):
            return
        left = []
        for entry in self._scheduled:
            if entry[2]._cancelled:
                entry[2]._scheduled = False  # type: ignore[attr-defined]  # not in typeshed
            else:
                left.append(entry)
        heapq.heapify(left)
        self._scheduled = left
        self._timer_cancelled_count = 0

    def _process_events(self, event_list: object) -> None:
        """There is no selector."""

    def _write_to_self(self) -> None:
        """There are no threads to wake this one."""

    def run_in_executor(  # type: ignore[override]  # here at once
        self, executor: object, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """There are no threads, whose order would not repeat: it is done at once."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it goes to whoever waits
            done.set_exception(error)
        return done


_SWEEP_AT = 1_000


def _keep(life: Life, task: asyncio.Task[Any]) -> None:
    """Hold what is not done, so that a killed task is never collected and never closed."""
    if len(life.tasks) >= _SWEEP_AT:
        life.tasks[:] = [one for one in life.tasks if not one.done()]
    life.tasks.append(task)
