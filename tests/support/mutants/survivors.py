"""The list of mutants that may survive, each with its reason."""

from __future__ import annotations

import tomllib
from pathlib import Path

from support.mutants.scope import SURVIVORS


def load(path: Path = SURVIVORS) -> dict[str, str]:
    """Reason by key; raise `ValueError` for an entry without a reason or listed twice."""
    reasons: dict[str, str] = {}
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("survivor", []):
        key, why = entry["key"], entry["why"].strip()
        if not why:
            raise ValueError(f"{path.name}: say why this mutant may survive: {key}")
        if key in reasons:
            raise ValueError(f"{path.name}: listed twice: {key}")
        reasons[key] = why
    return reasons
