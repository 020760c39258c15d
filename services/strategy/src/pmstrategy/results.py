"""What settled windows won or lost, kept in Redis so that a daily limit survives a restart."""

from __future__ import annotations

from functools import partial

import msgspec

from pmcore.model.units import NS_PER_S
from pmcore.shell.tasks import insist
from pmcore.wire import keys
from pmcore.wire.ports import Bus

_DAY_NS = 86_400 * NS_PER_S


class WindowResult(msgspec.Struct, frozen=True):
    """One settled window; an unknown winner counts as the worst case."""

    close_ns: int
    profit_u6: int


class DailyResults:
    """Profit by UTC day of the window's close."""

    def __init__(self, bus: Bus, account: str) -> None:
        self._bus = bus
        self._key = keys.results(account)
        self._by_slug: dict[str, WindowResult] = {}

    async def load(self) -> None:
        """Read what earlier runs left."""
        for slug, data in (await self._bus.get_fields(self._key)).items():
            self._by_slug[slug] = msgspec.json.decode(data, type=WindowResult)

    async def add(self, slug: str, close_ns: int, profit_u6: int) -> None:
        """Keep a window's result; forget those of the day before yesterday."""
        self._by_slug[slug] = result = WindowResult(close_ns, profit_u6)
        put = partial(self._bus.put_field, self._key)
        await insist(partial(put, slug, msgspec.json.encode(result)))
        old = [s for s, r in self._by_slug.items() if close_ns - r.close_ns > 2 * _DAY_NS]
        for forgotten in old:
            del self._by_slug[forgotten]
            await insist(partial(put, forgotten, None))

    def profit_u6(self, at_ns: int) -> int:
        """Dollars (millionths) won on the UTC day of `at_ns`."""
        day = at_ns // _DAY_NS
        return sum(r.profit_u6 for r in self._by_slug.values() if r.close_ns // _DAY_NS == day)
