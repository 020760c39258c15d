"""The rows of a finished window, for every table."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pmcore.engine.strategy.engine import WindowEngine
from pmcore.machines.attribution import FillResult, attribute
from pmcore.machines.inventory import Position
from pmcore.machines.markouts import HORIZONS_S, MarkedFill
from pmcore.model.market import Outcome
from pmcore.model.units import PRICE_ONE_E4
from pmsim.queue.line import FillModel
from pmsim.recordings.winners import Winner
from pmtools.replay.settling import worth_of
from pmtools.study.watch import TableRow, WindowWatch

_ONE2_E4 = 2 * PRICE_ONE_E4


class FinishedWindow(msgspec.Struct, frozen=True):
    """What is known of a window when its replay ends. Without a fill model it was a journal."""

    engine: WindowEngine
    source: str
    watch: WindowWatch
    winner: Winner | None = None
    fill_model: FillModel | None = None
    ledgers: Mapping[FillModel, Position] = {}

    @property
    def told_winner(self) -> Winner | None:
        """Of the recording, or of the journal, whose engine may know it."""
        known = self.engine.session.winner
        return self.winner or (Winner(known, "journal") if known else None)


def rows_of(window: FinishedWindow) -> dict[str, list[TableRow]]:
    """The rows of each table."""
    session = window.engine.session
    worth2_e4 = worth_of(window.engine, window.winner)
    window.watch.end()
    return {
        "windows": [_window(window, worth2_e4)],
        "ledgers": [
            {
                "slug": session.window.slug,
                "fill_model": model.value,
                **_position(position, worth2_e4),
            }
            for model, position in window.ledgers.items()
        ],
        "fills": _fills(window, worth2_e4),
        "intervals": window.watch.intervals,
        "seconds": window.watch.seconds,
    }


def _window(window: FinishedWindow, worth2_e4: int | None) -> TableRow:
    session, winner = window.engine.session, window.told_winner
    return {
        "slug": session.window.slug,
        "source": window.source,
        "kind": "recording" if window.fill_model else "journal",
        "fill_model": window.fill_model.value if window.fill_model else None,
        "settings": msgspec.json.encode(session.params).decode(),
        "fingerprint": window.engine.fingerprint,
        "inferred": ",".join(session.window.inferred),
        "open_ns": session.window.open_ns,
        "close_ns": session.window.close_ns,
        "winner": winner.outcome.value if winner else None,
        "winner_source": winner.source if winner else None,
        "up_worth2_e4": worth2_e4,
        **_position(session.inventory.working, worth2_e4),
        "orders": window.engine.counters.orders_placed,
        "quoting_ns": session.quoting_time.total_ns,
        "both_rest_ns": session.quoting_time.both_rest_ns,
    }


def _position(position: Position, worth2_e4: int | None) -> TableRow:
    up, down = position.up, position.down
    cost_e4u6 = up.cost_e4u6 + down.cost_e4u6
    profit2_e4u6 = None
    if worth2_e4 is not None:
        paid2_e4u6 = up.qty_u6 * worth2_e4 + down.qty_u6 * (_ONE2_E4 - worth2_e4)
        profit2_e4u6 = paid2_e4u6 - 2 * cost_e4u6
    return {
        "up_u6": up.qty_u6,
        "down_u6": down.qty_u6,
        "cost_e4u6": cost_e4u6,
        "profit2_e4u6": profit2_e4u6,
    }


def _fills(window: FinishedWindow, worth2_e4: int | None) -> list[TableRow]:
    session = window.engine.session
    fills, winner = session.markouts.fills, window.told_winner
    results = [] if worth2_e4 is None else attribute(fills, worth2_e4)
    by_id = {id(one.fill): one for one in results}
    return [
        {
            "slug": session.window.slug,
            **_fill(fill, winner.outcome if winner else None),
            **_result(by_id.get(id(fill))),
        }
        for fill in fills
    ]


def _fill(fill: MarkedFill, winner: Outcome | None) -> TableRow:
    paid2_e4 = _ONE2_E4 if fill.outcome is winner else 0
    return {
        "trade_id": fill.trade_id,
        "outcome": fill.outcome.value,
        "hedge": fill.hedge,
        "failed": fill.failed,
        "at_ns": fill.at_ns,
        "since_open_ns": fill.since_open_ns,
        "price_e4": fill.price_e4,
        "size_u6": fill.size_u6,
        "rested_ns": fill.rested_ns,
        "reason": fill.reason,
        "ahead_u6": fill.ahead_u6,
        "phase": fill.phase.value,
        "flow": fill.flow.value,
        "toxic": fill.toxic,
        "ofi_score_u6": fill.ofi_score_u6,
        "mid2_e4": fill.mid2_e4,
        **{
            f"markout_{horizon_s}s_2_e4": markout2_e4
            for horizon_s, markout2_e4 in zip(HORIZONS_S, fill.markouts2_e4, strict=True)
        },
        "markout_settlement_2_e4": paid2_e4 - 2 * fill.price_e4 if winner else None,
    }


def _result(result: FillResult | None) -> TableRow:
    if result is None:
        return {}
    parts = result.parts
    return {
        "paired_u6": result.paired_u6,
        "pair_cost_e4u6": result.pair_cost_e4u6,
        "paired_after_ns": result.paired_after_ns if result.paired_u6 else None,
        "spread2_e4u6": parts.spread2_e4u6,
        "adverse2_e4u6": parts.adverse2_e4u6,
        "residual2_e4u6": parts.residual2_e4u6,
        "unknown2_e4u6": parts.unknown2_e4u6,
    }
