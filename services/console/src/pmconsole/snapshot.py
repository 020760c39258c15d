"""What a page shows, made of the newest looks at the services: one JSON object, whole each time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pmconsole.fields import mapping, number
from pmconsole.looks import Look
from pmcore.model.market import parse_series, window_times_ns
from pmcore.model.units import NS_PER_S

FILLS_SHOWN = 40
_HEALTHS = ("dead", "unknown", "waiting", "ready")


def make_snapshot(
    looks: Mapping[str, Look],
    *,
    clock_ns: int,
    now_s: float,
    speed: float,
    events: Iterable[Mapping[str, Any]],
) -> dict[str, Any]:
    """`clock_ns`: the engine's time; `now_s`: the clock by which silence is measured."""
    strategy, executor = _state(looks, "strategy"), _state(looks, "executor")
    services = [_service(look, now_s) for look in looks.values()]
    return {
        "clock_s": clock_ns / NS_PER_S,
        "speed": speed,
        "health": min((s["health"] for s in services), key=_HEALTHS.index, default="unknown"),
        "mode": executor.get("mode") or "",
        "services": services,
        "halts": halts(looks),
        "windows": [
            _window(slug, view, mapping(strategy.get("limits_by_series")))
            for slug, view in _windows(strategy)
        ],
        "limits": mapping(strategy.get("limits")),
        "day": {name: strategy[name] for name in _DAY if name in strategy},
        "paper": _paper(executor),
        "totals": mapping(strategy.get("totals")),
        "venue": _venue(looks, now_s),
        "hops": {
            hop: figures
            for look in looks.values()
            for hop, figures in mapping(look.state.get("hop_ms")).items()
        },
        "fills": _newest_fills(strategy),
        "events": list(events),
    }


_DAY = (
    "profit_today",
    "unsettled_today",
    "worst_case_profit_today",
    "windows_settled_today",
    "winners_unknown_today",
    "results_today",
)


def _paper(executor: Mapping[str, Any]) -> dict[str, Any]:
    """In dry mode what the same orders won by each fill model; `fills` names the one acted on."""
    profits = mapping(executor.get("paper_profits"))
    windows = mapping(executor.get("paper_ledgers"))
    return {"fills": executor.get("paper_fills") or "", "day": profits, "windows": windows}


def _state(looks: Mapping[str, Look], name: str) -> Mapping[str, Any]:
    look = looks.get(name)
    return look.state if look else {}


def _service(look: Look, now_s: float) -> dict[str, Any]:
    silent_s = look.silent_s(now_s)
    return {
        "name": look.name,
        "health": look.health(now_s),
        "silent_s": None if silent_s is None else round(silent_s, 1),
        "problem": look.problem,
        "reasons": list(look.reasons),
        "troubles": look.state.get("troubles") or [],
        "halted": look.state.get("halted") or "",
    }


def halts(looks: Mapping[str, Look]) -> list[dict[str, Any]]:
    """The same halt at several services is one; a halt of one series names it."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for look in looks.values():
        if reason := look.state.get("halted"):
            halt = {**mapping(look.state.get("halt")), "reason": reason, "series": ""}
            one = found.setdefault((reason, ""), {**halt, "services": []})
            one["services"].append(look.name)
        for series, view in mapping(look.state.get("series_halts")).items():
            shown = {**mapping(view), "series": series, "services": [look.name]}
            found.setdefault((str(shown.get("reason")), series), shown)
    return list(found.values())


def _windows(strategy: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(slug, mapping(view)) for slug, view in mapping(strategy.get("windows")).items()]


def _window(
    slug: str, view: Mapping[str, Any], limits_by_series: Mapping[str, Any]
) -> dict[str, Any]:
    """`limits`: those of its series where they differ from those of all."""
    times_ns = window_times_ns(slug)
    series = parse_series(slug).series if times_ns else slug
    opens_s, closes_s = (ns / NS_PER_S for ns in times_ns) if times_ns else (None, None)
    return {
        **view,
        "slug": slug,
        "series": slug.rpartition("-")[0] if times_ns else slug,
        "limits": mapping(limits_by_series.get(series)),
        "opens_s": opens_s,
        "closes_s": closes_s,
    }


def _newest_fills(strategy: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Newest first, each with what the mid did after it, in cents a share, as that gets known."""
    listed = strategy.get("fills")
    newest = listed[-FILLS_SHOWN:] if isinstance(listed, list) else []
    return [dict(mapping(fill)) for fill in reversed(newest)]


def _venue(looks: Mapping[str, Look], now_s: float) -> dict[str, Any]:
    """What the executor knows of the venue. `flat`: after a halt it asked, and nothing rests."""
    look = looks.get("executor")
    executor = look.state if look else {}
    engine = mapping(executor.get("engine"))
    flat, none_rests = engine.get("flat") is True, executor.get("open_orders") == 0
    current = look is not None and look.health(now_s) in ("ready", "waiting")
    return {
        "mode": executor.get("venue_mode") or "",
        "refuses": executor.get("refuses") or "",
        "open_orders": executor.get("open_orders"),
        "checking": none_rests and not flat,
        "flat": bool(
            current and executor.get("halted") and engine.get("halted") and none_rests and flat
        ),
        "budget": mapping(engine.get("budget")),
        "heartbeat": mapping(executor.get("heartbeat")),
        "rejections": mapping(executor.get("rejections")),
        "balance": _state(looks, "userws").get("balance"),
        "user_channel": _state(looks, "userws").get("channel") or "",
        "market_socket": _state(looks, "feed").get("market_socket") or "",
    }


def chart_point(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """What the charts keep of a snapshot: the mid of Up by series, and the day's money."""
    series: dict[str, dict[str, Any]] = {}
    for window in snapshot["windows"]:
        if window.get("state") in ("awaiting_resolution", "settled"):
            continue
        up = mapping(mapping(window.get("outcomes")).get("up"))
        series[window["series"]] = {"mid": _mid(up)}
    day = snapshot["day"]
    return {
        "t": round(number(snapshot["clock_s"]), 2),
        "profit": day.get("profit_today"),
        "worst": day.get("worst_case_profit_today"),
        "series": series,
    }


def _mid(side: Mapping[str, Any]) -> float | None:
    bid, ask = side.get("bid"), side.get("ask")
    return None if bid is None or ask is None else round((number(bid) + number(ask)) / 2, 4)
