"""The settings classes of the services, and the variables they read."""

from __future__ import annotations

import importlib

from pydantic_settings import BaseSettings

from pmcore.shell.settings.common import ServedSettings, variables
from support.tree import ROOT, SERVICES

SHARED = "pmcore.shell.settings.strategy"


def settings_of(service: str) -> type[BaseSettings]:
    """The class that a service reads its environment into."""
    own = ROOT / f"services/{service}/src/pm{service}/settings.py"
    module = importlib.import_module(f"pm{service}.settings" if own.exists() else SHARED)
    classes = [
        thing
        for thing in vars(module).values()
        if isinstance(thing, type)
        and issubclass(thing, ServedSettings)
        and thing.__module__ == module.__name__
    ]
    (found,) = classes
    return found


def variables_of(service: str) -> set[str]:
    """The environment variables that a service reads."""
    return set(variables(settings_of(service)))


def all_variables() -> set[str]:
    """The environment variables that any service reads."""
    return {name for service in SERVICES for name in variables_of(service)}
