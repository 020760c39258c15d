"""The panels of the terminal, made of one snapshot of the console."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.text import Text

from pmtools.run.layout import OVER
from pmtools.summary import as_mapping
from pmtools.watch.figures import (
    ABSENT,
    BAD,
    GOOD,
    SOFT,
    WARN,
    clock_text,
    countdown,
    figure,
    is_number,
    listed,
    meter,
    money,
    price,
    shares,
    tone,
    words,
)
from pmtools.watch.link import Snapshot

_RESULTS, _FILLS, _DECISIONS = 6, 20, 16
_HEALTH = {
    "ready": ("all services ready", GOOD),
    "waiting": ("a service is not ready", WARN),
    "unknown": ("starting", WARN),
    "dead": ("A SERVICE IS DEAD", BAD),
}
_SERVICE = {"ready": GOOD, "waiting": WARN, "unknown": SOFT, "dead": BAD}


def header(snapshot: Snapshot, title: str, *, live: bool) -> Text:
    """Mode, health and the engine's time, in one line; not `live`: nothing new comes."""
    mode = words(snapshot.get("mode")) or "unknown"
    health, style = _HEALTH.get(str(snapshot.get("health")), ("starting", WARN))
    if snapshot.get("halts"):
        health, style = "HALTED", BAD
    if not live:
        health, style = "NO DATA", BAD
    speed = snapshot.get("speed")
    fast = f", {speed:g} times as fast" if is_number(speed) and speed != 1 else ""
    return Text.assemble(
        (title, "bold"),
        "  ",
        (f"mode {mode}", BAD if mode == "live" else ""),
        "  ",
        (health, style),
        f"  {clock_text(snapshot.get('clock_s'))} UTC{fast}",
    )


def alarms(snapshot: Snapshot) -> list[str]:
    """Halts and dead services, a line each."""
    lines = []
    for halt in listed(snapshot.get("halts")):
        names = ", ".join(map(words, _list(halt.get("services"))))
        series = halt.get("series")
        whose = f"HALTED series {words(series)}" if series else f"HALTED ({names})"
        since = f", since {words(halt['since']).replace('T', ' ')}" if halt.get("since") else ""
        by = f", by {words(halt['by'])}" if halt.get("by") else ""
        lines.append(f"{whose}: {words(halt.get('reason'))}{since}{by}")
    for service in listed(snapshot.get("services")):
        if service.get("health") == "dead":
            lines.append(f"DEAD {words(service.get('name'))}: {words(service.get('problem'))}")
    return lines


def windows_of(snapshot: Snapshot) -> list[Mapping[str, Any]]:
    """Its windows."""
    return listed(snapshot.get("windows"))


def choose_window(windows: Sequence[Mapping[str, Any]], slug: str) -> Mapping[str, Any] | None:
    """The one that was chosen; after its end the next one of its series; else one that trades."""
    open_ones = [one for one in windows if one.get("state") not in OVER]
    same = next((one for one in windows if one.get("slug") == slug), None)
    if same is not None and same in open_ones:
        return same
    series = as_mapping(same).get("series") or slug.rpartition("-")[0]
    after = [one for one in open_ones if one.get("series") == series]
    quoting = [one for one in open_ones if one.get("state") == "quoting"]
    candidates = [*after, *quoting, *open_ones, *([same] if same else []), *windows]
    return candidates[0] if candidates else None


def overview(snapshot: Snapshot, chosen: Mapping[str, Any] | None) -> Text:
    """Each window in three lines: phase and money, both books with our bids, why none rests."""
    head = Text(f"  {'window':<27}{'phase':<20}{'net':>7}{'worst':>9}", SOFT)
    lines = [head]
    for one in windows_of(snapshot):
        lines += _window_lines(one, snapshot.get("clock_s"), mark="▸" if one is chosen else " ")
    return in_lines(lines) if len(lines) > 1 else Text("No window yet.")


def _window_lines(one: Mapping[str, Any], clock_s: Any, *, mark: str) -> list[Text]:
    profit, over = one.get("profit"), one.get("state") in OVER
    worst = profit if is_number(profit) else one.get("worst_case_profit")
    left = "" if over else f" {countdown(one.get('closes_s'), clock_s)}"
    head = Text(
        f"{mark} {words(one.get('slug')):<26} {words(one.get('state')) + left:<20}"
        f"{shares(one.get('net_diff')):>7}",
        "bold" if mark.strip() else "",
    )
    head.append(f"{money(worst):>9}", tone(worst))
    if over:
        return [head]
    sides = as_mapping(one.get("outcomes"))
    books = "   ".join(f"{name} {_touch(as_mapping(sides.get(name)))}" for name in ("up", "down"))
    why = words(one.get("why"))
    reason = Text(f"  why no bid: {why}", WARN) if why else Text("  both bids rest", GOOD)
    return [head, Text(f"  {books}"), reason]


