"""Statistics of recordings and of the synthetic world, side by side, by the same code.

`python -m pmcore.tools.world_stats FILE... [--synthetic --seed N --windows K]` prints a Markdown
table; files are put together by kind. docs/modelling.md shows its output and says what it means.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pmcore.model.errors import MalformedInputError
from pmcore.model.market import parse_series
from pmcore.model.units import NS_PER_S
from pmcore.sim.synthetic import SyntheticParams, SyntheticVenue
from pmcore.sim.world_params import FITTED, WorldParams, at_pace
from pmcore.tools.world_figures import Figure, figures
from pmcore.tools.world_tape import Tape, recorded_tapes, synthetic_tapes

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
    parser = argparse.ArgumentParser(prog="python -m pmcore.tools.world_stats", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--synthetic", action="store_true", help="add a column of our own world")
    parser.add_argument("--series", default="btc-updown-5m", help="of the synthetic world")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--windows", type=int, default=8, help="synthetic windows")
    parser.add_argument("--pace", type=float, default=1.0, help="1 is the fit, local runs use 0.2")
    arguments = parser.parse_args(argv)
    if not arguments.files and not arguments.synthetic:
        parser.error("name a recording, or --synthetic")
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


if __name__ == "__main__":
    sys.exit(main())
