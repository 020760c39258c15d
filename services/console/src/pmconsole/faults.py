"""Which faults the services' newest answers show: pure, one fault for each thing that is wrong.

A service that does not answer is one fault; its old words are not believed. What is not in
`/state` cannot be found here (docs/notify.md lists it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from pmconsole.fields import mapping, number
from pmconsole.looks import Look
from pmconsole.snapshot import halts
from pmcore.model.market import window_times_ns
from pmcore.model.units import NS_PER_S

CRITICAL, WARNING = "critical", "warning"
SILENT_WAIT_S = 5.0
UNKNOWN_WAIT_S = 30.0
NOT_READY_WAIT_S = 60.0
FEED_WAIT_S = 10.0
CHANNEL_WAIT_S = 10.0
DISTRUST_WAIT_S = 10.0
RESIDUAL_BEFORE_CLOSE_S = 30.0
RISE_LASTS_S = 300.0
"""A counter that rose is a fault for so long after its last rise."""
COUNTERS_KEPT = 64
DISK_FREE_RATIO = 0.05
_TRADING = ("quoting", "winding_down", "cancelling")
_AT_HALT = "halted"


class FaultSeen(msgspec.Struct, frozen=True, kw_only=True):
    """`key` tells it from others; it is an alert once it has lasted for `wait_s`."""

    key: str
    severity: str
    text: str
    runbook: str
    wait_s: float = 0.0


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may set."""

    not_quoting_s: float = 60.0
    residual_shares: float = 10.0


def find_faults(
    looks: Mapping[str, Look],
    *,
    now_s: float,
    clock_ns: int,
    bounds: Bounds,
    disk_free_ratio: float | None = None,
) -> list[FaultSeen]:
    """All faults of this moment but those that are told by a rise (`Rises`)."""
    current = current_looks(looks, now_s)
    strategy = _state(current, "strategy")
    windows = [(slug, mapping(view)) for slug, view in mapping(strategy.get("windows")).items()]
    found = [*_of_services(looks, now_s), *_halts(current)]
    found += _of_feed(_state(current, "feed"))
    found += _of_channel(_state(current, "userws"))
    found += _not_quoting(windows, bounds.not_quoting_s)
    for slug, view in windows:
        found += _of_window(slug, view, clock_ns, bounds)
    found += _of_day(strategy)
    if disk_free_ratio is not None and disk_free_ratio < DISK_FREE_RATIO:
        text = f"the disk is nearly full: {disk_free_ratio:.1%} free"
        found.append(_fault("disk", CRITICAL, text, "the-disk-is-nearly-full"))
    return found


def current_looks(looks: Mapping[str, Look], now_s: float) -> dict[str, Look]:
    """The services whose newest answer is of now."""
    return {n: one for n, one in looks.items() if one.health(now_s) in ("ready", "waiting")}


def _state(looks: Mapping[str, Look], name: str) -> Mapping[str, Any]:
    return looks[name].state if name in looks else {}


def _fault(key: str, severity: str, text: str, runbook: str, wait_s: float = 0.0) -> FaultSeen:
    return FaultSeen(key=key, severity=severity, text=text, runbook=runbook, wait_s=wait_s)


def _of_services(looks: Mapping[str, Look], now_s: float) -> Iterator[FaultSeen]:
    for look in looks.values():
        key, down = f"service {look.name}", "a-service-is-down"
        match look.health(now_s):
            case "dead":
                text = f"{look.name} does not answer: {look.problem or 'silent'}"
                yield _fault(key, CRITICAL, text, down, SILENT_WAIT_S)
            case "unknown":
                text = f"{look.name} never answered: {look.problem}"
                yield _fault(key, CRITICAL, text, down, UNKNOWN_WAIT_S)
            case "waiting":
                why = "; ".join(look.reasons) or "it does not say why"
                text = f"{look.name} is not ready: {why}"
                anchor = "a-service-is-not-ready"
                yield _fault(f"ready {look.name}", WARNING, text, anchor, NOT_READY_WAIT_S)
            case _:
                pass


def _halts(looks: Mapping[str, Look]) -> Iterator[FaultSeen]:
    for halt in halts(looks):
        reason, series = str(halt.get("reason")), str(halt["series"])
        what = f"{series} is halted" if series else "halted"
        by = f", by {halt['by']}" if halt.get("by") else ""
        dead_letter = "dlq" in reason
        anchor = "dead-letters" if dead_letter else "halt-and-resume"
        severity = CRITICAL if dead_letter else WARNING
        yield _fault(f"halt {series} {reason}", severity, f"{what}: {reason}{by}", anchor)


def _of_feed(feed: Mapping[str, Any]) -> Iterator[FaultSeen]:
    for slug, view in mapping(feed.get("series")).items():
        state, why = mapping(view).get("state"), mapping(view).get("reason")
        if state != "live":
            because = f" ({why})" if why else ""
            text = f"{_series(slug)}: market data is {state}{because}; nothing is quoted"
            yield _fault(f"feed {_series(slug)}", WARNING, text, "the-book-is-stale", FEED_WAIT_S)


def _of_channel(userws: Mapping[str, Any]) -> Iterator[FaultSeen]:
    state = userws.get("channel")
    if not state or state == "up" or userws.get("mode") == "dry":
        return
    why = f" ({userws['reason']})" if userws.get("reason") else ""
    text = f"the user channel is {state}{why}; nothing is quoted"
    yield _fault("user channel", CRITICAL, text, "the-user-channel-is-not-up", CHANNEL_WAIT_S)


