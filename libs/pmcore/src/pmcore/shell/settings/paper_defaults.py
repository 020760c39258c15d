"""Values for unset variables, where no money is at risk; `.env.example` shows them.

The strategy's own defaults are the user's; with PM_BID_SIZE=2 the engine rightly refuses to quote
on markets whose minimum is 5, so a first run would show nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

_VALUES = {"PM_BID_SIZE": "5", "PM_OFI_MODE": "adaptive"}


def paper_defaults(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that are unset, with the value to use; never for live trading."""
    return {name: value for name, value in _VALUES.items() if not environ.get(name)}


def as_sentence(defaults: Mapping[str, str]) -> str:
    """What to tell the user."""
    return "unset, so here: " + ", ".join(f"{name}={value}" for name, value in defaults.items())
