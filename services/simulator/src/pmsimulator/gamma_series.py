"""Gamma's series and tags: what groups the windows (docs/venue.md 7.2)."""

from __future__ import annotations

import hashlib

Row = dict[str, object]
_SERIES_IDS = {"btc-5m": 10684, "btc-15m": 10192}
_LISTED = "2025-11-21T00:00:00Z"
TAGS: tuple[tuple[str, str, str], ...] = (
    ("21", "Crypto", "crypto"),
    ("102127", "Up or Down", "up-or-down"),
)
"""Id, label and slug of the tags that all our markets have."""


def id_of_series(series: str) -> int:
    """Gamma's id of a series; the two that docs/venue.md 7.2 names, else a stable number."""
    number = int.from_bytes(hashlib.sha256(series.encode()).digest()[:8], "big")
    return _SERIES_IDS.get(series, 20_000 + number % 60_000)


def series_slug(series: str) -> str:
    """`btc-5m` is `btc-up-or-down-5m` at Gamma; the name of any other market is its slug."""
    asset, _, interval = series.partition("-")
    return f"{asset}-up-or-down-{interval}" if interval[:1].isdigit() else series


def is_series(wanted: str, series: str) -> bool:
    """Whether a filter means a series: by Gamma's slug, by ours, or by its id."""
    return wanted in (series_slug(series), series, str(id_of_series(series)))


def series_row(series: str) -> Row:
    """A series, as an event carries it and as `/series/{id}` answers it."""
    asset, _, interval = series.partition("-")
    slug = series_slug(series)
    return {
        "id": str(id_of_series(series)),
        "ticker": slug,
        "slug": slug,
        "title": f"{asset.upper()} Up or Down {interval}",
        "seriesType": "single",
        "recurrence": interval,
        "image": "",
        "icon": "",
        "active": True,
        "closed": False,
        "archived": False,
        "featured": False,
        "restricted": True,
        "createdAt": _LISTED,
        "updatedAt": _LISTED,
        "volume24hr": 0,
        "volume": 0,
        "liquidity": 0,
        "commentCount": 0,
        "requiresTranslation": False,
    }


def tag_rows() -> list[Row]:
    """Every tag that there is."""
    return [{"id": number, "label": label, "slug": slug} for number, label, slug in TAGS]


def tag_row(id_or_slug: str) -> Row | None:
    """One tag, or None."""
    found = (row for row in tag_rows() if id_or_slug in (row["id"], row["slug"]))
    return next(found, None)
