"""Entry ids as values: milliseconds of Redis's clock, and a number within the millisecond."""

from __future__ import annotations

EntryId = tuple[int, int]

ZERO: EntryId = (0, 0)


def parse_id(text: str) -> EntryId:
    """`1700000000000-3` -> (1700000000000, 3); sorts as Redis sorts."""
    ms, _, number = text.partition("-")
    return int(ms), int(number or 0)


def format_id(entry_id: EntryId) -> str:
    """(1700000000000, 3) -> `1700000000000-3`."""
    return f"{entry_id[0]}-{entry_id[1]}"
