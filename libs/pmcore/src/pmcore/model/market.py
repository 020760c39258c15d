"""A series, its windows, and the two outcomes of a window."""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec

from pmcore.model.errors import MalformedInputError
from pmcore.model.units import NS_PER_S

_PREFIX = re.compile(r"^(?P<asset>[a-z0-9]+)-updown-(?P<interval>[0-9]+[smh])$")
_SLUG = re.compile(r"^(?P<prefix>[a-z0-9]+-updown-[0-9]+[smh])-(?P<start_s>[0-9]{9,11})$")
_UNIT_S = {"s": 1, "m": 60, "h": 3600}


class Outcome(StrEnum):
    """UP is index 0 ("YES"), DOWN index 1 ("NO")."""

    UP = "up"
    DOWN = "down"

    @property
    def complement(self) -> Outcome:
        """The other outcome."""
        return Outcome.DOWN if self is Outcome.UP else Outcome.UP


class BookSide(StrEnum):
    """A side of a book."""

    BID = "bid"
    ASK = "ask"


class TakerSide(StrEnum):
    """What the taker of a public trade did."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> TakerSide:
        """What the same trade is in the other outcome."""
        return TakerSide.SELL if self is TakerSide.BUY else TakerSide.BUY


class Protocol(StrEnum):
    """Which exchange contract a market trades on (docs/venue.md 4.10)."""

    V1 = "v1"
    V2 = "v2"


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """One market of a series: all that the engine needs to know about it.

    `inferred` names the fields that were guessed (replay of a recording without metadata).
    """

    series: str
    slug: str
    condition_id: str
    up_token_id: str
    down_token_id: str
    open_ns: int
    close_ns: int
    tick_e4: int
    min_size_u6: int
    neg_risk: bool = False
    protocol: Protocol = Protocol.V1
    inferred: tuple[str, ...] = ()

    @property
    def length_ns(self) -> int:
        """How long the window is."""
        return self.close_ns - self.open_ns

    def token_id(self, outcome: Outcome) -> str:
        """The venue's asset id of an outcome."""
        return self.up_token_id if outcome is Outcome.UP else self.down_token_id

    def outcome_of(self, token_id: str) -> Outcome | None:
        """The outcome of an asset id, or None for a token of another market."""
        if token_id == self.up_token_id:
            return Outcome.UP
        return Outcome.DOWN if token_id == self.down_token_id else None


class SeriesSpec(msgspec.Struct, frozen=True):
    """One entry of POLYMARKET_MARKET_SLUG: a rotating prefix, or one full slug.

    `length_s` is 0 for a fixed slug whose length only Gamma knows.
    """

    series: str
    prefix: str
    length_s: int
    fixed_slug: str | None = None

    def slug_at(self, at_ns: int) -> str:
        """The slug of the window that contains a time; the suffix is the START.

        See docs/venue.md 7.1.
        """
        if self.fixed_slug is not None:
            return self.fixed_slug
        start_s = at_ns // NS_PER_S // self.length_s * self.length_s
        return f"{self.prefix}-{start_s}"


def interval_s(interval: str) -> int:
    """`15m` -> 900. Any number of s, m or h, so that a simulator may use short windows."""
    seconds = int(interval[:-1]) * _UNIT_S[interval[-1]]
    if not 5 <= seconds <= 86_400:
        raise MalformedInputError("bad_interval", interval)
    return seconds


def parse_series(text: str) -> SeriesSpec:
    """Read one entry of POLYMARKET_MARKET_SLUG; raise `MalformedInputError` saying what is wrong.

    `btc-updown-15m` rotates; `btc-updown-15m-1790766900` is one window; any other slug
    (`bitcoin-up-or-down-...`) is one window whose times Gamma must give.
    """
    if prefix := _PREFIX.match(text):
        interval = prefix["interval"]
        return SeriesSpec(f"{prefix['asset']}-{interval}", text, interval_s(interval))
    if slug := _SLUG.match(text):
        spec = parse_series(slug["prefix"])
        return SeriesSpec(spec.series, spec.prefix, spec.length_s, fixed_slug=text)
    if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", text):
        return SeriesSpec(text, text, 0, fixed_slug=text)
    raise MalformedInputError("bad_slug", text[:80])


def window_times_ns(slug: str) -> tuple[int, int] | None:
    """Open and close of an updown slug, or None when the slug does not carry them."""
    match = _SLUG.match(slug)
    if match is None:
        return None
    length_s = interval_s(match["prefix"].rsplit("-", 1)[1])
    start_s = int(match["start_s"])
    return start_s * NS_PER_S, (start_s + length_s) * NS_PER_S
