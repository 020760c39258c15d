"""The settings that a sweep compares: a TOML file of strategy variables.

`[base]` holds for all cells and is a cell itself. `[vary]` names lists; every combination is a
cell. `[cells.NAME]` is one cell of any variables. PM_PRESET is one too: it fills what the cell and
the base leave unset. The environment is not read: the file says all.
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from pmcore.model.params import SeriesParams
from pmcore.shell.settings.common import check_settings
from pmcore.shell.settings.known_variables import STRATEGY, override_of
from pmcore.shell.settings.paper_defaults import paper_defaults
from pmcore.shell.settings.presets import VARIABLE as PRESET
from pmcore.shell.settings.strategy import StrategySettings
from pmtools.errors import UsageError
from pmtools.presets import with_preset

BASE = "base"
MAX_CELLS = 10_000
_TABLES = ("base", "vary", "cells")


class Cell(msgspec.Struct, frozen=True):
    """One set of parameters and what a person calls it."""

    name: str
    params: SeriesParams
    varied: dict[str, str] = {}
    """The values of `[vary]` by variable; empty for the base and for `[cells.NAME]`."""


def read_grid(path: Path) -> list[Cell]:
    """All cells, the base first. Raise `UsageError` for a file or a value that cannot be used."""
    try:
        table = tomllib.loads(path.read_text())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML: {error}") from error
    if unknown := sorted(set(table) - set(_TABLES)):
        raise UsageError(f"{path}: [{unknown[0]}] is not known: use [base], [vary], [cells.NAME]")
    base = _variables(path, BASE, table.get("base", {}))
    cells, varied = {BASE: base}, {}
    vary = table.get("vary", {})
    for name, values in vary.items():
        if not isinstance(values, list) or not values:
            raise UsageError(f"{path}: [vary] {name} must be a list of values")
    count = len(table.get("cells", {}))
    if vary:
        combinations = 1
        for values in vary.values():
            combinations *= len(values)
        count += combinations
    if count >= MAX_CELLS:
        raise UsageError(f"{path}: {count + 1} cells are too many: at most {MAX_CELLS}")
    for chosen in itertools.product(*vary.values()) if vary else ():
        changed = dict(zip(vary, chosen, strict=True))
        name = " ".join(f"{key}={value}" for key, value in changed.items())
        varied[name] = _variables(path, name, changed)
        cells[name] = {**base, **varied[name]}
    for name, changed in table.get("cells", {}).items():
        if name in cells:
            raise UsageError(f"{path}: two cells are called {name}")
        cells[name] = {**base, **_variables(path, name, changed)}
    return [
        Cell(name, _params(path, name, variables), varied.get(name, {}))
        for name, variables in cells.items()
    ]


def params_of(path: Path, cell: str, table: Mapping[str, Any]) -> SeriesParams:
    """The parameters of one table of variables. Raise `UsageError` for what cannot be used."""
    return _params(path, cell, _variables(path, cell, table))


def _variables(path: Path, cell: str, table: Any) -> dict[str, str]:
    if not isinstance(table, Mapping):
        raise UsageError(f"{path}: {cell} must be a table of variables")
    for name in table:
        if name not in STRATEGY and name != PRESET and override_of(name) is None:
            raise UsageError(f"{path}: {cell}: {name} is not a variable of the strategy")
    return {name: _as_text(value) for name, value in table.items()}


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _params(path: Path, cell: str, variables: Mapping[str, str]) -> SeriesParams:
    variables = with_preset(variables).environ
    given = {**variables, **paper_defaults(variables)}
    settings, problems = check_settings(StrategySettings, given, series_of_recordings=True)
    if settings is None or problems:
        raise UsageError(*(f"{path}: {cell}: {problem}" for problem in problems))
    return settings.series_params()
