"""What the same orders won by each fill model, by UTC day."""

from __future__ import annotations

from pmcore.machines.inventory import Position
from pmcore.model.latency import parse_latencies
from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_S
from pmsim.queue.line import FillModel
from pmsim.queue.model_profits import DAYS_KEPT, ModelProfit, ModelProfits
from pmsim.queue.paper_venue import PaperParams, PaperVenue
from support.paper import MS, SHARE, SLUG, WINDOW, snapshot, sold, submit

DAY_NS = 86_400 * NS_PER_S
CENT = SHARE // 100
UP_5_AT_48 = Position().with_buy(Outcome.UP, 4_800, 5 * SHARE)
NOTHING = dict.fromkeys(FillModel, Position())


def bought_by(model: FillModel) -> dict[FillModel, Position]:
    return {**NOTHING, model: UP_5_AT_48}


def test_a_window_counts_by_its_winner_and_without_one_in_the_worst_case_alone() -> None:
    profits = ModelProfits()
    profits.add(1, bought_by(FillModel.OPTIMISTIC), Outcome.UP)
    profits.add(2, bought_by(FillModel.OPTIMISTIC), None)
    shown = profits.of_day(3, [bought_by(FillModel.CENTRAL)])
    assert shown == {
        FillModel.PESSIMISTIC: ModelProfit(0, 0),
        FillModel.CENTRAL: ModelProfit(0, -240 * CENT),
        FillModel.OPTIMISTIC: ModelProfit(260 * CENT, 20 * CENT),
    }


def test_the_loss_of_the_other_winner_is_a_loss() -> None:
    profits = ModelProfits()
    profits.add(1, bought_by(FillModel.CENTRAL), Outcome.DOWN)
    assert profits.of_day(1, [])[FillModel.CENTRAL] == ModelProfit(-240 * CENT, -240 * CENT)


def test_each_day_begins_at_nothing_and_only_the_newest_days_are_kept() -> None:
    profits = ModelProfits()
    for day in range(DAYS_KEPT + 1):
        profits.add(day * DAY_NS, bought_by(FillModel.CENTRAL), Outcome.UP)
    won = [profits.of_day(day * DAY_NS, [])[FillModel.CENTRAL] for day in range(DAYS_KEPT + 2)]
    once = ModelProfit(260 * CENT, 260 * CENT)
    assert won == [ModelProfit(), *[once] * DAYS_KEPT, ModelProfit()]


def venue_with_a_fill() -> PaperVenue:
    """The trade goes through our price: every model fills all of the five shares."""
    paper = PaperVenue(PaperParams(latencies=parse_latencies("0")))
    paper.add_window(WINDOW)
    paper.market(0, snapshot(Outcome.UP, 48, 52))
    paper.post(0, submit("a", 48), "0xa")
    paper.advance(0)
    paper.market(1 * MS, sold(47, 50, 1))
    return paper


def test_the_venue_counts_open_windows_in_the_worst_case_and_a_winner_once() -> None:
    paper = venue_with_a_fill()
    assert set(paper.profits(2 * MS).values()) == {ModelProfit(0, -240 * CENT)}
    for winner in (Outcome.UP, Outcome.DOWN):
        paper.resolve(SLUG, winner)
    paper.resolve("another", Outcome.UP)
    once = {ModelProfit(260 * CENT, 260 * CENT)}
    assert set(paper.profits(2 * MS).values()) == once
    paper.drop_window(SLUG)
    assert set(paper.profits(2 * MS).values()) == once
    assert paper.ledgers() == {}


def test_a_window_that_is_left_without_a_winner_keeps_its_worst_case() -> None:
    paper = venue_with_a_fill()
    paper.drop_window(SLUG)
    paper.drop_window(SLUG)
    assert set(paper.profits(2 * MS).values()) == {ModelProfit(0, -240 * CENT)}
