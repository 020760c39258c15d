"""`pm simulator`: the simulated venue alone, for any client of Polymarket. No Redis is needed."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping

from pmcore.model.errors import MalformedInputError
from pmcore.model.market import parse_series
from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import Clock
from pmcore.shell.settings.common import CommonSettings
from pmtools.errors import UsageError
from pmtools.run.options import look_into
from pmtools.run.plan import with_window
from pmtools.service_settings import become_alone, without_secrets

DEFAULT_SERIES = ",".join(CommonSettings.model_fields["market_slugs"].default)
_LEAD_NS = 2 * NS_PER_S


def command(arguments: argparse.Namespace) -> int:
    """Become the simulator's process; returns only when that is refused."""
    become_alone("simulator", simulator_environment(arguments, os.environ))


def simulator_environment(
    arguments: argparse.Namespace, environ: Mapping[str, str]
) -> dict[str, str]:
    """What the simulator reads; raise `UsageError` for arguments that do not go together."""
    variables = {"PYTHONUNBUFFERED": "1"}
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
        variables["POLYMARKET_MARKET_SLUG"] = _series(arguments, environ)
        if arguments.speed is not None:
            begins_ns = Clock.from_spec("").now_ns()
            variables["PM_CLOCK"] = Clock.starting_at(begins_ns, arguments.speed).spec()
        if arguments.seed is not None:
            variables["PM_SIM_SEED"] = str(arguments.seed)
    for name, value in (
        ("PM_SIM_HOST", arguments.host),
        ("PM_SIM_PORT", arguments.port),
        ("PM_SIM_FAULTS", arguments.faults),
        ("PM_SIM_PROTOCOL", arguments.protocol),
        ("PM_SIM_WORLD", arguments.world),
    ):
        if value is not None:
            variables[name] = str(value)
    return {**without_secrets(environ), **variables}


def _series(arguments: argparse.Namespace, environ: Mapping[str, str]) -> str:
    """--series, else POLYMARKET_MARKET_SLUG, else the services' own default: so they agree."""
    source = "--series" if arguments.series else "POLYMARKET_MARKET_SLUG"
    series: str = arguments.series or environ.get("POLYMARKET_MARKET_SLUG") or DEFAULT_SERIES
    for text in series.split(","):
        try:
            fixed = parse_series(text.strip()).fixed_slug is not None
        except MalformedInputError as error:
            raise UsageError(f"{source} {text[:80]!r}: no market such as btc-updown-15m") from error
        if fixed:
            raise UsageError(f"{source} {text}: a simulated series rotates; name a prefix")
    return series if arguments.window is None else with_window(series, arguments.window)
