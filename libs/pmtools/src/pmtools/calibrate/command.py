"""`pm calibrate RUN`: what paper would have made of a run's own bids, beside what the venue did."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from pmcore.engine.strategy.journal import STRATEGY_JOURNAL
from pmsim.queue.line import FillModel
from pmtools.calibrate.figures import (
    FEWEST_FILLED,
    ModelFigures,
    PhaseFigures,
    figures_of,
    nearest_model,
)
from pmtools.calibrate.on_paper import JournalBids, read_bids
from pmtools.errors import EXIT_OK, UsageError
from pmtools.replay.inputs import find_inputs
from pmtools.replay.journals import JournalParts
from pmtools.replay.latency import Quantiles, journals_in, measure, quantiles_ms


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """The result; as a file it is read by `--latency` of `pm replay`, `report` and `sweep`."""

    phases: list[PhaseFigures]
    nearest_model: FillModel | None
    filled_at_once: int
    unread_lines: int
    latency_ms: Quantiles


def command(arguments: argparse.Namespace) -> int:
    """Read all journals of strategies, print the comparison, write it where it was asked for."""
    journals = _journals(arguments.files)
    read = [read_bids(journal) for journal in journals]
    result = calibration_of(read, _latencies(arguments.files))
    if arguments.out:
        try:
            arguments.out.write_bytes(msgspec.json.format(msgspec.json.encode(result)))
        except OSError as error:
            raise UsageError(f"--out {arguments.out}: {error.strerror}") from error
    if arguments.json:
        print(msgspec.json.encode(result).decode())
    else:
        _show(Console(), result, arguments.out)
    return EXIT_OK


def calibration_of(read: Sequence[JournalBids], latency_ms: Quantiles) -> Calibration:
    """All journals together."""
    phases = figures_of([bid for one in read for bid in one.bids])
    return Calibration(
        phases=phases,
        nearest_model=nearest_model(phases[0]),
        filled_at_once=sum(one.filled_at_once for one in read),
        unread_lines=sum(one.unread_lines for one in read),
        latency_ms=latency_ms,
    )


def _journals(paths: Sequence[Path]) -> list[JournalParts]:
    found = [
        one
        for one in find_inputs(paths, None).found
        if isinstance(one, JournalParts) and one.format is STRATEGY_JOURNAL
    ]
    if not found:
        raise UsageError(
            f"{', '.join(map(str, paths))}: no journal of a strategy is there "
            "(PM_JOURNAL=true writes it)"
        )
    return found


def _latencies(paths: Sequence[Path]) -> Quantiles:
    """What the executors' journals beside them measured; nothing without one."""
    journals: list[JournalParts] = []
    for path in paths:
        try:
            journals += journals_in(path)
        except UsageError:
            continue
    return quantiles_ms(measure(journals))


def _show(console: Console, result: Calibration, out: Path | None) -> None:
    everything = result.phases[0]
    table = Table(
        title=f"{everything.bids} own bids for {everything.shares:g} shares, "
        f"{everything.windows} windows: what was filled"
    )
    for name in ("phase", "bids", "by", "filled", "shares", "part", "first s", "inside"):
        words = name in ("phase", "by")
        table.add_column(name, justify="left" if words else "right", no_wrap=words)
    for phase in result.phases:
        told = {"venue": phase.truth, **phase.models}
        for place, (who, one) in enumerate(told.items()):
            table.add_row(*_row(phase, who, one, first=not place), end_section=who == "optimistic")
    console.print(table)
    console.print(
        "first s: median seconds from the rest to the first fill. inside: the part of the bids of "
        "which the venue filled no less than the pessimistic and no more than the optimistic model"
    )
    if result.filled_at_once:
        console.print(f"{result.filled_at_once} fills came before their bid was known to rest")
    if result.unread_lines:
        console.print(f"{result.unread_lines} lines of the journals could not be read")
    if result.nearest_model is None:
        console.print(f"no model is called the nearest with fewer than {FEWEST_FILLED} filled bids")
    else:
        model = result.nearest_model.value
        console.print(f"nearest in shares filled: {model} (--fill-model {model}, PM_PAPER_FILLS)")
    if out and result.latency_ms:
        console.print(f"for the next replay: --latency {out}")


def _row(phase: PhaseFigures, who: str, one: ModelFigures, *, first: bool) -> list[str]:
    wait = one.median_s_to_first_fill
    return [
        phase.phase if first else "",
        f"{phase.bids}" if first else "",
        who,
        f"{one.filled_bids}",
        f"{one.filled_shares:.2f}",
        f"{one.filled_part:.1%}",
        "" if wait is None else f"{wait:.2f}",
        f"{phase.inside_part:.0%}" if first else "",
    ]
