"""The windows that this run has settled: counted for ever, remembered while it matters."""

from __future__ import annotations

from collections import deque
from functools import partial

from pmcore.model.market import Window
from pmcore.model.units import NS_PER_S
from pmcore.shell.service.tasks import retry_until_answered
from pmcore.wire import keys
from pmcore.wire.ports import Bus

FORGET_AFTER_NS = 3600 * NS_PER_S
FINGERPRINTS_KEPT = 4


class SettledWindows:
    """A window is forgotten `FORGET_AFTER_NS` past its close: it is not joined any more by then."""

    def __init__(self) -> None:
        self.count = 0
        self.fingerprints: deque[str] = deque(maxlen=FINGERPRINTS_KEPT)
        self._close_ns: dict[str, int] = {}

    def __contains__(self, slug: str) -> bool:
        return slug in self._close_ns

    def __len__(self) -> int:
        return len(self._close_ns)

    def add(self, slug: str, close_ns: int, fingerprint: str, at_ns: int) -> None:
        """A window was settled at `at_ns`."""
        self.count += 1
        self.fingerprints.append(fingerprint)
        self._close_ns[slug] = close_ns
        for old in [s for s, ns in self._close_ns.items() if is_long_over(ns, at_ns)]:
            del self._close_ns[old]


def is_long_over(close_ns: int, at_ns: int) -> bool:
    """Whether a window that closed then is not worth joining, if no earlier run has joined it."""
    return at_ns > close_ns + FORGET_AFTER_NS


async def destroy_groups(bus: Bus, account: str, window: Window) -> None:
    """Nobody reads for this window any more; only after its result is kept.

    A run that ends meanwhile leaves the rest to the next one, which looks for the last: `user`.
    """
    streams = [keys.md(window.series), keys.exe(window.series), keys.user(account)]
    group = keys.window_group(window.slug)
    await retry_until_answered(partial(bus.destroy_group, group, streams))
