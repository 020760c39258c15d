"""Overrides of settings for one series: `PM_BID_SIZE__BTC_UPDOWN_5M` (docs/decisions/0024).

The form of the names is checked with the other names (`known_variables`); here is which series
they are for, and how a problem of such settings is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from pmcore.model.errors import MalformedInputError
from pmcore.model.market import SeriesSpec, parse_series
from pmcore.shell.settings.known_variables import SEPARATOR, override_of
from pmcore.shell.settings.problems import Problem

Values = Mapping[str, str]


def overrides_in(environ: Values) -> dict[str, dict[str, str]]:
    """Of an environment: by SERIES, the values by variable. Empty values count as unset."""
    found: dict[str, dict[str, str]] = {}
    for name in sorted(environ):
        override = override_of(name)
        if environ[name] and override is not None:
            variable, series = override
            found.setdefault(series, {})[variable] = environ[name]
    return found


def name_of_series(spec: SeriesSpec) -> str:
    """`btc-updown-5m` as it stands in a variable's name: `BTC_UPDOWN_5M`."""
    return spec.prefix.upper().replace("-", "_")


def traded_series(slugs: Sequence[str]) -> dict[str, str]:
    """By the form in names, the series of POLYMARKET_MARKET_SLUG."""
    specs = [parse_series(slug) for slug in slugs]
    return {name_of_series(spec): spec.series for spec in specs}


def any_series(names: Iterable[str]) -> dict[str, str]:
    """The series of these forms, whatever is traded; what names no series is left out."""
    found: dict[str, str] = {}
    for name in names:
        try:
            spec = parse_series(name.lower().replace("_", "-"))
        except MalformedInputError:
            continue
        if name_of_series(spec) == name:
            found[name] = spec.series
    return found


def problems_of_series(overrides: Mapping[str, Values], known: Mapping[str, str]) -> list[Problem]:
    """One for each override of a series that is none of `known`."""
    return [
        _not_known(f"{variable}{SEPARATOR}{series}", known)
        for series, values in overrides.items()
        if series not in known
        for variable in values
    ]


def _not_known(name: str, known: Mapping[str, str]) -> Problem:
    return Problem(
        variable=name,
        reason="it is for a series that is not traded here",
        remedy=f"unset it, or let its name end with one of: {', '.join(sorted(known)) or 'none'}",
    )


def told_for(problem: Problem, series: str, values: Values) -> Problem:
    """A problem of one series' settings, with the name that is to be corrected."""
    if problem.variable in values:
        name = f"{problem.variable}{SEPARATOR}{series}"
        return msgspec.structs.replace(problem, variable=name)
    return msgspec.structs.replace(problem, reason=f"for {series}: {problem.reason}")
