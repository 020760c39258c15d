"""Titles are in New York time, whatever the machine knows about time zones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import pytest

from pmcore.model.market import Window
from pmcore.model.units import NS_PER_S
from pmsimulator.titles import description, new_york, title


def window(start: datetime, length_s: int, slug: str = "btc-updown-5m-1") -> Window:
    open_ns = int(start.timestamp()) * NS_PER_S
    return Window(
        series="btc-5m",
        slug=slug,
        condition_id="0xc",
        up_token_id="1",
        down_token_id="2",
        open_ns=open_ns,
        close_ns=open_ns + length_s * NS_PER_S,
        tick_e4=100,
        min_size_u6=5_000_000,
    )


@pytest.mark.parametrize(
    ("start", "length_s", "said"),
    [
        (datetime(2026, 6, 7, 23, 55, tzinfo=UTC), 300, "June 7, 7:55PM-8:00PM ET"),
        (datetime(2026, 6, 8, 3, 55, tzinfo=UTC), 300, "June 7, 11:55PM-12:00AM ET"),
        (datetime(2026, 6, 8, 15, 55, tzinfo=UTC), 300, "June 8, 11:55AM-12:00PM ET"),
        (datetime(2026, 1, 2, 4, 45, tzinfo=UTC), 900, "January 1, 11:45PM-12:00AM ET"),
        (datetime(2026, 3, 8, 6, 55, tzinfo=UTC), 300, "March 8, 1:55AM-3:00AM ET"),
        (datetime(2026, 11, 1, 5, 55, tzinfo=UTC), 300, "November 1, 1:55AM-1:00AM ET"),
        (datetime(2026, 6, 8, 15, 0, 30, tzinfo=UTC), 30, "June 8, 11:00:30AM-11:01:00AM ET"),
    ],
)
def test_titles_read_like_the_venues(start: datetime, length_s: int, said: str) -> None:
    assert title(window(start, length_s)) == f"Bitcoin Up or Down - {said}"


def test_every_quarter_of_an_hour_is_the_zone_files() -> None:
    try:
        zone = ZoneInfo("America/New_York")
    except ZoneInfoNotFoundError:
        pytest.skip("no time zone files on this machine; install tzdata to compare")
    for year in range(2024, 2041):
        for month, days in ((3, 15), (11, 8), (1, 2), (12, 31)):
            at = datetime(year, month, 1, tzinfo=UTC)
            end = at + timedelta(days=days)
            while at < end:
                wall = at.astimezone(zone).replace(tzinfo=None)
                assert new_york(int(at.timestamp()) * NS_PER_S) == wall, at
                at += timedelta(minutes=15)


def test_an_asset_without_a_name_is_named_by_its_code() -> None:
    start = datetime(2026, 6, 7, 23, 55, tzinfo=UTC)
    other = msgspec.structs.replace(window(start, 300), slug="doge-updown-5m-1")
    assert title(other).startswith("DOGE Up or Down")
    assert "DOGE" in description(other)
