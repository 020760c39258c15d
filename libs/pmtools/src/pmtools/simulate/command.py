"""`pm simulate`: one seed for a person to look at, or many to find one that breaks a law."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from pmcore.shell.clock import monotonic_s
from pmtools.errors import UsageError
from pmtools.simulate.faults import KINDS, Fault, draw_schedule
from pmtools.simulate.shrink import shrink
from pmtools.simulate.sweep import sweep
from pmtools.simulate.trial import Trial, try_seed

LAST_LINES = 40


def chosen_kinds(names: str) -> list[str]:
    """`all`, `none`, or names with commas between."""
    if names in ("all", "none"):
        return list(KINDS) if names == "all" else []
    kinds = names.split(",")
    if unknown := [name for name in kinds if name not in KINDS]:
        raise UsageError(f"--faults: {unknown[0]} is not one of {', '.join(KINDS)}")
    return kinds


def read_schedule(path: Path) -> list[Fault]:
    """A schedule that `pm simulate` wrote."""
    try:
        schedule = msgspec.json.decode(path.read_bytes(), type=list[Fault])
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(f"--schedule: {path}: {error}") from None
    if unknown := [fault.kind for fault in schedule if fault.kind not in KINDS]:
        raise UsageError(f"--schedule: {path}: {unknown[0]} is no kind of fault")
    return schedule


def run_one(seed: int, schedule: Sequence[Fault], *, seconds: float, lines: int) -> int:
    """Run one world and tell what happened; 1 when a law was broken."""
    begun_s = monotonic_s()
    trial = try_seed(seed, schedule, seconds=seconds)
    took_s = monotonic_s() - begun_s
    for line in trial.lines[-lines:] if lines else ():
        print(line)
    print(f"seed {seed}: {trial.seconds:.0f} s of the world in {took_s:.1f} s")
    print(f"orders {trial.orders}, trades {trial.fills}, fingerprint {trial.fingerprint[:16]}")
    for fault in schedule:
        print(f"fault  {fault} ({KINDS[fault.kind].says})")
    if not trial.problems:
        print("every law held")
        return 0
    _tell(trial, seconds)
    return 1


def _tell(trial: Trial, seconds: float) -> None:
    for problem in trial.problems:
        print(f"BROKEN {problem}")
    law = trial.problems[0].law

    def still_fails(schedule: Sequence[Fault]) -> bool:
        again = try_seed(trial.seed, schedule, seconds=seconds)
        return any(breach.law == law for breach in again.problems)

    short = shrink(trial.schedule, still_fails)
    path = Path(f"simulate-{trial.seed}.json")
    path.write_bytes(msgspec.json.format(msgspec.json.encode(short)))
    print(f"the fewest faults that break '{law}':")
    for fault in short:
        print(f"       {fault}")
    print(
        f"again, with the last events of every service:\n  pm simulate --seed {trial.seed} "
        f"--schedule {path} --seconds {seconds:g} --lines {LAST_LINES}"
    )


def run_many(
    seeds: Sequence[int], kinds: Sequence[str], *, jobs: int, seconds: float, found: Path | None
) -> int:
    """Sweep; print each seed that breaks a law; 1 when there is one."""
    begun_s = monotonic_s()
    broken = done = orders = fills = 0
    for trial in sweep(seeds, kinds, jobs=jobs, seconds=seconds):
        done += 1
        orders, fills = orders + trial.orders, fills + trial.fills
        if trial.problems:
            broken += 1
            print(f"seed {trial.seed}: {trial.problems[0]}", flush=True)
            if found is not None:
                with found.open("ab") as file:
                    file.write(_as_line(trial))
        if sys.stderr.isatty():
            print(f"\r{done} of {len(seeds)}, {broken} broken", end="", file=sys.stderr)
    took_s = monotonic_s() - begun_s
    print(f"{done} seeds, {orders} orders, {fills} trades, {took_s:.0f} s: {broken} broke a law")
    return 1 if broken else 0


def _as_line(trial: Trial) -> bytes:
    row = {"seed": trial.seed, "problems": trial.problems, "schedule": trial.schedule}
    return msgspec.json.encode(row) + b"\n"


def command(arguments: argparse.Namespace) -> int:
    """`pm simulate`; raise `UsageError` for what cannot be done."""
    kinds, seconds = chosen_kinds(arguments.faults), float(arguments.seconds)
    if arguments.seeds is not None:
        first, _, last = arguments.seeds.partition("..")
        if not (first.isdigit() and last.isdigit() and int(first) <= int(last)):
            raise UsageError(f"--seeds {arguments.seeds}: expected FIRST..LAST, such as 1..200")
        return run_many(
            range(int(first), int(last) + 1),
            kinds,
            jobs=arguments.jobs,
            seconds=seconds,
            found=arguments.found,
        )
    schedule = (
        read_schedule(arguments.schedule)
        if arguments.schedule
        else draw_schedule(arguments.seed, kinds, seconds)
    )
    return run_one(arguments.seed, schedule, seconds=seconds, lines=arguments.lines)
