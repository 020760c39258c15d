"""What settled windows won or lost, kept in Redis so that a daily limit survives a restart."""

from __future__ import annotations

from functools import partial

import msgspec

from pmcore.model.units import NS_PER_S, SHARE_U6
from pmcore.shell.service.tasks import retry_until_answered
from pmcore.shell.service.views import DayView
from pmcore.wire import keys
from pmcore.wire.ports import Bus

_DAY_NS = 86_400 * NS_PER_S
SHOWN_RESULTS = 20
"""Settled windows in /state; the sums are over all of the day."""

NEWEST_RESULTS = 100


class WindowResult(msgspec.Struct, frozen=True):
    """One window that is over.

    `profit_u6` is of the fills that settled; without a known winner it is that of the worst case.
    `unsettled_u6` is what the other fills would add, kept apart; `worst_u6` is the result if those
    of them settle that hurt most (None: as `profit_u6`).
    """

    close_ns: int
    profit_u6: int
    winner_known: bool = True
    unsettled_u6: int = 0
    worst_u6: int | None = None

    @property
    def at_worst_u6(self) -> int:
        """What was won at least, whatever becomes of the unsettled fills."""
        return self.profit_u6 if self.worst_u6 is None else self.worst_u6


class DailyResults:
    """Profit by UTC day of the window's close."""

    def __init__(self, bus: Bus, account: str) -> None:
        self._bus = bus
        self._key = keys.results(account)
        self._by_slug: dict[str, WindowResult] = {}

    def __contains__(self, slug: str) -> bool:
        return slug in self._by_slug

    async def load(self) -> None:
        """Read what earlier runs left."""
        for slug, data in (await self._bus.get_fields(self._key)).items():
            self._by_slug[slug] = msgspec.json.decode(data, type=WindowResult)

    async def add(self, slug: str, result: WindowResult) -> None:
        """Keep a window's result; forget those of the day before yesterday."""
        close_ns = result.close_ns
        self._by_slug[slug] = result
        put = partial(self._bus.put_field, self._key)
        await retry_until_answered(partial(put, slug, msgspec.json.encode(result)))
        old = [s for s, r in self._by_slug.items() if close_ns - r.close_ns > 2 * _DAY_NS]
        for forgotten in old:
            del self._by_slug[forgotten]
            await retry_until_answered(partial(put, forgotten, None))

    def profit_u6(self, at_ns: int) -> int:
        """Dollars (millionths) won on the UTC day of `at_ns` with fills that settled.

        A window without a winner counts with its worst case.
        """
        return sum(result.profit_u6 for _, result in self._of_day(at_ns))

    def worst_u6(self, at_ns: int) -> int:
        """Dollars (millionths) won at least, whatever becomes of the unsettled fills.

        The daily limit counts with this figure. People are shown the kinds apart.
        """
        return sum(result.at_worst_u6 for _, result in self._of_day(at_ns))

    def unsettled_u6(self, at_ns: int) -> int:
        """Dollars (millionths) that fills would add which were matched and never settled."""
        return sum(result.unsettled_u6 for _, result in self._of_day(at_ns))

    def as_view(self, at_ns: int, open_worst_case_u6: int) -> DayView:
        """What /state says of the UTC day, in dollars; a profit is negative when it is a loss.

        `profit_today`: windows with a known winner, fills that settled. `unsettled_today`: what
        fills would add that were matched and never settled. `worst_case_profit_today`: the least
        of all windows, the open ones (`open_worst_case_u6`, in millionths) included.
        `results_today`: the newest windows that are over.
        """
        day = self._of_day(at_ns)
        known_u6 = sum(result.profit_u6 for _, result in day if result.winner_known)
        worst_u6 = sum(result.at_worst_u6 for _, result in day) + open_worst_case_u6
        newest = sorted(day, key=lambda item: item[1].close_ns, reverse=True)[:SHOWN_RESULTS]
        return {
            "profit_today": known_u6 / SHARE_U6,
            "unsettled_today": self.unsettled_u6(at_ns) / SHARE_U6,
            "worst_case_profit_today": worst_u6 / SHARE_U6,
            "windows_settled_today": len(day),
            "winners_unknown_today": sum(not result.winner_known for _, result in day),
            "results_today": {slug: _result_view(result) for slug, result in newest},
        }

    def newest(self) -> dict[str, dict[str, float]]:
        """The newest windows that are over, whatever their day: oldest first, with their close."""
        kept = sorted(self._by_slug.items(), key=lambda item: item[1].close_ns)[-NEWEST_RESULTS:]
        return {
            slug: {"close_s": result.close_ns / NS_PER_S, **_result_view(result)}
            for slug, result in kept
        }

    def _of_day(self, at_ns: int) -> list[tuple[str, WindowResult]]:
        day = at_ns // _DAY_NS
        return [(s, r) for s, r in self._by_slug.items() if r.close_ns // _DAY_NS == day]


def _result_view(result: WindowResult) -> dict[str, float]:
    name = "profit" if result.winner_known else "worst_case_profit"
    return {name: result.profit_u6 / SHARE_U6}
