"""What the rules on the underlying's price are worth in the simulator, by latency.

`python -m pmresearch.underlying_rule RESULTS.jsonl [--seeds N] [--from N]` plays each window of the
light world for each pair of latencies, ours and the takers', without a rule, and twice for each
rule: with it; and with it, but told the prices of another, independent window (the control: it
stays away too, and knows nothing). A line is added for each window played; windows that are there
are not played again. Then it prints the tables of docs/economics.md. What is assumed stands there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from random import Random
from typing import TypeVar

import msgspec

from pmcore.model.market import parse_series
from pmcore.model.params import FairValueParams, LimitParams, OfiMode, OfiParams, StrategyParams
from pmcore.model.params import UnderlyingMoveParams as MoveParams
from pmcore.model.units import NS_PER_MS, NS_PER_S
from pmresearch.engine_in_world import EngineInWorld, Prices, WindowEarnings
from pmsim.crowd.world_params import LIGHT, WorldParams
from pmsim.run.synthetic import SyntheticParams, SyntheticVenue

START_NS = 1_790_766_900 * NS_PER_S
SERIES = "btc-updown-5m"
ELSEWHERE = 1_000_000
"""What is added to a seed for the window whose prices the control is told."""
OFF = StrategyParams(
    bid_size_u6=5_000_000,
    limits=LimitParams(max_position_value_u6=10**12),
    ofi=OfiParams(mode=OfiMode.OFF),
)
"""Bids of 5 shares, wide limits, no other rule."""
RULES = {
    "move": MoveParams(move_ppm=50, span_ns=1_000 * NS_PER_MS, pause_ns=1_000 * NS_PER_MS),
    "fair value": FairValueParams(margin_e4=0),
}
"""The first was chosen on windows 1001 to 1008, which are not among those that are counted.

