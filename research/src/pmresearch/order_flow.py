"""Does toxic flow hurt a maker more? Markouts of each trade's maker, by the state before it.

`python -m pmresearch.order_flow FILE... [--windows development|test|all] [--synthetic K --seed N]`
prints a Markdown table. Every trade filled a bid of someone: a taker who pushed Up filled bids for
Down. Its markout is what that bid was worth 10 s later, mid less price, in cents a share. The
state is that of the product's own machine just before the trade. Intervals are 95 % of 2,000
resamples of whole windows, none below five windows.
"""

from __future__ import annotations

import argparse
import random
import sys
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from pmcore.machines.ofi import OutcomeFlow, count_trade
from pmcore.machines.ofi_threshold import ThresholdSource, WarmStart
from pmcore.model.market import Outcome, parse_series
from pmcore.model.params import OfiMode, OfiParams
from pmcore.model.units import NS_PER_MS, NS_PER_S, PRICE_ONE_E4, SHARE_U6
from pmresearch.flow_tape import FlowReader, FlowTape, flow_tapes
from pmresearch.statistics import START_NS, kind_of
from pmresearch.tape import read_windows
from pmsim.crowd.world_params import FITTED
from pmsim.recordings.kept_back import is_test_window
from pmsim.run.synthetic import SyntheticParams, SyntheticVenue

HORIZON_NS = 10 * NS_PER_S
STALE_NS = 5 * NS_PER_S
TICK_NS = 100 * NS_PER_MS
RESAMPLES = 2_000
LEAST_WINDOWS = 5
_CENTS_E4 = 100

NET = OfiParams(mode=OfiMode.NET)
_ALONE = replace(NET, min_imbalance_bps=1, min_move_ticks=0)
FORMS = {
    "fixed 50": OfiParams(),
    "fixed 200": OfiParams(threshold_u6=200 * SHARE_U6),
    "adaptive": OfiParams(mode=OfiMode.ADAPTIVE),
    "net 2": replace(_ALONE, net_sigmas_bps=20_000),
    "net 3": _ALONE,
    "net 4": replace(_ALONE, net_sigmas_bps=40_000),
    "net 3, confirmed": NET,
}
"""Number: shares or deviations. The last and "adaptive" with the two confirmations."""


class Judged(msgspec.Struct):
    """One window under one form: cents of each fill by state, and the time that was toxic."""

    calm: list[float] = msgspec.field(default_factory=list)
    toxic: list[float] = msgspec.field(default_factory=list)
    toxic_ns: int = 0
    seen_ns: int = 0


class FlowVerdict(msgspec.Struct, frozen=True):
    """One form over all windows. `low` and `high` bound the difference; None: too few windows."""

    windows: int
    trades: int
    toxic_trades: float
    toxic_time: float
    calm_cents: float
    toxic_cents: float
    low: float | None
    high: float | None

    @property
    def difference(self) -> float:
        """Cents: below zero when toxic flow hurts more."""
        return self.toxic_cents - self.calm_cents


def judge(
    tape: FlowTape, params: OfiParams, warm: dict[Outcome, WarmStart] | None = None
) -> tuple[Judged, dict[Outcome, WarmStart]]:
    """Live through a window; return what was found and what the next window should know."""
    length_ns = tape.close_ns - tape.open_ns
    flows = {
        outcome: OutcomeFlow(params, ThresholdSource(params, length_ns, (warm or {}).get(outcome)))
        for outcome in Outcome
    }
    found, mid_at = Judged(), [at_ns for at_ns, _ in tape.mids]
    next_mid, now_ns = 0, tape.open_ns
    for taken in sorted(tape.taken, key=lambda one: one.at_ns):
        if not tape.open_ns <= taken.at_ns < tape.close_ns:
            continue
        while now_ns + TICK_NS <= taken.at_ns:
            now_ns += TICK_NS
            next_mid = _note_mids(tape, flows, next_mid, now_ns)
            _tick(tape, flows, found, now_ns)
        toxic = any(flow.toxic for flow in flows.values())
        worth2_e4 = _mid_at(tape, mid_at, taken.at_ns + HORIZON_NS)
        if worth2_e4 is not None:
            cents = taken.pushed * (2 * taken.price_e4 - worth2_e4) / 2 / _CENTS_E4
            (found.toxic if toxic else found.calm).append(cents)
        count_trade(
            flows, taken.outcome, taken.at_ns, taken.side, taken.size_u6, tick_e4=tape.tick_e4
        )
    return found, {outcome: flow.thresholds.warm_start() for outcome, flow in flows.items()}


def _tick(tape: FlowTape, flows: dict[Outcome, OutcomeFlow], found: Judged, now_ns: int) -> None:
    """A decision without a trade, as each 100 ms of the engine."""
    for flow in flows.values():
        flow.advance(now_ns, tick_e4=tape.tick_e4)
        flow.thresholds.sample(now_ns, now_ns - tape.open_ns, abs(flow.flow.score_u6))
    found.seen_ns += TICK_NS
    found.toxic_ns += TICK_NS * any(flow.toxic for flow in flows.values())


