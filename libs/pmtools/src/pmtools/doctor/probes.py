"""What `pm doctor` learns by asking: venue, its clock, its markets, and Redis. Reads only."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from decimal import Decimal
from urllib.parse import urlsplit

import httpx
import msgspec
from redis.exceptions import RedisError

from pmcore.model.errors import MalformedInputError
from pmcore.model.market import SeriesSpec, Window
from pmcore.model.units import NS_PER_S, format_price, format_qty
from pmcore.shell.bus.redis_nodes import Nodes
from pmcore.shell.clock import MOST_SKEW_S, Clock
from pmcore.shell.settings.strategy import StrategySettings
from pmcore.venue.listings import accepts_orders, find_market, parse_gamma_market
from pmcore.wire import keys
from pmcore.wire.access import OPERATOR
from pmcore.wire.keys import hash_tag
from pmtools.doctor.checks import Finding, fail, ok, warn
from pmtools.run.redis_server import LocalRedisError, find_server

_TIMEOUT_S = 8.0
_CLOCK_WARN_S = 2.0
_OLDEST_REDIS = (6, 2)


async def probe(settings: StrategySettings, *, redis_is_given: bool) -> Sequence[Finding]:
    """Ask all at the same time; the order of the findings is fixed."""
    async with httpx.AsyncClient(timeout=_TIMEOUT_S) as http:
        groups = await asyncio.gather(
            _clock(http, settings.rest_url, Clock.from_spec(settings.clock)),
            _websocket(settings.ws_base_url),
            _markets(http, settings),
            _redis(settings) if redis_is_given else _own_redis(),
        )
    return [finding for group in groups for finding in group]


async def _clock(http: httpx.AsyncClient, rest_url: str, clock: Clock) -> list[Finding]:
    """The venue's time is whole seconds (docs/venue.md 1.2), so half a second is added."""
    asked_ns = clock.now_ns()
    try:
        response = await http.get(f"{rest_url}/time")
        response.raise_for_status()
        answered_ns = clock.now_ns()
        told = msgspec.json.decode(response.content)
    except (httpx.HTTPError, msgspec.DecodeError) as error:
        return [_unreachable("venue REST", rest_url, "POLYMARKET_REST_URL", error)]
    if isinstance(told, dict):
        told = told.get("time", told.get("timestamp"))
    took_ms = (answered_ns - asked_ns) / 1e6
    reached = ok("venue REST", f"{rest_url} answers in {took_ms:.0f} ms")
    if not isinstance(told, int):
        return [reached, warn("clock", "the venue did not tell its time", "try again later")]
    skew_s = (asked_ns + answered_ns) / 2 / NS_PER_S - (told + 0.5)
    text = f"{abs(skew_s):.1f} s {'ahead of' if skew_s > 0 else 'behind'} the venue's"
    mend = "let the system keep time (systemd-timesyncd, chrony): signatures carry a time stamp"
    if abs(skew_s) > MOST_SKEW_S:
        return [reached, fail("clock", text, mend)]
    if abs(skew_s) > _CLOCK_WARN_S:
        return [reached, warn("clock", text, mend)]
    return [reached, ok("clock", text)]


async def _websocket(url: str) -> list[Finding]:
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    port = parts.port or (443 if secure else 80)
    try:
        _, writer = await asyncio.wait_for(
            asyncio.open_connection(
                parts.hostname, port, ssl=ssl.create_default_context() if secure else None
            ),
            _TIMEOUT_S,
        )
    except (OSError, TimeoutError) as error:
        return [_unreachable("venue WebSocket", url, "POLYMARKET_WS_BASE_URL", error)]
    writer.close()
    return [ok("venue WebSocket", f"{parts.hostname}:{port} takes connections")]


async def _markets(http: httpx.AsyncClient, settings: StrategySettings) -> list[Finding]:
    findings = []
    for spec in settings.series:
        try:
            findings += await _market(http, settings, spec)
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            unreachable = _unreachable("Gamma", settings.gamma_url, "POLYMARKET_GAMMA_URL", error)
            return [*findings, unreachable]
    return findings


async def _market(
    http: httpx.AsyncClient, settings: StrategySettings, spec: SeriesSpec
) -> list[Finding]:
    slug = spec.slug_at(Clock.from_spec(settings.clock).now_ns())
    subject = f"market {slug}"
    response = await http.get(f"{settings.gamma_url}/markets", params={"slug": slug})
    response.raise_for_status()
    item = find_market(msgspec.json.decode(response.content), slug)
    if item is None:
        return [
            fail(subject, "Gamma does not list it", "check POLYMARKET_MARKET_SLUG: " + spec.prefix)
        ]
    try:
        window = parse_gamma_market(item)
    except MalformedInputError as error:
        return [fail(subject, f"its listing cannot be used: {error}", "report it")]
    said = f"minimum {format_qty(window.min_size_u6)} shares, tick {format_price(window.tick_e4)}"
    if not accepts_orders(item):
        return [warn(subject, f"takes no orders now ({said})", "nothing, if it is just over")]
    return [ok(subject, said), _size(settings.of_series(spec.series), window)]


def _size(settings: StrategySettings, window: Window) -> Finding:
    minimum = Decimal(format_qty(window.min_size_u6))
    if settings.bid_size < minimum:
        return fail(
            "bid size",
            f"PM_BID_SIZE={settings.bid_size} is below the minimum of {minimum}: "
            "the engine will refuse to quote",
            f"set PM_BID_SIZE={minimum}",
        )
    return ok("bid size", f"{settings.bid_size} shares, minimum {minimum}")


async def _redis(settings: StrategySettings) -> list[Finding]:
    url = settings.redis_login(OPERATOR)
    nodes = Nodes(url, "pm:doctor")
    halt = keys.halt(settings.account)
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            client = await nodes.writer(hash_tag(halt))
            told = await client.info()
            halted = await client.get(halt)
    except (RedisError, OSError, TimeoutError) as error:
        mend = "start it, or correct PM_REDIS_URL; `pm run` without it brings its own"
        return [fail("Redis", f"cannot be asked: {_said(error)}", mend)]
    finally:
        await nodes.close()
    findings = [_redis_version(told), *_redis_policy(told)]
    if halted is not None:
        text = "the engine is halted: " + halted.decode("utf-8", "replace")[:200]
        findings.append(warn("halt", text, "pm resume"))
    return findings


def _redis_version(told: dict[str, object]) -> Finding:
    version = str(told.get("redis_version", ""))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < _OLDEST_REDIS:
        return fail("Redis", f"version {version or 'unknown'}", "use 6.2 or newer")
    return ok("Redis", f"version {version}")


def _redis_policy(told: dict[str, object]) -> list[Finding]:
    policy = str(told.get("maxmemory_policy", "noeviction"))
    if policy == "noeviction":
        return []
    return [
        warn(
            "Redis memory",
            f"maxmemory-policy is {policy}: Redis may drop streams",
            "CONFIG SET maxmemory-policy noeviction",
        )
    ]


async def _own_redis() -> list[Finding]:
    try:
        server = find_server()
    except LocalRedisError as error:
        return [fail("Redis", "PM_REDIS_URL is unset and no server is found", str(error))]
    return [ok("Redis", f"PM_REDIS_URL is unset; `pm run` will start {server}")]


def _unreachable(subject: str, url: str, variable: str, error: Exception) -> Finding:
    return fail(subject, f"{url}: {_said(error)}", f"check the network, a proxy, and {variable}")


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