def _touch(side: Mapping[str, Any]) -> str:
    ours = f" ours {price(side['quote'])}" if is_number(side.get("quote")) else ""
    return f"{price(side.get('bid'))}/{price(side.get('ask'))}{ours}"


def limits(snapshot: Snapshot, chosen: Mapping[str, Any] | None) -> Text:
    """What is used of each limit that is set."""
    given, day = as_mapping(snapshot.get("limits")), as_mapping(snapshot.get("day"))
    bars: list[Text] = []

    def add(name: str, value: Any, limit: Any, *, dollars: bool) -> None:
        if is_number(value) and is_number(limit):
            texts = [f"${x:.2f}" if dollars else f"{round(x, 4):g}" for x in (value, limit)]
            bars.append(meter(name, value, limit, " of ".join(texts)))

    if chosen is not None:
        add(
            "net shares",
            abs(figure(chosen.get("net_diff"))),
            given.get("max_net_diff"),
            dollars=False,
        )
        for name, side in as_mapping(chosen.get("outcomes")).items():
            value = as_mapping(side).get("capital_in_use")
            add(f"value of {name}", value, given.get("max_position_value"), dollars=True)
        cost = chosen.get("portfolio_cost")
        add("pair cost", cost, given.get("max_portfolio_cost"), dollars=False)
        worst = figure(chosen.get("worst_case_profit"))
        add("worst of window", max(0, -worst), given.get("max_window_loss"), dollars=True)
    worst = figure(day.get("worst_case_profit_today"))
    add("worst of day", max(0, -worst), given.get("max_daily_loss"), dollars=True)
    return in_lines(bars or [Text("Nothing held that a limit counts.", SOFT)])


def venue(snapshot: Snapshot) -> Text:
    """Whether orders may be placed, what rests, and after a kill the venue's own word."""
    seen = as_mapping(snapshot.get("venue"))
    count = seen.get("open_orders")
    halted = any(not halt.get("series") for halt in listed(snapshot.get("halts")))
    if seen.get("flat"):
        first = Text("After the kill the venue was asked: nothing of ours rests there.", GOOD)
    elif halted and seen.get("checking"):
        first = Text("Halted. The venue is being asked what rests.", BAD)
    elif halted:
        many = f"{count:g}" if is_number(count) else "unknown"
        first = Text(f"Halted. Orders that may still rest: {many}.", BAD)
    else:
        known = is_number(count)
        first = Text(f"Orders that rest: {count:g}." if known else "Not known what rests.")
    refuses = words(seen.get("refuses"))
    refused = [f"{words(name)} {n}" for name, n in as_mapping(seen.get("rejections")).items()]
    balance = seen.get("balance")
    rows = [
        ("mode", words(seen.get("mode")) or "unknown"),
        ("placing", f"no: {refuses}" if refuses else "yes"),
        ("rate budget", _budget(as_mapping(seen.get("budget")))),
        ("market data", words(seen.get("market_socket")) or ABSENT),
        ("user channel", words(seen.get("user_channel")) or ABSENT),
        ("cash", f"${balance:,.2f}" if is_number(balance) else ABSENT),
        ("refused orders", ", ".join(refused) or "none"),
    ]
    return in_lines([first, *map(_pair, rows)])


def _budget(given: Mapping[str, Any]) -> str:
    return f"{shares(given.get('orders'))} orders, {shares(given.get('cancels'))} cancels"


def today(snapshot: Snapshot, chosen: Mapping[str, Any] | None) -> Text:
    """Profit of the day, on paper by each fill model too, and of the newest windows."""
    day = as_mapping(snapshot.get("day"))
    ended, unknown = day.get("windows_settled_today"), day.get("winners_unknown_today")
    lines = [
        _profit("profit", day.get("profit_today")),
        _profit("not settled yet", day.get("unsettled_today")),
        _profit("worst case", day.get("worst_case_profit_today")),
        Text(f"{shares(ended)} windows ended, {shares(unknown)} without a known winner"),
        *_paper(as_mapping(snapshot.get("paper")), words(as_mapping(chosen).get("slug"))),
    ]
    results = list(as_mapping(day.get("results_today")).items())[-_RESULTS:]
    for slug, given in reversed(results):
        result = as_mapping(given)
        value = result.get("profit")
        value = value if is_number(value) else result.get("worst_case_profit")
        lines.append(_profit(words(slug), value))
    return in_lines(lines)