def _not_quoting(
    windows: list[tuple[str, Mapping[str, Any]]], wait_s: float
) -> Iterator[FaultSeen]:
    """A window in which bids could rest, and none does; a halt is told as one."""
    for slug, view in windows:
        sides = [mapping(side) for side in mapping(view.get("outcomes")).values()]
        if view.get("state") != "quoting" or any(s.get("quote") is not None for s in sides):
            continue
        if not sides or any(side.get("obstacle") == _AT_HALT for side in sides):
            continue
        series = _series(slug)
        text = f"{series}: no bid rests: {view.get('why') or view.get('hold') or 'no reason told'}"
        yield _fault(f"not quoting {series}", WARNING, text, "it-is-not-quoting", wait_s)


def _of_window(
    slug: str, view: Mapping[str, Any], clock_ns: int, bounds: Bounds
) -> Iterator[FaultSeen]:
    if limit := view.get("loss_limit"):
        worst = view.get("worst_case_profit")
        at = f", worst case {number(worst):+.2f} dollars" if worst is not None else ""
        text = f"{slug}: {limit} is reached{at}; no new risk"
        yield _fault(f"loss {slug}", CRITICAL, text, "a-loss-limit-was-reached")
    if doubt := view.get("distrust"):
        text = f"{slug}: {doubt}; nothing is quoted"
        yield _fault(f"distrust {slug}", CRITICAL, text, "fills-without-their-trades")
    if difference := view.get("positions_differ"):
        text = f"{slug}: {difference}; nothing is quoted"
        anchor = "positions-differ"
        yield _fault(f"positions {slug}", CRITICAL, text, anchor, DISTRUST_WAIT_S)
    times_ns, net = window_times_ns(slug), number(view.get("net_diff"))
    if times_ns is None or view.get("state") not in _TRADING:
        return
    left_s = (times_ns[1] - clock_ns) / NS_PER_S
    if 0 < left_s <= RESIDUAL_BEFORE_CLOSE_S and abs(net) >= bounds.residual_shares > 0:
        more, less = ("Up", "Down") if net > 0 else ("Down", "Up")
        text = f"{slug}: {abs(net):g} more {more} than {less} are held, {left_s:.0f} s to the close"
        yield _fault(f"residual {slug}", WARNING, text, "shares-without-a-pair-near-the-end")


def _of_day(strategy: Mapping[str, Any]) -> Iterator[FaultSeen]:
    """The strategy says it by window too; between windows nobody else would."""
    limit = mapping(strategy.get("limits")).get("max_daily_loss")
    worst = strategy.get("worst_case_profit_today")
    if limit is None or worst is None or -number(worst) < number(limit):
        return
    text = (
        f"the daily loss limit of {number(limit):g} dollars is reached: "
        f"worst case of today {number(worst):+.2f} dollars"
    )
    yield _fault("loss day", CRITICAL, text, "a-loss-limit-was-reached")


def _series(slug: str) -> str:
    return slug.rpartition("-")[0] if window_times_ns(slug) else slug


class Rises:
    """Faults that a counter tells by rising. The first look is the start; a restart is one too."""

    def __init__(self) -> None:
        self._counts: dict[str, float] = {}
        self._rose: dict[str, tuple[float, float]] = {}

    def look(self, looks: Mapping[str, Look], now_s: float) -> list[FaultSeen]:
        """The counters that rose within `RISE_LASTS_S`, with by how much since it began."""
        for key, count in _counters(current_looks(looks, now_s)):
            self._note(key, count, now_s)
        found = []
        for key, (by, at_s) in list(self._rose.items()):
            if now_s - at_s > RISE_LASTS_S:
                del self._rose[key]
            else:
                found.append(_of_rise(key, by))
        return found

    def _note(self, key: str, count: float, now_s: float) -> None:
        before = self._counts.get(key)
        if before is None and len(self._counts) >= COUNTERS_KEPT:
            return
        self._counts[key] = count
        if before is not None and count > before:
            by = self._rose[key][0] if key in self._rose else 0.0
            self._rose[key] = (by + count - before, now_s)


def _counters(looks: Mapping[str, Look]) -> Iterator[tuple[str, float]]:
    """A reason that was never counted is not in `/state`, so the sum is what is followed."""
    for name in ("feed", "userws"):
        if name in looks:
            unusable = mapping(looks[name].state.get("unusable"))
            yield f"unusable {name}", sum(number(count) for count in unusable.values())
    if "userws" in looks:
        yield "balance", number(looks["userws"].state.get("balance_falls"))
    if "strategy" in looks:
        totals = mapping(looks["strategy"].state.get("totals"))
        yield "limit", number(totals.get("limit_violations"))
        yield "unsettled", number(totals.get("fills_unsettled"))


def _of_rise(key: str, by: float) -> FaultSeen:
    return _RISES[key](by)


def _unusable(name: str) -> Callable[[float], FaultSeen]:
    def told(by: float) -> FaultSeen:
        text = (
            f"{name} could not read {by:g} messages of the venue: has its protocol a new release?"
        )
        return _fault(f"unusable {name}", WARNING, text, "messages-that-cannot-be-read")

    return told


_RISES: Mapping[str, Callable[[float], FaultSeen]] = {
    "unusable feed": _unusable("feed"),
    "unusable userws": _unusable("userws"),
    "balance": lambda _: _fault(
        "balance",
        CRITICAL,
        "money left the wallet, and none of our fills explains it",
        "money-left-the-wallet",
    ),
    "limit": lambda by: _fault(
        "limit", CRITICAL, f"{by:g} fills took a limit beyond its bound", "a-limit-was-violated"
    ),
    "unsettled": lambda by: _fault(
        "unsettled",
        WARNING,
        f"{by:g} trades stay matched and do not settle",
        "trades-that-do-not-settle",
    ),
}
