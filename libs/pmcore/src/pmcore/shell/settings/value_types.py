"""The types of values that settings classes share: addresses and slugs."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from pmcore.model.errors import MalformedInputError
from pmcore.model.market import parse_series
from pmcore.shell.bus.redis_url import read_redis_url


def _url(text: str, *schemes: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in schemes or not (parts.netloc or parts.scheme == "unix"):
        raise ValueError(
            f"expected a URL that begins with {' or '.join(f'{s}://' for s in schemes)}"
        )
    return text.rstrip("/")


def _redis_url(text: str) -> str:
    read_redis_url(text)
    return text.rstrip("/")


def split_commas(value: object) -> object:
    """A text with commas as a tuple of its parts."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _check_slugs(slugs: tuple[str, ...]) -> tuple[str, ...]:
    if not slugs:
        raise ValueError("name at least one series, for example btc-updown-15m")
    seen: dict[str, str] = {}
    for slug in slugs:
        try:
            series = parse_series(slug).series
        except MalformedInputError as error:
            raise ValueError(f"{slug!r} is no slug or prefix ({error})") from None
        if series in seen:
            raise ValueError(f"{slug!r} and {seen[series]!r} are of one series, {series}")
        seen[series] = slug
    return slugs


HttpUrl = Annotated[str, AfterValidator(lambda text: _url(text, "http", "https"))]
WsUrl = Annotated[str, AfterValidator(lambda text: _url(text, "ws", "wss"))]
RedisUrl = Annotated[str, AfterValidator(_redis_url)]
Slugs = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(split_commas), AfterValidator(_check_slugs)
]
