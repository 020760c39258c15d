"""The settings of every service, looked at as each would at its start, before any is started.

The classes belong to the services, which this library does not import (and an image holds one of
them only), so they are found by name where they are installed.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Mapping
from typing import NoReturn

from pydantic_settings import BaseSettings

from pmcore.shell.settings.common import check_settings
from pmcore.shell.settings.problems import Problem
from pmtools.errors import CommandError, UsageError

_CLASSES = {
    "feed": ("pmfeed.settings", "FeedSettings"),
    "strategy": ("pmcore.shell.settings.strategy", "StrategySettings"),
    "executor": ("pmexecutor.settings", "ExecutorSettings"),
    "userws": ("pmuserws.settings", "UserwsSettings"),
    "simulator": ("pmsimulator.settings", "SimulatorSettings"),
    "console": ("pmconsole.settings", "ConsoleSettings"),
}
SERVICES = tuple(_CLASSES)
_SECRETS = ("POLYMARKET_PRIVATE_KEY", "POLYMARKET_API_SECRET", "POLYMARKET_API_PASSPHRASE")


def settings_class(service: str) -> type[BaseSettings] | None:
    """The class that a service reads its environment into; None where it is not installed."""
    module, name = _CLASSES[service]
    try:
        if importlib.util.find_spec(module) is None:
            return None
    except ModuleNotFoundError:  # of the package itself
        return None
    found: type[BaseSettings] = getattr(importlib.import_module(module), name)
    return found


def not_installed() -> list[str]:
    """The services whose settings cannot be looked at here."""
    return [service for service in SERVICES if settings_class(service) is None]


def become_alone(service: str, environment: Mapping[str, str]) -> NoReturn:
    """Replace this process by a service's that needs no other; return only by an error."""
    if service in not_installed():
        raise CommandError(f"the {service} is not installed here; `make setup` installs it")
    if problems := problems_of_services({service: environment}):
        raise UsageError(*map(str, problems))
    argv = [sys.executable, "-m", f"pm{service}", "alone"]
    os.execve(argv[0], argv, environment)  # noqa: S606 - no shell is wanted


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """What a process that signs nothing may inherit."""
    return {name: value for name, value in environ.items() if name not in _SECRETS}


def problems_of_services(environs: Mapping[str, Mapping[str, str]]) -> list[Problem]:
    """Every problem of every service, each once; `environs` maps a service to what it is given."""
    found: dict[Problem, None] = {}
    for service, environ in environs.items():
        cls = settings_class(service)
        if cls is not None:
            found |= dict.fromkeys(check_settings(cls, environ)[1])
    return list(found)
