"""`pm bench`: run the measurements and print them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from importlib.util import find_spec

import msgspec

from pmtools.bench.figures import Measured, table
from pmtools.errors import EXIT_OK, UsageError


class Report(msgspec.Struct, frozen=True):
    """What `--json` prints."""

    cores: int
    load_before: float
    figures: list[Measured]


def command(arguments: argparse.Namespace) -> int:
    """See `pm bench --help`."""
    if find_spec("pmexecutor") is None:
        raise UsageError("it measures the executor, which is not installed")
    load = round(os.getloadavg()[0], 2)
    rounds, samples = arguments.rounds, arguments.samples
    wanted = arguments.only or list(measurements())
    figures = [one for name in wanted for one in measurements()[name](rounds, samples)]
    report = Report(os.cpu_count() or 1, load, figures)
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        print(f"{report.cores} cores, load {report.load_before:g} before the start")
        print(table(figures))
    return EXIT_OK


def measurements() -> dict[str, Callable[[int, int], list[Measured]]]:
    """By name, in the order in which they run."""
    from pmtools.bench import post_call, signing, tick_to_wire

    return {
        "post": post_call.measure,
        "signed-post": post_call.measure_signed,
        "signing": signing.measure,
        "tick-to-wire": tick_to_wire.measure,
    }
