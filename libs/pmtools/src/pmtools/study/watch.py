"""Looks at a window after each decision and notes what rested, why not, the book and the flow."""

from __future__ import annotations

from pmcore.engine.strategy.session import MarketSession
from pmcore.engine.strategy.why import Obstacle
from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_S

Cell = str | int | bool | None
TableRow = dict[str, Cell]


class WindowWatch:
    """The rows `intervals` and `seconds` of one window, from its opening until all is cancelled."""

    def __init__(self) -> None:
        self.intervals: list[TableRow] = []
        self.seconds: list[TableRow] = []
        self._open: dict[Outcome, TableRow] = {}
        self._second = -1
        self._last_ns = 0

    def look(self, at_ns: int, session: MarketSession) -> None:
        """A decision was made at `at_ns`."""
        self._last_ns = at_ns
        if not session.clock.may_quote:
            self.end()
            return
        for outcome in Outcome:
            self._look_at_side(at_ns, session, outcome)
        if (second := at_ns // NS_PER_S) != self._second:
            self._second = second
            self.seconds.append(_second(at_ns, session))

    def end(self) -> None:
        """Nothing may rest any more, or the replay is over."""
        for row in self._open.values():
            self._close(row, self._last_ns)
        self._open.clear()

    def _look_at_side(self, at_ns: int, session: MarketSession, outcome: Outcome) -> None:
        obstacle, quote_e4 = session.decision.whys[outcome].obstacle, _quote_e4(session, outcome)
        last = self._open.get(outcome)
        if last and (last["obstacle"], last["quote_e4"]) == (obstacle.value, quote_e4):
            return
        if last:
            self._close(last, at_ns)
        self._open[outcome] = {
            "slug": session.window.slug,
            "outcome": outcome.value,
            "from_ns": at_ns,
            "obstacle": obstacle.value,
            "quote_e4": quote_e4,
        }

    def _close(self, row: TableRow, at_ns: int) -> None:
        if row["from_ns"] != at_ns:
            self.intervals.append({**row, "until_ns": at_ns})


def _quote_e4(session: MarketSession, outcome: Outcome) -> int | None:
    order = session.orders.slot(outcome)
    rests = session.decision.whys[outcome].obstacle is Obstacle.NONE
    return order.price_e4 if order is not None and rests else None


def _second(at_ns: int, session: MarketSession) -> TableRow:
    up, flows = session.side_view(at_ns, Outcome.UP), session.flows
    return {
        "slug": session.window.slug,
        "at_ns": at_ns,
        "up_bid_e4": up.bid_e4,
        "up_ask_e4": up.ask_e4,
        "up_quote_e4": _quote_e4(session, Outcome.UP),
        "down_quote_e4": _quote_e4(session, Outcome.DOWN),
        "up_ofi_u6": flows[Outcome.UP].flow.score_u6,
        "down_ofi_u6": flows[Outcome.DOWN].flow.score_u6,
        "up_threshold_u6": flows[Outcome.UP].thresholds.enter_u6,
        "down_threshold_u6": flows[Outcome.DOWN].thresholds.enter_u6,
        "toxic": session.toxic,
    }
