"""What a reader must know before he believes the figures of a report."""

from __future__ import annotations

from collections.abc import Iterator

from pmsim.queue.line import FillModel
from pmtools.study.figures import ReportFigures

FEW_WINDOWS = 30
FEW_FILLS = 100


def caveats_of(figures: ReportFigures) -> list[str]:
    """One sentence each, the most important first."""
    return [*_fills(figures), *_windows(figures), "Rebates and rewards are left out."]


def _fills(figures: ReportFigures) -> Iterator[str]:
    if figures.journals < figures.windows:
        yield (
            "Fills of a replay are estimates: nobody in the recording reacted to our bids, and the "
            "queue ahead of them and the latency are assumed."
        )
    if figures.journals:
        yield (
            f"{figures.journals} windows are from journals, which keep no other ledgers. Their "
            "fills are those of their engine: the venue's, the simulator's, or on paper."
        )
    if not figures.fills:
        yield "There was no fill: nothing can be said of what fills are worth."
    elif figures.fills < FEW_FILLS:
        yield f"{figures.fills} fills are too few for a verdict; {FEW_FILLS} is the least."
    shares = {one.fill_model: one.shares for one in figures.ledgers}
    if shares.get(FillModel.PESSIMISTIC.value) == 0 and any(shares.values()):
        yield (
            "The pessimistic ledger has no fill, so no profit is shown without the assumptions "
            "of the others. In a recording without prints it fills only when the price goes "
            "through."
        )
    if figures.failed:
        yield f"{figures.failed} fills failed on the chain and are left out."


def _windows(figures: ReportFigures) -> Iterator[str]:
    if figures.windows < FEW_WINDOWS:
        yield f"{figures.windows} windows are few: the intervals are too narrow."
    if len(figures.days) == 1:
        yield f"All windows are of one day, {figures.days[0]}: another day may differ."
    if figures.marked:
        yield f"The winner of {figures.marked} windows is not known: marked at their last mid."
    if figures.without_worth:
        yield f"{figures.without_worth} windows have no winner and no mid: no profit is told."
    if figures.inferred:
        yield f"In {figures.inferred} windows a part of the market's metadata was inferred."
    if figures.settings > 1:
        yield f"The windows were replayed with {figures.settings} different settings."
    if len(figures.acting_models) > 1:
        yield "Not all windows were replayed with the same model of fills."
