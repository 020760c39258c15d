"""Read irregular JSON values strictly: text or number, never a guess.

Every reader raises `MalformedInputError` with a countable reason.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TypeVar

import msgspec

from pmcore.model.errors import MalformedInputError
from pmcore.model.units import (
    NS_PER_MS,
    NS_PER_S,
    PRICE_ONE_E4,
    parse_dollars_e8,
    parse_price_e4,
    parse_qty_u6,
)

JsonObject = dict[str, object]
T = TypeVar("T")
_SAFE_DEPTH = 5_000
_SECONDS_DIGITS = 11
_MS_DIGITS = 14
_MAX_DIGITS = 19
_LONGEST_NUMBER = 78
_NOISE = Decimal("1e-9")


def decode_json(raw: str | bytes) -> object:
    """Decode JSON of any shape; else as `decode_json_as`."""
    return decode_json_as(raw, object)


def decode_json_as(raw: str | bytes, wanted: type[T]) -> T:
    """Decode JSON of a shape; raise `MalformedInputError("bad_json")` for anything else.

    Safe against deep nesting even where a library has raised the interpreter's recursion limit
    (py_ecc does), with which CPython 3.11 would overflow the C stack.
    """
    try:
        if (
            len(raw) <= _SAFE_DEPTH
            or _openers(raw) <= _SAFE_DEPTH
            or sys.getrecursionlimit() <= _SAFE_DEPTH
        ):
            return msgspec.json.decode(raw, type=wanted)
        return _decode_shallow(raw, wanted)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise MalformedInputError("bad_json", str(error)[:80]) from error


def _openers(raw: str | bytes) -> int:
    """How many brackets open: a bound of the depth."""
    if isinstance(raw, str):
        return raw.count("[") + raw.count("{")
    return raw.count(b"[") + raw.count(b"{")


def _decode_shallow(raw: str | bytes, wanted: type[T]) -> T:
    former = sys.getrecursionlimit()
    sys.setrecursionlimit(_SAFE_DEPTH)
    try:
        return msgspec.json.decode(raw, type=wanted)
    finally:
        sys.setrecursionlimit(former)


def as_object(value: object, reason: str = "bad_shape") -> JsonObject:
    """A JSON object."""
    if not isinstance(value, dict):
        raise MalformedInputError(reason, type(value).__name__)
    return value


def as_list(value: object, reason: str = "bad_shape") -> list[object]:
    """A JSON array."""
    if not isinstance(value, list):
        raise MalformedInputError(reason, type(value).__name__)
    return value


def text_of(item: JsonObject, key: str) -> str:
    """A text field that must be there and not be empty."""
    value = item.get(key)
    if not isinstance(value, str) or not value:
        raise MalformedInputError("bad_shape", f"{key} missing")
    return value


def optional_text(item: JsonObject, key: str) -> str:
    """A text field that may be missing, null or of another type: then ""."""
    value = item.get(key)
    return value if isinstance(value, str) else ""


def decimal_text(value: object, reason: str) -> str:
    """The decimal notation of a number; a text stays as it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        text = repr(value)
        return text if "e" not in text else format(Decimal(text), "f")
    raise MalformedInputError(reason, str(value)[:40])


def price_e4_of(value: object) -> int:
    """A price in [0, 1]; `bad_price`."""
    return parse_price_e4(value if isinstance(value, str) else decimal_text(value, "bad_price"))


def dollars_e8_of(value: object) -> int:
    """A price of an underlying, above 0; `bad_price`."""
    return parse_dollars_e8(decimal_text(value, "bad_price"))


def qty_u6_of(value: object) -> int:
    """A size or amount, never negative; `bad_size`."""
    return parse_qty_u6(value if isinstance(value, str) else decimal_text(value, "bad_size"))


def near_price_e4_of(value: object) -> int:
    """A price as `price_e4_of`, also one off its grid by less than 1e-9: binary floats do that."""
    return parse_price_e4(_without_noise(value, 4, "bad_price"))


def near_qty_u6_of(value: object) -> int:
    """A size as `qty_u6_of`, also one off its grid by less than 1e-9."""
    return parse_qty_u6(_without_noise(value, 6, "bad_size"))


def _without_noise(value: object, decimals: int, reason: str) -> str:
    text = decimal_text(value, reason)
    try:
        number = Decimal(text if text.isascii() and len(text) <= _LONGEST_NUMBER else "")
        nearest = round(number, decimals)
        close = abs(nearest - number) < _NOISE
    except (InvalidOperation, OverflowError, ValueError) as error:
        raise MalformedInputError(reason, text[:40]) from error
    if not close:
        raise MalformedInputError(reason, text[:40])
    return format(nearest, "f")


def tick_e4_of(value: object) -> int:
    """A tick size: it divides one dollar and is at most a tenth; `bad_tick`."""
    try:
        tick_e4 = price_e4_of(value)
    except MalformedInputError as error:
        raise MalformedInputError("bad_tick", error.detail) from error
    if not 0 < tick_e4 <= PRICE_ONE_E4 // 10 or PRICE_ONE_E4 % tick_e4:
        raise MalformedInputError("bad_tick", str(value)[:40])
    return tick_e4


def natural_of(text: str) -> int | None:
    """A whole number of at most 78 ASCII digits (256 bits), else None.

    `str.isdigit` alone also takes digits that `int` refuses, and `int` refuses very long texts.
    """
    if not text.isascii() or not text.isdigit() or len(text) > _LONGEST_NUMBER:
        return None
    return int(text)


def is_absent(value: object) -> bool:
    """The venue's ways to leave an optional value out."""
    return value is None or value == ""


def optional_price_e4(value: object) -> int | None:
    """An optional price: absent or unreadable is None."""
    if is_absent(value):
        return None
    try:
        return price_e4_of(value)
    except MalformedInputError:
        return None


def time_ns_of(value: object) -> int:
    """Epoch seconds or milliseconds, told apart by their digits, or ISO text; `bad_timestamp`."""
    if isinstance(value, str):
        if not value.isdigit():
            return _iso_ns(value)
        text = value
    else:
        text = decimal_text(value, "bad_timestamp")
    number = natural_of(text)
    if not number or len(text) > _MAX_DIGITS:
        raise MalformedInputError("bad_timestamp", text[:40])
    if len(text) <= _SECONDS_DIGITS:
        return number * NS_PER_S
    return number * (NS_PER_MS if len(text) <= _MS_DIGITS else 1)


def _iso_ns(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise MalformedInputError("bad_timestamp", text[:40]) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * NS_PER_S + since.microseconds * 1_000