The second has the margin that says no more than its name; no other was tried.
"""
LOOKS_PER_MIN = 600.0
"""So many looks that an informed taker sees nearly every step of the price, as fast traders do."""
CONTROL = " control"
ARMS = ("off", *(rule + kind for rule in RULES for kind in ("", CONTROL)))
CELLS = ((20, 200), (400, 200))
"""(ours, the takers') in milliseconds."""
RESAMPLES = 2_000
Item = TypeVar("Item")


class Played(msgspec.Struct, frozen=True):
    """One window of one arm."""

    seed: int
    ours_ms: int
    takers_ms: int
    arm: str
    result: WindowEarnings

    @property
    def key(self) -> tuple[int, int, int, str]:
        """What is played once."""
        return (self.seed, self.ours_ms, self.takers_ms, self.arm)


def world_of(seed: int, takers_ms: int) -> SyntheticVenue:
    """A light world in which informed takers know the present and act so much later."""
    crowd = msgspec.structs.replace(
        LIGHT.crowd, informed_latency_ms=takers_ms, informed_per_min=LOOKS_PER_MIN
    )
    return SyntheticVenue(
        SyntheticParams(
            series=(parse_series(SERIES),),
            seed=seed,
            start_ns=START_NS,
            world=WorldParams(crowd=crowd),
        )
    )


def params_of(rule: str) -> StrategyParams:
    """The engine's parameters with a rule of `RULES`, or with none ("off")."""
    match RULES.get(rule):
        case MoveParams() as move:
            return msgspec.structs.replace(OFF, underlying=move)
        case FairValueParams() as fair_value:
            return msgspec.structs.replace(OFF, fair_value=fair_value)
        case _:
            return OFF


def play(seed: int, ours_ms: int, takers_ms: int, arm: str) -> Played:
    """Play one window."""
    venue, rule = world_of(seed, takers_ms), arm.removesuffix(CONTROL)
    prices: Prices | None = None
    if rule in RULES:
        told = venue if arm == rule else world_of(seed + ELSEWHERE, takers_ms)
        prices = told.path_of(told.listings()[0].window.slug).price_e8
    engine = EngineInWorld(venue, params_of(rule), latency_ms=ours_ms, prices=prices)
    return Played(seed, ours_ms, takers_ms, arm, engine.run())


def paired(
    played: Iterable[Played], cell: tuple[int, int], one: str, other: str
) -> list[tuple[WindowEarnings, WindowEarnings]]:
    """Windows of a cell that both arms have, by seed."""
    by_arm: dict[str, dict[int, WindowEarnings]] = {one: {}, other: {}}
    for each in played:
        if (each.ours_ms, each.takers_ms) == cell and each.arm in by_arm:
            by_arm[each.arm][each.seed] = each.result
    seeds = sorted(by_arm[one].keys() & by_arm[other].keys())
    return [(by_arm[one][seed], by_arm[other][seed]) for seed in seeds]


def cents(results: Sequence[WindowEarnings]) -> float:
    """Cents a share at the marks of 5 s; 0 without a marked share."""
    shares = sum(one.marked_shares for one in results)
    return sum(one.marked_cents for one in results) / shares if shares else 0.0


def dollars(results: Sequence[WindowEarnings]) -> float:
    """Mean profit of a window."""
    return sum(one.profit for one in results) / len(results)


def resampled(
    windows: Sequence[Item], figure: Callable[[Sequence[Item]], float]
) -> tuple[float, float, float]:
    """A figure of some windows, and its 95 % interval: a bootstrap of whole windows."""
    rng = Random(1)  # noqa: S311 - repeatable on purpose
    drawn = sorted(figure(rng.choices(windows, k=len(windows))) for _ in range(RESAMPLES))
    low, high = (drawn[round(share * (RESAMPLES - 1))] for share in (0.025, 0.975))
    return figure(windows), low, high


def interval(
    pairs: Sequence[tuple[WindowEarnings, WindowEarnings]],
    figure: Callable[[Sequence[WindowEarnings]], float],
) -> tuple[float, float, float]:
    """First less second, and its interval; both arms of a window are drawn at once."""

    def difference(chosen: Sequence[tuple[WindowEarnings, WindowEarnings]]) -> float:
        return figure([one for one, _ in chosen]) - figure([other for _, other in chosen])

    return resampled(pairs, difference)


def table(played: Sequence[Played], rule: str) -> str:
    """A row for each cell that has windows: levels by arm, and the paired differences."""
    lines = [
        "| ours, ms | takers', ms | windows | shares a window, off / rule / control "
        "| cents a share at 5 s, off / rule / control | rule − off | rule − control "
        "| dollars a window, rule − off | rule − control |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for cell in CELLS:
        off, control = (paired(played, cell, rule, arm) for arm in ("off", rule + CONTROL))
        if not off or not control:
            continue
        arms = ([o for _, o in off], [r for r, _ in off], [c for _, c in control])
        shares = " / ".join(f"{sum(r.shares for r in arm) / len(arm):.0f}" for arm in arms)
        level = " / ".join(f"{cents(arm):+.2f}" for arm in arms)
        parts = [interval(pairs, f) for f in (cents, dollars) for pairs in (off, control)]
        cells = " | ".join(f"{mid:+.2f} [{low:+.2f}, {high:+.2f}]" for mid, low, high in parts)
        lines.append(f"| {cell[0]} | {cell[1]} | {len(off)} | {shares} | {level} | {cells} |")
    return "\n".join(lines)


def slope(played: Sequence[Played], rule: str, fast_ms: int, slow_ms: int, takers_ms: int) -> str:
    """What a millisecond is worth with a rule: the same windows at two latencies of ours."""
    by_seed = [
        {p.seed: p.result for p in played if p.key[1:] == (ours_ms, takers_ms, rule)}
        for ours_ms in (fast_ms, slow_ms)
    ]
    seeds = sorted(by_seed[0].keys() & by_seed[1].keys())
    if not seeds:
        return ""
    pairs = [(by_seed[0][seed], by_seed[1][seed]) for seed in seeds]
    parts = []
    for name, figure in (("cents a share", cents), ("dollars a window", dollars)):
        mid, low, high = (each / (slow_ms - fast_ms) for each in interval(pairs, figure))
        parts.append(f"{1_000 * mid:+.2f} [{1_000 * low:+.2f}, {1_000 * high:+.2f}] {name}")
    return f"{fast_ms} against {slow_ms} ms, {len(seeds)} windows, for 1,000 ms: {', '.join(parts)}"


def main(argv: Sequence[str] | None = None) -> int:
    """Play what is missing, then print."""
    parser = argparse.ArgumentParser(
        prog="python -m pmresearch.underlying_rule", description=__doc__
    )
    parser.add_argument("results", type=Path, metavar="RESULTS.jsonl")
    parser.add_argument("--seeds", type=int, default=0, help="windows of each cell; 0: only print")
    parser.add_argument("--from", type=int, default=1, dest="first", help="the first one's seed")
    arguments = parser.parse_args(argv)
    path: Path = arguments.results
    lines = path.read_bytes().splitlines() if path.exists() else []
    played = [msgspec.json.decode(line, type=Played) for line in lines]
    done = {each.key for each in played}
    with path.open("ab") as file:
        for seed in range(arguments.first, arguments.first + arguments.seeds):
            for ours_ms, takers_ms in CELLS:
                for arm in ARMS:
                    if (seed, ours_ms, takers_ms, arm) not in done:
                        played.append(play(seed, ours_ms, takers_ms, arm))
                        file.write(msgspec.json.encode(played[-1]) + b"\n")
                        file.flush()
    for rule in RULES:
        sys.stdout.write(f"{rule}\n\n{table(played, rule)}\n\n")
        sys.stdout.write(f"{slope(played, rule, 20, 400, 200)}\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
