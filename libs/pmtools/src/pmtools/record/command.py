"""`pm record`: the feed alone, without Redis, keys and orders, writes down what the venue says."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping

from pmtools.service_settings import become_alone, without_secrets


def command(arguments: argparse.Namespace) -> int:
    """Become the feed's process; returns only when that is refused."""
    become_alone("feed", recording_environment(arguments, os.environ))


def recording_environment(
    arguments: argparse.Namespace, environ: Mapping[str, str]
) -> dict[str, str]:
    """What the feed reads: the environment without secrets, and what was asked for."""
    variables = {"PYTHONUNBUFFERED": "1", "PM_RECORD": "true"}
    for name, value in (
        ("PM_VENUE", arguments.venue),
        ("POLYMARKET_MARKET_SLUG", arguments.market),
        ("PM_DATA_DIR", arguments.out),
        ("PM_RECORD_MAX_GB", arguments.max_gb),
    ):
        if value is not None:
            variables[name] = str(value)
    return {**without_secrets(environ), **variables}
