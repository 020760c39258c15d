"""Statistics of recordings and of the synthetic world, side by side, by the same code.

`python -m pmresearch.statistics FILE... [--synthetic --seed N --windows K]` prints a Markdown
table; files are put together by kind. With `--frames` the table is about the form of the frames,
one column per file. docs/modelling.md shows both and says what they mean.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pmcore.model.errors import MalformedInputError
from pmcore.model.market import parse_series
from pmcore.model.units import NS_PER_S
from pmresearch.figures import Figure, figures
from pmresearch.frames import FrameForm, form_table, recorded_form, synthetic_form
from pmresearch.tape import Tape, recorded_tapes, synthetic_tapes
from pmsim.crowd.world_params import FITTED, WORLDS, WorldParams, at_pace
from pmsim.run.synthetic import SyntheticParams, SyntheticVenue

START_NS = 1_790_766_900 * NS_PER_S


def kind_of(path: Path) -> str:
    """The column of a file: its directory, or the collection within tob_trades."""
    parent = path.resolve().parent.name
    return path.name.partition("_")[0] if parent == "tob_trades" else parent


def synthetic_column(series: str, seed: int, windows: int, pace: float = 1.0) -> list[Tape]:
    """Whole windows of our world."""
    params = SyntheticParams(
        series=(parse_series(series),),
        seed=seed,
        start_ns=START_NS,
        world=WorldParams(crowd=at_pace(FITTED.crowd, pace)),
    )
    return list(synthetic_tapes(SyntheticVenue(params), windows))


def table(columns: Mapping[str, Sequence[Tape]]) -> str:
    """One row per figure, one column per kind; a dash where a source holds no such thing."""
    found = {name: figures(tapes) for name, tapes in columns.items()}
    lines = [
        "| phase | figure | " + " | ".join(f"{n} ({len(t)})" for n, t in columns.items()) + " |",
        "|---|---|" + "---:|" * len(columns),
    ]
    for row, first in enumerate(next(iter(found.values()), [])):
        cells = [_cell(found[name][row]) for name in columns]
        if any(cell != "-" for cell in cells):
            lines.append(f"| {first.group} | {first.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(figure: Figure) -> str:
    value = figure.value
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; 2 for a file that cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m pmresearch.statistics", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--synthetic", action="store_true", help="add a column of our own world")
    parser.add_argument("--series", default="btc-updown-5m", help="of the synthetic world")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--windows", type=int, default=8, help="synthetic windows")
    parser.add_argument("--frames", action="store_true", help="the form of frames instead")
    parser.add_argument("--seconds", type=int, default=300, help="synthetic, with --frames")
    parser.add_argument("--pace", type=float, default=1.0, help="1 is the fit, local runs use 0.2")
    arguments = parser.parse_args(argv)
    if not arguments.files and not arguments.synthetic:
        parser.error("name a recording, or --synthetic")
    if arguments.frames:
        return _print_forms(arguments)
    columns: dict[str, list[Tape]] = {}
    for path in arguments.files:
        try:
            columns.setdefault(kind_of(path), []).extend(recorded_tapes(path))
        except (MalformedInputError, OSError) as error:
            sys.stderr.write(f"{path}: {error}\n")
            return 2
    if arguments.synthetic:
        column = synthetic_column(
            arguments.series, arguments.seed, arguments.windows, arguments.pace
        )
        columns[f"synthetic {arguments.series}"] = column
    sys.stdout.write(table(columns) + "\n")
    return 0


def frames_of_world(series: str, seed: int, seconds: int, world: WorldParams) -> FrameForm:
    """The form of frames of one of our worlds."""
    params = SyntheticParams(
        series=(parse_series(series),), seed=seed, start_ns=START_NS, world=world, auto_tick=True
    )
    venue = SyntheticVenue(params)
    venue.advance(venue.now_ns)
    return synthetic_form(venue, seconds)


def _print_forms(arguments: argparse.Namespace) -> int:
    forms: dict[str, FrameForm] = {}
    for path in arguments.files:
        try:
            forms[path.name.partition("_")[0]] = recorded_form(path)
        except (MalformedInputError, OSError) as error:
            sys.stderr.write(f"{path}: {error}\n")
            return 2
    for name, world in WORLDS.items() if arguments.synthetic else ():
        forms[name] = frames_of_world(arguments.series, arguments.seed, arguments.seconds, world)
    sys.stdout.write(form_table(forms) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
