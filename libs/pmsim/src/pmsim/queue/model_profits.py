"""What the same paper orders won by each fill model, by UTC day. Kept in memory only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from pmcore.machines.inventory import Position
from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_S
from pmsim.queue.line import FillModel

_DAY_NS = 86_400 * NS_PER_S
DAYS_KEPT = 2


class ModelProfit(msgspec.Struct, frozen=True):
    """Dollars in millionths by one model, negative when lost.

    `profit_u6`: of the windows whose winner is known. `worst_u6`: with all others, each as if the
    outcome held less of had won.
    """

    profit_u6: int = 0
    worst_u6: int = 0

    def plus(self, bought: Position, winner: Outcome | None) -> ModelProfit:
        """And one window more."""
        if winner is None:
            return ModelProfit(self.profit_u6, self.worst_u6 - bought.worst_loss_u6)
        won_u6 = bought.profit_u6(winner)
        return ModelProfit(self.profit_u6 + won_u6, self.worst_u6 + won_u6)


class ModelProfits:
    """Sums over the windows that are over, by the UTC day of their close."""

    def __init__(self) -> None:
        self._by_day: dict[int, dict[FillModel, ModelProfit]] = {}

    def add(
        self, close_ns: int, ledgers: Mapping[FillModel, Position], winner: Outcome | None
    ) -> None:
        """A window is over; `winner` is None when nobody said who won."""
        sums = self._by_day.setdefault(close_ns // _DAY_NS, dict.fromkeys(FillModel, ModelProfit()))
        for model, bought in ledgers.items():
            sums[model] = sums[model].plus(bought, winner)
        if len(self._by_day) > DAYS_KEPT:
            del self._by_day[min(self._by_day)]

    def of_day(
        self, at_ns: int, open_ledgers: Iterable[Mapping[FillModel, Position]]
    ) -> dict[FillModel, ModelProfit]:
        """The day of `at_ns`; windows that are still open count in the worst case."""
        sums = dict(self._by_day.get(at_ns // _DAY_NS, dict.fromkeys(FillModel, ModelProfit())))
        for ledgers in open_ledgers:
            for model, bought in ledgers.items():
                sums[model] = sums[model].plus(bought, None)
        return sums