def _note_mids(
    tape: FlowTape, flows: dict[Outcome, OutcomeFlow], next_mid: int, now_ns: int
) -> int:
    while next_mid < len(tape.mids) and tape.mids[next_mid][0] <= now_ns:
        mid2_e4 = tape.mids[next_mid][1]
        if mid2_e4 is not None:
            flows[Outcome.UP].mids.note(now_ns, mid2_e4)
            flows[Outcome.DOWN].mids.note(now_ns, 2 * PRICE_ONE_E4 - mid2_e4)
        next_mid += 1
    return next_mid


def _mid_at(tape: FlowTape, mid_at: Sequence[int], at_ns: int) -> int | None:
    """Twice the mid that held at a time; None after the close or when it is not known."""
    index = bisect_right(mid_at, at_ns) - 1
    if index < 0 or at_ns >= tape.close_ns or at_ns - mid_at[index] > STALE_NS:
        return None
    return tape.mids[index][1]


def verdict(windows: Sequence[Judged]) -> FlowVerdict | None:
    """The figures of one form; None where no trade was of one of the two states."""
    calm = [cents for one in windows for cents in one.calm]
    toxic = [cents for one in windows for cents in one.toxic]
    if not calm or not toxic:
        return None
    dice, drawn = random.Random(0), []  # noqa: S311 - resampling
    for _ in range(RESAMPLES if len(windows) >= LEAST_WINDOWS else 0):
        chosen = dice.choices(windows, k=len(windows))
        counts = [sum(len(getattr(one, part)) for one in chosen) for part in ("calm", "toxic")]
        if all(counts):
            sums = [sum(sum(getattr(one, part)) for one in chosen) for part in ("calm", "toxic")]
            drawn.append(sums[1] / counts[1] - sums[0] / counts[0])
    drawn.sort()
    return FlowVerdict(
        windows=len(windows),
        trades=len(calm) + len(toxic),
        toxic_trades=len(toxic) / (len(calm) + len(toxic)),
        toxic_time=sum(one.toxic_ns for one in windows) / sum(one.seen_ns for one in windows),
        calm_cents=sum(calm) / len(calm),
        toxic_cents=sum(toxic) / len(toxic),
        low=drawn[int(0.025 * (len(drawn) - 1))] if drawn else None,
        high=drawn[int(0.975 * (len(drawn) - 1))] if drawn else None,
    )


def table(sources: dict[str, list[FlowTape]]) -> str:
    """One row for each source and form."""
    lines = [
        "| source (windows) | form | trades | toxic, trades | toxic, time | calm, ¢ | toxic, ¢ "
        "| difference, ¢ |",
        "|---|---|---:|---:|---:|---:|---:|---|",
    ]
    for name, tapes in sources.items():
        for form, params in FORMS.items():
            judged, warm = [], None
            for tape in tapes:
                one, warm = judge(tape, params, warm)
                judged.append(one)
            lines.append(_row(f"{name} ({len(tapes)})", form, verdict(judged)))
    return "\n".join(lines)


def _row(source: str, form: str, told: FlowVerdict | None) -> str:
    if told is None:
        return f"| {source} | {form} | - | - | - | - | - | - |"
    interval = "" if told.low is None else f" [{told.low:+.2f}, {told.high:+.2f}]"
    return (
        f"| {source} | {form} | {told.trades} | {told.toxic_trades:.0%} | {told.toxic_time:.0%} "
        f"| {told.calm_cents:+.2f} | {told.toxic_cents:+.2f} | {told.difference:+.2f}{interval} |"
    )


def synthetic_flow(series: str, seed: int, windows: int) -> list[FlowTape]:
    """The first whole windows of our fitted world."""
    params = SyntheticParams(
        series=(parse_series(series),), seed=seed, start_ns=START_NS, world=FITTED
    )
    readers = read_windows(SyntheticVenue(params), windows, FlowReader)
    return [reader.tape for reader in readers]


def chosen(tapes: Iterable[FlowTape], windows: str) -> list[FlowTape]:
    """Those of the set: the windows that `pm sweep` keeps back are the test ones."""
    kept = {"development": (False,), "test": (True,), "all": (False, True)}[windows]
    return [tape for tape in tapes if is_test_window(tape.slug) in kept]


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m pmresearch.order_flow", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--windows", choices=("development", "test", "all"), default="development")
    parser.add_argument(
        "--synthetic", type=int, default=0, metavar="K", help="windows of our world"
    )
    parser.add_argument("--series", default="btc-updown-5m", help="of the synthetic world")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(argv)
    if not arguments.files and not arguments.synthetic:
        parser.error("name a recording, or --synthetic")
    sources: dict[str, list[FlowTape]] = {}
    for path in sorted(arguments.files):
        sources.setdefault(kind_of(path), []).extend(chosen(flow_tapes(path), arguments.windows))
    if arguments.synthetic:
        sources[f"synthetic {arguments.series}"] = synthetic_flow(
            arguments.series, arguments.seed, arguments.synthetic
        )
    sys.stdout.write(table({name: tapes for name, tapes in sources.items() if tapes}) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
