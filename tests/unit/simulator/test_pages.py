"""Cursors as the official client follows them: from MA== to LTE=."""

from __future__ import annotations

from typing import Any

import pytest

from pmsimulator.answers import END_CURSOR, PAGE_ROWS, VenueError, page


@pytest.mark.parametrize("count", [0, 1, PAGE_ROWS, PAGE_ROWS + 1, 3 * PAGE_ROWS])
def test_all_rows_come_once_in_order(count: int) -> None:
    rows: list[dict[str, object]] = [{"n": n} for n in range(count)]
    found: list[Any] = []
    cursor: object = "MA=="
    while cursor != END_CURSOR:
        body: Any = page(rows, str(cursor))
        assert body["count"] == len(body["data"])
        found.extend(body["data"])
        cursor = body["next_cursor"]
    assert found == rows


def test_the_end_stays_the_end() -> None:
    assert page([{"n": 1}], END_CURSOR)["data"] == []
    assert page([{"n": 1}], END_CURSOR)["next_cursor"] == END_CURSOR


@pytest.mark.parametrize("cursor", ["", "x", "eA=="])
def test_an_odd_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(VenueError, match="invalid next_cursor"):
        page([], cursor)
