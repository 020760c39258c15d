"""`pm record`: the feed alone, without Redis, keys and orders, writes down what the venue says."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping

from pmtools.errors import CommandError, UsageError
from pmtools.service_settings import not_installed, problems_of_services

_HIDDEN = ("POLYMARKET_PRIVATE_KEY", "POLYMARKET_API_SECRET", "POLYMARKET_API_PASSPHRASE")


def command(arguments: argparse.Namespace) -> int:
    """Become the feed's process; returns only when that is refused."""
    environment = recording_environment(arguments, os.environ)
    if "feed" in not_installed():
        raise CommandError("the feed is not installed here; `make setup` installs it")
    if problems := problems_of_services({"feed": environment}):
        raise UsageError(*map(str, problems))
    argv = [sys.executable, "-m", "pmfeed", "alone"]
    os.execve(argv[0], argv, environment)  # noqa: S606 - no shell is wanted


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
    inherited = {name: value for name, value in environ.items() if name not in _HIDDEN}
    return {**inherited, **variables}
