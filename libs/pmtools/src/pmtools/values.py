"""What the arguments of `pm` may be: each function reads one, or says what is wrong with it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from pmcore.model.errors import MalformedInputError
from pmcore.model.market import interval_s, parse_series

_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def whole(low: int, high: int) -> Callable[[str], int]:
    """A whole number between two bounds."""

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return parse


def speed(text: str) -> float:
    """How often as fast."""
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 1 <= speed <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a speed from 1 to 100")
    return speed


def span_s(text: str) -> float:
    """Seconds of a span such as 1h."""
    number, unit = text[:-1], text[-1:]
    if unit not in _UNIT_S or not number.isascii() or not number.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a span such as 30s, 45m, 1h or 2d")
    return float(int(number) * _UNIT_S[unit])


def window_s(text: str) -> int:
    """The length of a window."""
    try:
        return interval_s(f"{whole(5, 86_400)(text)}s")
    except MalformedInputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def slugs(text: str) -> str:
    """Markets with commas between."""
    for slug in text.split(","):
        try:
            parse_series(slug)
        except MalformedInputError as error:
            raise argparse.ArgumentTypeError(
                f"{slug[:80]!r} is not a market such as btc-updown-15m"
            ) from error
    return text


def readable_or_folder(text: str) -> Path:
    """A file or a folder."""
    path = Path(text)
    return path if path.is_dir() and os.access(path, os.R_OK | os.X_OK) else readable(text)


def readable(text: str) -> Path:
    """A file that may be read."""
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"no such file: {text}")
    if not os.access(path, os.R_OK):
        raise argparse.ArgumentTypeError(f"may not be read: {text}")
    return path
