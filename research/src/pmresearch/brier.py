"""How good a forecast of the winner the book's mid is, and the model on the underlying's price.

`python -m pmresearch.brier RECORDING...` prints the Brier score of Up's mid in recorded windows
whose winner is known; of the one with an exchange's prices (`polybot_*`) the model's too.
`python -m pmresearch.brier --synthetic N` plays N five-minute windows of the light world without
any bid of ours, and scores the mid and `pmcore.machines.fair_value`. The Brier score is the mean of
(forecast - what happened)²: 0 is perfect, a forecast that is always a half scores .25. Intervals
are 95 %, from resampling whole windows, none below five.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from pmcore.machines.fair_value import FairValue
from pmcore.model.errors import MalformedInputError
from pmcore.model.market import Outcome, Window
from pmcore.model.params import FairValueParams
from pmcore.model.units import NS_PER_S, PRICE_ONE_E4
from pmresearch.tape import Tape, is_polybot, polybot_prices, recorded_tapes, synthetic_tapes
from pmresearch.underlying_rule import resampled, world_of
from pmsim.crowd.underlying import STEP_NS
from pmsim.recordings.infer_window import slug_in, window_without_tokens
from pmsim.recordings.reader import Recording
from pmsim.recordings.winners import winners_beside

AT_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
"""Of the window's length: when the forecasts are asked for."""
TAKERS_MS = 200
LEAST_WINDOWS = 5
STALE_NS = 3 * NS_PER_S


class Forecast(msgspec.Struct, frozen=True):
    """What was said of Up at one time of one window; None: nothing was said."""

    window: str
    at_share: float
    won: bool
    mid: float | None
    model: float | None = None

    def loss(self, forecast: float) -> float:
        """The square of the error."""
        return (forecast - self.won) ** 2


def of_tape(tape: Tape, winner: Outcome, model: Callable[[int], float | None]) -> list[Forecast]:
    """The forecasts of a window: the newest mid of a full second at each time, and a model's.

    Where a side of the book is empty, as when the winner is all but known, it is an older one.
    """
    out = []
    for share in AT_SHARES:
        at_ns = tape.open_ns + int((tape.close_ns - tape.open_ns) * share) // NS_PER_S * NS_PER_S
        mids = [sample.mid_e4 / PRICE_ONE_E4 for sample in tape.samples if sample.at_ns <= at_ns]
        mid = mids[-1] if mids else None
        out.append(Forecast(tape.name, share, winner is Outcome.UP, mid, model(at_ns)))
    return out


def model_of(window: Window, prices: Sequence[tuple[int, int]]) -> Callable[[int], float | None]:
    """The model that heard these prices, (time of receipt, 1e-8 dollars), up to the time asked."""

    def chance(at_ns: int) -> float | None:
        fair = FairValue(window, FairValueParams(), STALE_NS)
        for received_ns, price_e8 in prices:
            if received_ns > at_ns:
                break
            fair.note(received_ns, price_e8)
        return fair.chance(at_ns)

    return chance


def recorded(path: Path) -> list[Forecast]:
    """Of the windows of a recording that says who won, or whose folder does."""
    if is_polybot(path):
        (tape,) = recorded_tapes(path)
        window = window_without_tokens(slug_in(path.name), path.name, tape.open_ns, tape.close_ns)
        prices, winner = polybot_prices(path)
        return of_tape(tape, winner, model_of(window, prices))
    winners = winners_beside(path, Recording(path).windows())
    return [
        forecast
        for tape in recorded_tapes(path)
        if tape.name in winners
        for forecast in of_tape(tape, winners[tape.name].outcome, lambda _: None)
    ]


def synthetic(seed: int, before_ns: int) -> list[Forecast]:
    """Of one window; the model hears prices from `before_ns` before the opening on."""
    venue = world_of(seed, TAKERS_MS)
    (tape,) = synthetic_tapes(venue, 1)
    window = next(one.window for one in venue.listings() if one.window.slug == tape.name)
    path = venue.path_of(tape.name)
    times_ns = range(window.open_ns - before_ns, window.close_ns, STEP_NS)
    prices = [(at_ns, path.price_e8(at_ns)) for at_ns in times_ns]
    named = msgspec.structs.replace(tape, name=f"seed {seed}")
    return of_tape(named, path.winner, model_of(window, prices))


def scored(
    forecasts: Sequence[Forecast], score: Callable[[Forecast], float]
) -> tuple[float, float, float]:
    """The mean of a score and its interval: a bootstrap over windows."""
    windows: dict[str, list[float]] = {}
    for one in forecasts:
        windows.setdefault(one.window, []).append(score(one))

    def mean(chosen: Sequence[Sequence[float]]) -> float:
        return sum(map(sum, chosen)) / sum(map(len, chosen))

    return resampled(list(windows.values()), mean)


def table(forecasts: Iterable[Forecast]) -> str:
    """A row for each time, and one for all; forecasts that said nothing are left out of a row."""
    known = list(forecasts)
    with_model = any(one.model is not None for one in known)
    lines = ["| time | windows | mid |" + (" model | model − mid |" if with_model else "")]
    lines.append("|---|---:|---:|" + ("---:|---:|" if with_model else ""))
    rows = [(f"{share:.0%}", [o for o in known if o.at_share == share]) for share in AT_SHARES]
    for name, asked in [*rows, ("all", known)]:
        said = [o for o in asked if o.mid is not None and (o.model is not None or not with_model)]
        if not said:
            continue
        count = len({one.window for one in said})
        scores = [_mid_loss] + ([_model_loss, _difference] if with_model else [])
        cells = " | ".join(_shown(count, *scored(said, score)) for score in scores)
        lines.append(f"| {name} | {count} | {cells} |")
    return "\n".join(lines)


def _mid_loss(one: Forecast) -> float:
    assert one.mid is not None
    return one.loss(one.mid)


def _model_loss(one: Forecast) -> float:
    assert one.model is not None
    return one.loss(one.model)


def _difference(one: Forecast) -> float:
    return _model_loss(one) - _mid_loss(one)


def _shown(windows: int, mean: float, low: float, high: float) -> str:
    return f"{mean:.3f}" + (f" [{low:.3f}, {high:.3f}]" if windows >= LEAST_WINDOWS else "")


def _of_files(paths: Sequence[Path]) -> Iterator[Forecast]:
    for path in paths:
        yield from recorded(path)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; 2 for a file that cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m pmresearch.brier", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="RECORDING")
    parser.add_argument("--synthetic", type=int, metavar="N", help="windows of the light world")
    parser.add_argument("--before-s", type=int, default=60, help="prices heard before the opening")
    arguments = parser.parse_args(argv)
    if bool(arguments.files) is (arguments.synthetic is not None):
        parser.error("name recordings, or --synthetic N")
    try:
        if arguments.files:
            forecasts = list(_of_files(arguments.files))
        else:
            before_ns = arguments.before_s * NS_PER_S
            seeds = range(1, arguments.synthetic + 1)
            forecasts = [one for seed in seeds for one in synthetic(seed, before_ns)]
    except (MalformedInputError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{table(forecasts)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
