from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pmcore.wire.entry_ids import ZERO, format_id, parse_id

PART = st.integers(0, 2**64 - 1)


def test_ids_are_written_as_redis_does() -> None:
    assert format_id((1700, 3)) == "1700-3"
    assert parse_id("1700-3") == (1700, 3)
    assert parse_id("0") == parse_id("0-0") == ZERO


@given(st.tuples(PART, PART))
def test_an_id_survives_being_written(entry_id: tuple[int, int]) -> None:
    assert parse_id(format_id(entry_id)) == entry_id
