"""`pm simulator`: the simulated venue alone, for any client of Polymarket. No Redis is needed."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping

from pmcore.model.market import parse_series
from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import Clock
from pmcore.tools.errors import UsageError
from pmcore.tools.run_options import look_into
from pmcore.tools.run_plan import with_window

DEFAULT_SERIES = "btc-updown-5m"
_LEAD_NS = 2 * NS_PER_S
_HIDDEN = ("POLYMARKET_PRIVATE_KEY", "POLYMARKET_API_SECRET", "POLYMARKET_API_PASSPHRASE")


def command(arguments: argparse.Namespace) -> int:
    """Become the simulator's process; returns only when that is refused."""
    environment = simulator_environment(arguments, os.environ)
    argv = [sys.executable, "-m", "pmsimulator", "alone"]
    os.execve(argv[0], argv, environment)  # noqa: S606 - no shell is wanted


def simulator_environment(
    arguments: argparse.Namespace, environ: Mapping[str, str]
) -> dict[str, str]:
    """What the simulator reads; raise `UsageError` for arguments that do not go together."""
    variables = {
        "PM_SIM_HOST": arguments.host,
        "PM_SIM_PORT": str(arguments.port),
        "PYTHONUNBUFFERED": "1",
    }
    if arguments.recording is not None:
        for name in ("window", "seed", "series", "world"):
            if getattr(arguments, name) is not None:
                raise UsageError(f"--{name} does not go with --recording, which brings its own")
        market, begins_ns = look_into(arguments.recording)
        speed = arguments.speed or 1.0
        variables |= {
            "PM_SIM_RECORDING": str(arguments.recording.resolve()),
            "POLYMARKET_MARKET_SLUG": market,
            "PM_CLOCK": Clock.starting_at(begins_ns - _LEAD_NS, speed).spec(),
        }
    else:
        variables["POLYMARKET_MARKET_SLUG"] = _series(arguments)
        if arguments.speed is not None:
            begins_ns = Clock.from_spec("").now_ns()
            variables["PM_CLOCK"] = Clock.starting_at(begins_ns, arguments.speed).spec()
        if arguments.seed is not None:
            variables["PM_SIM_SEED"] = str(arguments.seed)
    for name, value in (
        ("PM_SIM_FAULTS", arguments.faults),
        ("PM_SIM_PROTOCOL", arguments.protocol),
        ("PM_SIM_WORLD", arguments.world),
    ):
        if value is not None:
            variables[name] = value
    inherited = {name: value for name, value in environ.items() if name not in _HIDDEN}
    return {**inherited, **variables}


def _series(arguments: argparse.Namespace) -> str:
    series: str = arguments.series or DEFAULT_SERIES
    for text in series.split(","):
        if parse_series(text).fixed_slug is not None:
            raise UsageError(f"--series {text}: a simulated series rotates; name a prefix")
    return series if arguments.window is None else with_window(series, arguments.window)
