"""The charts of docs/modelling.md: `python -m pmresearch.plots --out docs/plots FILE...`.

Of recordings only derived statistics are drawn; the one window that is shown is a synthetic one.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pmcore.model.errors import MalformedInputError
from pmcore.model.market import parse_series
from pmcore.model.units import NS_PER_S, PRICE_ONE_E4, SHARE_U6
from pmresearch.charts import bar_chart, line_chart
from pmresearch.figures import PHASES, Figure, figures, quantile
from pmresearch.statistics import START_NS, kind_of, synthetic_column
from pmresearch.tape import Tape, recorded_tapes, synthetic_tapes
from pmsim.crowd.world_params import FITTED
from pmsim.run.synthetic import SyntheticParams, SyntheticVenue

_BARS = (
    ("spread", "spread mean, mid .20-.80, c", "Spread while contested, cents", 4.0),
    (
        "mid_move",
        "1 s mid move rms, mid .20-.80, c",
        "Move of the mid in a second, rms, cents",
        12.0,
    ),
    ("touch_depth", "touch depth p50, shares", "Median depth at the touch, shares", 400.0),
    ("near_depth", "5-level depth p50, shares", "Median depth within 5 levels, shares", 6000.0),
)
_SHOWN_SEED = 3


def window_chart(seed: int) -> str:
    """The touch of one synthetic window at the fitted pace."""
    params = SyntheticParams(
        series=(parse_series("btc-updown-5m"),), seed=seed, start_ns=START_NS, world=FITTED
    )
    venue = SyntheticVenue(params)
    tape = next(iter(synthetic_tapes(venue, 1)))
    quotes: dict[str, list[tuple[float, float]]] = {"best bid": [], "best ask": []}
    for one in tape.samples:
        second = (one.at_ns - tape.open_ns) / NS_PER_S
        quotes["best bid"].append((second, one.bid_e4 / PRICE_ONE_E4))
        quotes["best ask"].append((second, one.ask_e4 / PRICE_ONE_E4))
    return line_chart(
        f"Up in a synthetic window (seed {seed}), by second",
        quotes,
        x_ticks=[(float(s), f"{s} s") for s in range(0, 301, 60)],
        y_ticks=[(share, f"{share:.2f}") for share in (0.0, 0.25, 0.5, 0.75, 1.0)],
    )


def size_chart(columns: Mapping[str, Sequence[Tape]]) -> str:
    """Which share of prints is not larger than a size."""
    series = {}
    for name, tapes in columns.items():
        sizes = [one.size_u6 / SHARE_U6 for tape in tapes for one in tape.prints]
        if sizes:
            shares = [percent / 100 for percent in range(1, 100, 2)]
            sizes.sort()
            series[name] = [(math.log10(quantile(sizes, s) or 0.01), s) for s in shares]
    return line_chart(
        "Share of prints up to a size",
        series,
        x_ticks=[(math.log10(size), f"{size:g}") for size in (0.1, 1, 10, 100, 1000)],
        y_ticks=[(share, f"{share:.2f}") for share in (0.0, 0.25, 0.5, 0.75, 1.0)],
    )


def phase_chart(found: Mapping[str, Sequence[Figure]], name: str, title: str, top: float) -> str:
    """One figure by phase of the window, for every source that has it."""
    series = {}
    for source, rows in found.items():
        values = {row.group: row.value for row in rows if row.name == name}
        by_phase = [values[phase.name] for phase in PHASES]
        if any(value is not None for value in by_phase):
            series[source] = by_phase
    return bar_chart(title, [phase.name for phase in PHASES], series, top)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the charts; 2 for a file that cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m pmresearch.plots", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--windows", type=int, default=16)
    arguments = parser.parse_args(argv)
    columns: dict[str, list[Tape]] = {}
    for path in arguments.files:
        try:
            columns.setdefault(kind_of(path), []).extend(recorded_tapes(path))
        except (MalformedInputError, OSError) as error:
            sys.stderr.write(f"{path}: {error}\n")
            return 2
    columns["synthetic"] = synthetic_column("btc-updown-5m", arguments.seed, arguments.windows)
    arguments.out.mkdir(parents=True, exist_ok=True)
    charts = {"window": window_chart(_SHOWN_SEED), "print_sizes": size_chart(columns)}
    found = {source: figures(tapes) for source, tapes in columns.items()}
    for name, figure, title, top in _BARS:
        charts[name] = phase_chart(found, figure, title, top)
    for name, chart in charts.items():
        (arguments.out / f"{name}.svg").write_text(chart, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
