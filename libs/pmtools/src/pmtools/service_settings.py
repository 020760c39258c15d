"""The settings of every service, looked at as each would at its start, before any is started.

The classes belong to the services, which this library does not import (and an image holds one of
them only), so they are found by name where they are installed.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping

from pydantic_settings import BaseSettings

from pmcore.shell.settings.common import check_settings
from pmcore.shell.settings.problems import Problem

_CLASSES = {
    "feed": ("pmfeed.settings", "FeedSettings"),
    "strategy": ("pmcore.shell.settings.strategy", "StrategySettings"),
    "executor": ("pmexecutor.settings", "ExecutorSettings"),
    "userws": ("pmuserws.settings", "UserwsSettings"),
    "simulator": ("pmsimulator.settings", "SimulatorSettings"),
    "console": ("pmconsole.settings", "ConsoleSettings"),
}
SERVICES = tuple(_CLASSES)


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


def problems_of_services(environs: Mapping[str, Mapping[str, str]]) -> list[Problem]:
    """Every problem of every service, each once; `environs` maps a service to what it is given."""
    found: dict[Problem, None] = {}
    for service, environ in environs.items():
        cls = settings_class(service)
        if cls is not None:
            found |= dict.fromkeys(check_settings(cls, environ)[1])
    return list(found)
