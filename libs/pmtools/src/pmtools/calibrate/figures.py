"""How near each model of fills came to what the venue filled of the same bids."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import msgspec

from pmcore.model.units import NS_PER_S, QTY_GRID_U6, SHARE_U6
from pmsim.queue.line import FillModel
from pmtools.calibrate.on_paper import Filled, OwnBid

ALL = "all"
FEWEST_FILLED = 30
"""With fewer filled bids no model is called the nearest."""


class ModelFigures(msgspec.Struct, frozen=True):
    """Of the venue's truth, or of one model. Shares and seconds."""

    filled_bids: int
    filled_shares: float
    filled_part: float
    median_s_to_first_fill: float | None


class PhaseFigures(msgspec.Struct, frozen=True):
    """All bids of a phase, or all of them."""

    phase: str
    windows: int
    bids: int
    shares: float
    inside_part: float
    """The part of the bids of which pessimistic <= truth <= optimistic; one grid step apart is
    inside, because the models floor each fill to it."""
    truth: ModelFigures
    models: dict[str, ModelFigures]


def figures_of(bids: Sequence[OwnBid]) -> list[PhaseFigures]:
    """All bids first, then those of each phase in the order in which phases come."""
    phases: dict[str, list[OwnBid]] = {ALL: list(bids)}
    for bid in bids:
        phases.setdefault(bid.phase.value, []).append(bid)
    return [_phase(name, own) for name, own in phases.items()]


def nearest_model(figures: PhaseFigures) -> FillModel | None:
    """The model whose filled shares differ least from the truth; None with too few filled bids."""
    if figures.truth.filled_bids < FEWEST_FILLED:
        return None
    truth = figures.truth.filled_shares
    return min(FillModel, key=lambda one: abs(figures.models[one.value].filled_shares - truth))


def _phase(name: str, bids: Sequence[OwnBid]) -> PhaseFigures:
    placed_u6 = sum(bid.size_u6 for bid in bids)
    return PhaseFigures(
        phase=name,
        windows=len({bid.slug for bid in bids}),
        bids=len(bids),
        shares=placed_u6 / SHARE_U6,
        inside_part=sum(_inside(bid) for bid in bids) / len(bids) if bids else 0.0,
        truth=_model(bids, [bid.venue for bid in bids], placed_u6),
        models={
            model.value: _model(bids, [bid.models[model] for bid in bids], placed_u6)
            for model in FillModel
        },
    )


def _inside(bid: OwnBid) -> bool:
    low, high = bid.models[FillModel.PESSIMISTIC], bid.models[FillModel.OPTIMISTIC]
    return low.qty_u6 - QTY_GRID_U6 <= bid.venue.qty_u6 <= high.qty_u6 + QTY_GRID_U6


def _model(bids: Sequence[OwnBid], filled: Sequence[Filled], placed_u6: int) -> ModelFigures:
    filled_u6 = sum(one.qty_u6 for one in filled)
    waits_s = [
        (one.first_ns - bid.rests_ns) / NS_PER_S
        for bid, one in zip(bids, filled, strict=True)
        if one.first_ns is not None
    ]
    return ModelFigures(
        filled_bids=len(waits_s),
        filled_shares=filled_u6 / SHARE_U6,
        filled_part=filled_u6 / placed_u6 if placed_u6 else 0.0,
        median_s_to_first_fill=median(waits_s) if waits_s else None,
    )
