"""What keeps a service from its work, and whether the executor may place: for `/state` and Redis.

A service sets a trouble under a name of its own ("market data", "heartbeat") and clears it when
it is over. `/state` shows all of them under `troubles`; the liveness key carries `placing`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from pmcore.model.errors import Cause
from pmcore.shell.clock import monotonic_s

MAX_TEXT = 300


class Trouble(msgspec.Struct, frozen=True):
    """One obstacle, as `/state` shows it. `seconds`: for how long, real time."""

    what: str
    cause: Cause
    text: str
    seconds: float = 0.0


class Placing(msgspec.Struct, frozen=True):
    """Whether the executor would place an order now, and why not; said by the executor."""

    open: bool
    reason: str = ""


class Alive(msgspec.Struct, frozen=True):
    """The value of a liveness key. Only the executor says `placing`; None is unknown."""

    ready: bool = False
    reasons: list[str] = msgspec.field(default_factory=list)
    placing: Placing | None = None


class Health:
    """Held by the shell, written by the service."""

    def __init__(self, now_s: Callable[[], float] = monotonic_s) -> None:
        self.placing: Placing | None = None
        self.standby = False
        """Whether another process does this service's work; the liveness key is that one's then."""
        self.changed = asyncio.Event()
        self._now_s = now_s
        self._troubles: dict[str, tuple[float, Trouble]] = {}

    def set_trouble(self, what: str, cause: Cause, text: str) -> None:
        """Something cannot be done; the same name again keeps the time of its beginning."""
        since_s = self._troubles[what][0] if what in self._troubles else self._now_s()
        self._troubles[what] = (since_s, Trouble(what, cause, text[:MAX_TEXT]))

    def clear_trouble(self, what: str) -> None:
        """It can be done again."""
        self._troubles.pop(what, None)

    def say_placing(self, placing: Placing) -> None:
        """What the executor says; a change is written to Redis at once."""
        if placing != self.placing:
            self.placing = placing
            self.changed.set()

    def troubles(self) -> list[Trouble]:
        """All that is in the way now, oldest first."""
        now_s = self._now_s()
        held = sorted(self._troubles.values(), key=lambda item: item[0])
        return [
            msgspec.structs.replace(trouble, seconds=round(now_s - since_s, 1))
            for since_s, trouble in held
        ]

    def alive(self, reasons: list[str]) -> bytes:
        """The value of the liveness key."""
        said: dict[str, object] = {"ready": not reasons, "reasons": reasons}
        if self.placing is not None:
            said["placing"] = self.placing
        return msgspec.json.encode(said)


def read_alive(stored: bytes | None) -> Alive | None:
    """A liveness key's value; None when the service is not there or says nothing readable."""
    if stored is None:
        return None
    try:
        return msgspec.json.decode(stored, type=Alive)
    except msgspec.MsgspecError:
        return None
