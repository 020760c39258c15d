"""`pm study PLAN FILE...`: a question whose limits were written down, answered from recordings."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from pmcore.model.params import SeriesParams
from pmsim.queue.line import FillModel
from pmsim.queue.paper_venue import PaperParams
from pmsim.recordings.reader import Recording
from pmtools.errors import EXIT_OK
from pmtools.replay.command import Replay
from pmtools.replay.inputs import find_inputs
from pmtools.study.figures import Estimate, ReportFigures, adverse_move, figures_of
from pmtools.study.page import estimate_text
from pmtools.study.tables import TableFolder, load
from pmtools.study.verdict import StudyPlan, StudyVerdict, read_plan, verdict_of
from pmtools.sweep.grid import params_of


class ModelAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What one model of fills says; the engine saw its fills."""

    fill_model: str
    verdict: StudyVerdict
    windows: int
    settled: int
    fills: int
    fills_with_move: int
    adverse_move_30s_cents: Estimate | None
    profit_a_window: Estimate | None
    cents_a_share: Estimate | None


def command(arguments: argparse.Namespace) -> int:
    """Replay by each model, the pessimistic first: its verdict is the study's."""
    plan = read_plan(arguments.plan)
    params = params_of(arguments.plan, "settings", plan.settings)
    found = [one for one in find_inputs(arguments.files, None).found if isinstance(one, Recording)]
    answers = [_answer(plan, params, found, model) for model in FillModel]
    if arguments.json:
        told = {"verdict": answers[0].verdict, "plan": plan, "answers": answers}
        print(msgspec.json.encode(told).decode())
        return EXIT_OK
    print(f"{plan.question} (limits of {plan.date})")
    for one in answers:
        print(
            f"{one.fill_model}: {one.verdict}; adverse move 30 s after a fill, median, ¢: "
            f"{estimate_text(one.adverse_move_30s_cents)} of {one.fills_with_move} fills; "
            f"$ a window: {estimate_text(one.profit_a_window)}; {one.settled} of {one.windows} "
            "windows have a winner"
        )
    print(f"verdict: {answers[0].verdict}")
    return EXIT_OK


def _answer(
    plan: StudyPlan, params: SeriesParams, found: list[Recording], model: FillModel
) -> ModelAnswer:
    with TemporaryDirectory(prefix="pm-study-") as folder:
        replay = Replay(
            params, None, paper=PaperParams(fills=model), tables=TableFolder(Path(folder))
        )
        asyncio.run(replay.run(found, "direct"))
        tables = load(folder)
    figures: ReportFigures = figures_of(tables)
    fills, move = adverse_move(tables)
    return ModelAnswer(
        fill_model=model.value,
        verdict=verdict_of(plan.limits, fills, move),
        windows=figures.windows,
        settled=figures.settled,
        fills=figures.fills,
        fills_with_move=fills,
        adverse_move_30s_cents=move,
        profit_a_window=figures.profit_a_window,
        cents_a_share=figures.cents_a_share,
    )
