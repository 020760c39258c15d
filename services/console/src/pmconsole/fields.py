"""Reading what another process sent, of which any field may be missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def mapping(value: object) -> Mapping[str, Any]:
    """The object, or an empty one."""
    return value if isinstance(value, Mapping) else {}


def number(value: object) -> float:
    """The number, or 0."""
    return float(value) if isinstance(value, int | float) else 0.0
