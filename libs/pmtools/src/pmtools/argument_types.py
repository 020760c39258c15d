"""Kinds of arguments of `pm`: each reads a text, or raises what argparse reports in one line."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from pmcore.model.errors import MalformedInputError
from pmcore.model.market import interval_s, parse_series
from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import real_now_ns

_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """A whole number within these bounds."""

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return parse


def speed(text: str) -> float:
    """How many times faster, 1 to 100."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1 <= value <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a speed from 1 to 100")
    return value


def time_span_s(text: str) -> float:
    """Seconds of a span such as 1h."""
    number, unit = text[:-1], text[-1:]
    if unit not in _UNIT_S or not number.isascii() or not number.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a span such as 30s, 45m, 1h or 2d")
    return float(int(number) * _UNIT_S[unit])


def utc_day(text: str) -> str:
    """A UTC day as in 2026-11-27; `today` and `yesterday` are days too."""
    today = datetime.fromtimestamp(real_now_ns() // NS_PER_S, UTC).date()
    if text in ("today", "yesterday"):
        return (today - timedelta(days=text == "yesterday")).isoformat()
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise argparse.ArgumentTypeError(f"{text!r} is no day such as 2026-11-27, today, yesterday")
    return text


def http_address(text: str) -> str:
    """The address of a console, without a login, a path or a query."""
    wrong = argparse.ArgumentTypeError("it is no address such as http://127.0.0.1:8105")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise wrong
    if parts.username is not None or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise argparse.ArgumentTypeError("give the address alone, such as http://127.0.0.1:8105")
    return text


def window_seconds(text: str) -> int:
    """The length of a window."""
    try:
        return interval_s(f"{whole_number(5, 86_400)(text)}s")
    except MalformedInputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def series_slugs(text: str) -> str:
    """Markets with commas between."""
    for slug in text.split(","):
        try:
            parse_series(slug)
        except MalformedInputError as error:
            raise argparse.ArgumentTypeError(
                f"{slug[:80]!r} is not a market such as btc-updown-15m"
            ) from error
    return text


def readable_file_or_folder(text: str) -> Path:
    """What exists and may be read."""
    path = Path(text)
    return path if path.is_dir() and os.access(path, os.R_OK | os.X_OK) else readable_file(text)


def readable_file(text: str) -> Path:
    """A file that exists and may be read."""
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"no such file: {text}")
    if not os.access(path, os.R_OK):
        raise argparse.ArgumentTypeError(f"may not be read: {text}")
    return path
