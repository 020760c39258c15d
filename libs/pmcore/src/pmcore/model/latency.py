"""How long requests and reports of a paper venue take: constants or quantiles, drawn by seed.

A draw is a function of the seed, of what travels and of its name (an order's id, a trade's id), so
that the same order takes as long in two replays that differ in something else.
"""

from __future__ import annotations

import hashlib
import itertools
from enum import StrEnum

import msgspec

from pmcore.model.errors import MalformedInputError
from pmcore.model.units import NS_PER_MS

MOST_MS = 5_000
_ONE_BPS = 10_000
_THREE = (5_000, 9_000, 9_900)
_DRAWS = 2**64


class Travel(StrEnum):
    """What has a latency of its own: a POST, a DELETE, a look-up or list, and each report."""

    ORDER = "order"
    CANCEL = "cancel"
    QUERY = "query"
    REPORT = "report"


class LatencyPoints(msgspec.Struct, frozen=True):
    """Points (quantile in 1/10 000, nanoseconds), both rising.

    Between two points a quantile's latency is on the straight line; below the first and above the
    last it is theirs.
    """

    points: tuple[tuple[int, int], ...]

    def at_ns(self, quantile: int, of: int = _ONE_BPS) -> int:
        """The latency at `quantile` parts of `of`."""
        points = self.points
        wanted = quantile * _ONE_BPS
        if wanted <= points[0][0] * of:
            return points[0][1]
        for (low, low_ns), (high, high_ns) in itertools.pairwise(points):
            if wanted <= high * of:
                return low_ns + (high_ns - low_ns) * (wanted - low * of) // ((high - low) * of)
        return points[-1][1]


def constant(latency_ms: int) -> LatencyPoints:
    """The same for each."""
    return LatencyPoints(((0, latency_ms * NS_PER_MS),))


class Latencies(msgspec.Struct, frozen=True, kw_only=True):
    """Of everything that travels between us and the paper venue."""

    order: LatencyPoints = constant(60)
    cancel: LatencyPoints = constant(60)
    query: LatencyPoints = constant(60)
    report: LatencyPoints = constant(0)
    seed: int = 1

    def draw_ns(self, travel: Travel, name: str) -> int:
        """How long this one takes."""
        points: LatencyPoints = getattr(self, travel.value)
        if len(points.points) == 1:
            return points.points[0][1]
        text = f"{self.seed} {travel.value} {name}".encode()
        drawn = int.from_bytes(hashlib.sha256(text).digest()[:8], "big")
        return points.at_ns(drawn, _DRAWS)


DEFAULT_LATENCIES = Latencies()


def parse_latencies(text: str, seed: int = 1) -> Latencies:
    """`60`, `40/90/250` (ms at 50, 90 and 99 %), or `order=..,cancel=..,report=..` of these.

    One value is for all requests. Queries that are left out take as long as orders, reports no
    time. Raise `MalformedInputError`.
    """
    if "=" not in text:
        points = _points(text)
        return Latencies(order=points, cancel=points, query=points, seed=seed)
    given: dict[str, LatencyPoints] = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        if name not in set(Travel) or name in given:
            raise MalformedInputError(
                "bad_latency", f"{name[:20]!r} is none of {', '.join(Travel)}"
            )
        given[name] = _points(value)
    if missing := {Travel.ORDER, Travel.CANCEL} - given.keys():
        raise MalformedInputError("bad_latency", f"{min(missing)}= is missing")
    return Latencies(**{Travel.QUERY: given[Travel.ORDER], **given}, seed=seed)


def _points(text: str) -> LatencyPoints:
    parts = text.split("/")
    if len(parts) not in (1, len(_THREE)) or not all(p.isascii() and p.isdigit() for p in parts):
        raise MalformedInputError(
            "bad_latency", f"{text[:40]!r} is neither milliseconds nor P50/P90/P99 of them"
        )
    values = [int(part) for part in parts]
    quantiles = _THREE if len(parts) > 1 else (0,)
    return checked(
        LatencyPoints(
            tuple(
                (quantile, value * NS_PER_MS)
                for quantile, value in zip(quantiles, values, strict=True)
            )
        )
    )


def checked(points: LatencyPoints) -> LatencyPoints:
    """The same; raise `MalformedInputError` when they do not rise or are too large."""
    pairs = list(itertools.pairwise(points.points))
    if not points.points or any(b[0] <= a[0] or b[1] < a[1] for a, b in pairs):
        raise MalformedInputError("bad_latency", "quantiles and their latencies must rise")
    if not 0 <= points.points[0][0] <= points.points[-1][0] <= _ONE_BPS:
        raise MalformedInputError("bad_latency", "quantiles are from 0 to 10000")
    if not 0 <= points.points[0][1] <= points.points[-1][1] <= MOST_MS * NS_PER_MS:
        raise MalformedInputError("bad_latency", f"latencies are from 0 to {MOST_MS} ms")
    return points