def _paper(paper: Mapping[str, Any], slug: str) -> list[Text]:
    """In dry mode what the same orders won by each fill model, since the executor's start."""
    days = as_mapping(paper.get("day"))
    if not days:
        return []
    ledgers = as_mapping(as_mapping(paper.get("windows")).get(slug))
    lines = [Text(f"{'paper, by model':<16}{'profit':>10}{'worst':>10}{'window':>10}", SOFT)]
    for name, given in days.items():
        day, window = as_mapping(given), as_mapping(ledgers.get(name))
        acts = " acts" if name == paper.get("fills") else ""
        line = Text(f"{words(name) + acts:<16}", SOFT)
        for value in (
            day.get("profit_today"),
            day.get("worst_case_profit_today"),
            window.get("worst_case_profit"),
        ):
            line.append(f"{money(value):>10}", tone(value))
        lines.append(line)
    return lines


def _profit(name: str, value: Any) -> Text:
    return Text.assemble((f"{name:<26}", SOFT), " ", (f"{money(value):>9}", tone(value)))


def services(snapshot: Snapshot) -> Text:
    """Each service: ready, waiting or dead, and what it says."""
    lines = []
    for one in listed(snapshot.get("services")):
        health = str(one.get("health"))
        said = [f"{words(t.get('what'))}: {words(t.get('text'))}" for t in _troubles(one)]
        said += (
            [str(one.get("problem"))]
            if health == "dead"
            else list(map(str, _list(one.get("reasons"))))
        )
        silent = one.get("silent_s")
        since = f" for {silent:.0f} s" if health == "dead" and is_number(silent) else ""
        shown = health.upper() if health == "dead" else health
        line = Text(f"{words(one.get('name')):<9} ")
        line.append(f"{shown}{since}", _SERVICE.get(health, ""))
        if said:
            line.append(f"  {'; '.join(map(words, said))}")
        lines.append(line)
    return in_lines(lines or [Text("No service was asked yet.", SOFT)])


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _troubles(service: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return listed(service.get("troubles"))


def latencies(snapshot: Snapshot) -> Text:
    """Milliseconds of each hop."""
    lines = [Text(f"{'hop':<18}{'p50 ms':>8}{'p99 ms':>8}{'n':>7}", SOFT)]
    for name, given in as_mapping(snapshot.get("hops")).items():
        figures = as_mapping(given)
        p50, p99 = (f"{figure(figures.get(key)):.2f}" for key in ("p50", "p99"))
        count = shares(figure(figures.get("n")))
        lines.append(Text(f"{words(name):<18}{p50:>8}{p99:>8}{count:>7}"))
    return in_lines(lines)


def decisions(snapshot: Snapshot) -> Text:
    """What changed at the strategy, newest first, with its reason, below the name of its window."""
    lines: list[Text] = []
    slug = None
    for event in listed(snapshot.get("events"))[:_DECISIONS]:
        if event.get("slug") != slug:
            slug = event.get("slug")
            lines.append(Text(words(slug), SOFT))
        side = f"{words(event['side'])} " if event.get("side") else ""
        lines.append(Text(f"{clock_text(event.get('at_s'))}  {side}{words(event.get('text'))}"))
    return in_lines(lines or [Text("Nothing changed yet.", SOFT)])


def fills(snapshot: Snapshot) -> Text:
    """The newest fills, with what the mid did after each, in cents a share."""
    rows = listed(snapshot.get("fills"))[:_FILLS]
    if not rows:
        return Text("No fill yet.", SOFT)
    head = (
        f"{'time':<9}{'window':<27}{'side':<5}{'qty':>5}{'price':>6}{'¢ 1s':>6}{'5s':>6}{'60s':>6}"
    )
    return in_lines([Text(head, SOFT), *map(_fill, rows)])


def _fill(fill: Mapping[str, Any]) -> Text:
    marks = as_mapping(fill.get("markout_cents"))
    line = Text(
        f"{clock_text(fill.get('at_s')):<9}{words(fill.get('slug')):<27}"
        f"{words(fill.get('outcome')):<5}{shares(fill.get('shares')):>5}{price(fill.get('price')):>6}"
    )
    for span in ("1s", "5s", "60s"):
        value = marks.get(span)
        text = f"{value:+.1f}" if is_number(value) else ABSENT
        line.append(f"{text:>6}", tone(value / 100) if is_number(value) else "")
    return line.append(" FAILED", BAD) if fill.get("failed") else line


def in_lines(lines: Sequence[Text]) -> Text:
    """One below the other."""
    return Text("\n").join(lines)


def _pair(row: tuple[str, str]) -> Text:
    name, value = row
    return Text.assemble((f"{name:<14} ", SOFT), value)
