"""`pm bench`: run the measurements and print them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

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
    known = measurements(arguments.file)
    figures = [one for name in arguments.only or known for one in known[name](rounds, samples)]
    report = Report(os.cpu_count() or 1, load, figures)
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        print(f"{report.cores} cores, load {report.load_before:g} before the start")
        print(table(figures))
    return EXIT_OK


def measurements(file: Path | None) -> dict[str, Callable[[int, int], list[Measured]]]:
    """By name, in the order in which they run; `file`: the recording of those that read one."""
    from pmtools.bench import (
        bus_hop,
        console_cost,
        control_port,
        feed_process,
        feed_series,
        frame_costs,
        post_call,
        replay_cost,
        scale,
        signing,
        tick_to_wire,
    )

    return {
        "post": post_call.measure,
        "signed-post": post_call.measure_signed,
        "signing": signing.measure,
        "feed": partial(frame_costs.measure_feed, file),
        "feed-process": feed_process.measure,
        "feed-series": feed_series.measure,
        "engine": partial(frame_costs.measure_engine, file),
        "replay": partial(replay_cost.measure, file),
        "bus": bus_hop.measure,
        "control": control_port.measure_control,
        "kill": control_port.measure_kill,
        "tick-to-wire": tick_to_wire.measure,
        "console": console_cost.measure,
        "scale": scale.measure,
    }
