"""Figures and lines of the terminal's panels, as text. They say in words what a colour says too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeGuard

from rich.text import Text

from pmtools.money import profit_text
from pmtools.summary import as_mapping

ABSENT = "-"
GOOD, WARN, BAD, SOFT = "green", "yellow", "bold red", "dim"
_LEVELS = "▁▂▃▄▅▆▇█"


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is a figure."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def figure(value: object) -> float:
    """The figure, or 0 for anything else."""
    return value if is_number(value) else 0.0


def listed(value: object) -> list[Mapping[str, Any]]:
    """The objects of a list; none for anything else."""
    return list(map(as_mapping, value)) if isinstance(value, list) else []


def price(value: Any) -> str:
    """0.54 or 0.545."""
    if not is_number(value):
        return ABSENT
    text = f"{value:.3f}"
    return text.removesuffix("0")


def shares(value: Any) -> str:
    """4.12; whole shares without decimals."""
    return f"{round(value, 2):g}" if is_number(value) else ABSENT


def money(value: Any) -> str:
    """+$1.25, in whole cents."""
    return profit_text(round(value, 2)) if is_number(value) else ABSENT


def tone(value: Any) -> str:
    """The style of a profit; its sign says the same."""
    if not is_number(value) or round(value, 2) == 0:
        return ""
    return GOOD if value > 0 else BAD


def words(value: Any) -> str:
    """awaiting_resolution as people write it, on one line."""
    text = " ".join(str(value if value is not None else "").replace("_", " ").split())
    return "".join(char for char in text if char.isprintable())


def clock_text(seconds: Any) -> str:
    """HH:MM:SS in UTC."""
    if not is_number(seconds):
        return ABSENT
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")


def countdown(closes_s: Any, clock_s: Any) -> str:
    """12:05 until the close, or that it is over."""
    if not is_number(closes_s) or not is_number(clock_s):
        return ABSENT
    if closes_s <= clock_s:
        return "closed"
    whole = int(closes_s - clock_s) + 1
    return f"{whole // 60}:{whole % 60:02d}"


def bar(value: float, limit: float, width: int) -> str:
    """How much of a limit is used."""
    share = value / limit if limit > 0 else 0.0
    filled = min(width, max(0, round(share * width)))
    return f"{'█' * filled}{'░' * (width - filled)}"


def meter(name: str, value: float, limit: float, text: str) -> Text:
    """A line with a bar; FULL when the limit is reached, near from 80 % on."""
    share = value / limit if limit > 0 else 0.0
    line = Text(f"{bar(value, limit, 12)} {name}: {text}")
    if share >= 1:
        line.append(" FULL", BAD)
    elif share >= 0.8:
        line.append(" near", WARN)
    return line


def sparkline(values: Sequence[float], width: int) -> str:
    """The newest values, as many as fit, lowest to highest; "" for none."""
    if not values or width < 1:
        return ""
    step = max(1, -(-len(values) // width))
    shown = values[::-1][::step][::-1]
    low, span = min(shown), max(shown) - min(shown)
    if not span:
        return _LEVELS[0] * len(shown)
    return "".join(_LEVELS[int((one - low) / span * (len(_LEVELS) - 1))] for one in shown)
