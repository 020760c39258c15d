"""What people read about a window: its title in New York time, and its rules.

The hours of New York are computed from the rule in force since 2007. `zoneinfo` would need time
zone files, which a bare system may lack; a title must not depend on that.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pmcore.model.market import Window
from pmcore.model.units import NS_PER_S

_NAMES = {"btc": "Bitcoin", "eth": "Ethereum", "sol": "Solana", "xrp": "XRP"}
_WINTER = timedelta(hours=-5)
_SUMMER = timedelta(hours=-4)
_SUNDAY = 6
_MARCH, _NOVEMBER = 3, 11


def title(window: Window) -> str:
    """`Bitcoin Up or Down - June 7, 7:55PM-8:00PM ET`; seconds only where a window needs them."""
    start, end = new_york(window.open_ns), new_york(window.close_ns)
    seconds = bool(start.second or end.second)
    hours = f"{_clock(start, with_seconds=seconds)}-{_clock(end, with_seconds=seconds)}"
    return f"{asset_name(window)} Up or Down - {start:%B} {start.day}, {hours} ET"


def description(window: Window) -> str:
    """The rules, in our own words."""
    return (
        f'This simulated market resolves to "Up" if the price of {asset_name(window)} at the end '
        "of the range in the title is at or above the price at its beginning, "
        'otherwise to "Down".'
    )


def asset_name(window: Window) -> str:
    """`Bitcoin` for `btc`; the code itself where no name is known."""
    asset = window.slug.split("-", 1)[0]
    return _NAMES.get(asset, asset.upper())


def new_york(at_ns: int) -> datetime:
    """A time on New York's clocks, without a zone attached."""
    at = datetime.fromtimestamp(at_ns // NS_PER_S, UTC).replace(tzinfo=None)
    summer = _sunday(at.year, _MARCH, 2) + timedelta(hours=7)
    winter = _sunday(at.year, _NOVEMBER, 1) + timedelta(hours=6)
    return at + (_SUMMER if summer <= at < winter else _WINTER)


def _sunday(year: int, month: int, number: int) -> datetime:
    """Midnight of the first, second ... Sunday of a month."""
    first = datetime(year, month, 1)  # noqa: DTZ001 - a wall clock's day
    return first + timedelta(days=(_SUNDAY - first.weekday()) % 7 + 7 * (number - 1))


def _clock(at: datetime, *, with_seconds: bool) -> str:
    hour = at.hour % 12 or 12
    seconds = f":{at.second:02d}" if with_seconds else ""
    return f"{hour}:{at.minute:02d}{seconds}{'AM' if at.hour < 12 else 'PM'}"
