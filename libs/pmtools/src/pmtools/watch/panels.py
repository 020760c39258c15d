"""The panels of the terminal, made of one snapshot of the console."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
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
    is_number,
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
    for halt in map(as_mapping, snapshot.get("halts") or ()):
        names = ", ".join(map(str, halt.get("services") or ()))
        series = halt.get("series")
        whose = f"HALTED series {series}" if series else f"HALTED ({names})"
        since = f", since {words(halt['since']).replace('T', ' ')}" if halt.get("since") else ""
        by = f", by {words(halt['by'])}" if halt.get("by") else ""
        lines.append(f"{whose}: {words(halt.get('reason'))}{since}{by}")
    for service in map(as_mapping, snapshot.get("services") or ()):
        if service.get("health") == "dead":
            lines.append(f"DEAD {service.get('name')}: {words(service.get('problem'))}")
    return lines


def windows_of(snapshot: Snapshot) -> list[Mapping[str, Any]]:
    """Its windows."""
    return [as_mapping(one) for one in snapshot.get("windows") or ()]


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


def overview(snapshot: Snapshot, chosen: Mapping[str, Any] | None) -> Group:
    """Each window in three lines: phase and money, both books with our bids, why none rests."""
    head = Text(f"  {'window':<27}{'phase':<20}{'net':>7}{'worst':>9}", SOFT)
    lines = [head]
    for one in windows_of(snapshot):
        lines += _window_lines(one, snapshot.get("clock_s"), mark="▸" if one is chosen else " ")
    return Group(*lines) if len(lines) > 1 else Group(Text("No window yet."))


def _window_lines(one: Mapping[str, Any], clock_s: Any, *, mark: str) -> list[Text]:
    profit, over = one.get("profit"), one.get("state") in OVER
    worst = profit if is_number(profit) else one.get("worst_case_profit")
    left = "" if over else f" {countdown(one.get('closes_s'), clock_s)}"
    head = Text(
        f"{mark} {one.get('slug', ''):<26} {words(one.get('state')) + left:<20}"
        f"{shares(one.get('net_diff')):>7}",
        "bold" if mark.strip() else "",
    )
    head.append(f"{money(worst):>9}", tone(worst))
    if over:
        return [head]
    sides = as_mapping(one.get("outcomes"))
    books = "   ".join(f"{name} {_touch(as_mapping(sides.get(name)))}" for name in ("up", "down"))
    why = words(one.get("why"))
    reason = Text(f"    why no bid: {why}", WARN) if why else Text("    both bids rest", GOOD)
    return [head, Text(f"    {books}"), reason]


def _touch(side: Mapping[str, Any]) -> str:
    ours = f" ours {price(side['quote'])}" if is_number(side.get("quote")) else ""
    return f"{price(side.get('bid'))}/{price(side.get('ask'))}{ours}"


def limits(snapshot: Snapshot, chosen: Mapping[str, Any] | None) -> Group:
    """What is used of each limit that is set."""
    given, day = as_mapping(snapshot.get("limits")), as_mapping(snapshot.get("day"))
    bars: list[Text] = []

    def add(name: str, value: Any, limit: Any, *, dollars: bool) -> None:
        if is_number(value) and is_number(limit):
            texts = [f"${x:.2f}" if dollars else f"{round(x, 4):g}" for x in (value, limit)]
            bars.append(meter(name, value, limit, " of ".join(texts)))

    if chosen is not None:
        add(
            "net shares", abs(chosen.get("net_diff") or 0), given.get("max_net_diff"), dollars=False
        )
        for name, side in as_mapping(chosen.get("outcomes")).items():
            value = (as_mapping(side).get("qty") or 0) * (as_mapping(side).get("avg_cost") or 0)
            add(f"value of {name}", value, given.get("max_position_value"), dollars=True)
        cost = chosen.get("portfolio_cost")
        add("pair cost", cost, given.get("max_portfolio_cost"), dollars=False)
        worst = chosen.get("worst_case_profit") or 0
        add("worst of window", max(0, -worst), given.get("max_window_loss"), dollars=True)
    worst = day.get("worst_case_profit_today") or 0
    add("worst of day", max(0, -worst), given.get("max_daily_loss"), dollars=True)
    return Group(*(bars or [Text("Nothing held that a limit counts.", SOFT)]))


def venue(snapshot: Snapshot) -> Group:
    """Whether orders may be placed, what rests, and after a kill the venue's own word."""
    seen = as_mapping(snapshot.get("venue"))
    count = seen.get("open_orders")
    halted = any(not as_mapping(halt).get("series") for halt in snapshot.get("halts") or ())
    if seen.get("flat"):
        first = Text("After the kill the venue was asked: nothing of ours rests there.", GOOD)
    elif halted and seen.get("checking"):
        first = Text("Halted. The venue is being asked what rests.", BAD)
    elif halted:
        first = Text(f"Halted. {_count(count)} orders may still rest.", BAD)
    else:
        known = is_number(count)
        first = Text(f"{count} orders rest." if known else "Not known what rests.")
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
    return Group(first, _pairs(rows))


def _budget(given: Mapping[str, Any]) -> str:
    return f"{shares(given.get('orders'))} orders, {shares(given.get('cancels'))} cancels"


def _count(value: Any) -> str:
    return f"{value:g}" if is_number(value) else "an unknown number of"


def today(snapshot: Snapshot) -> Group:
    """Profit of the day, and of the newest windows."""
    day = as_mapping(snapshot.get("day"))
    table = _pairs(
        [
            ("profit", Text(money(day.get("profit_today")), tone(day.get("profit_today")))),
            ("not settled yet", money(day.get("unsettled_today"))),
            ("worst case", money(day.get("worst_case_profit_today"))),
            (
                "windows",
                f"{shares(day.get('windows_settled_today'))} ended, "
                f"{shares(day.get('winners_unknown_today'))} without a known winner",
            ),
        ]
    )
    results = list(as_mapping(day.get("results_today")).items())[-_RESULTS:]
    for slug, given in reversed(results):
        result = as_mapping(given)
        value = result.get("profit")
        value = value if is_number(value) else result.get("worst_case_profit")
        table.add_row(words(slug), Text(money(value), tone(value)))
    return Group(table)


def services(snapshot: Snapshot) -> Group:
    """Each service: ready, waiting or dead, and what it says."""
    lines = []
    for one in map(as_mapping, snapshot.get("services") or ()):
        health = str(one.get("health"))
        said = [f"{words(t.get('what'))}: {words(t.get('text'))}" for t in _troubles(one)]
        said += [str(one.get("problem"))] if health == "dead" else list(one.get("reasons") or ())
        silent = one.get("silent_s")
        since = f" for {silent:.0f} s" if health == "dead" and is_number(silent) else ""
        shown = health.upper() if health == "dead" else health
        line = Text(f"{one.get('name', ''):<9} ")
        line.append(f"{shown}{since}", _SERVICE.get(health, ""))
        if said:
            line.append(f"  {'; '.join(map(words, said))}")
        lines.append(line)
    return Group(*(lines or [Text("No service was asked yet.", SOFT)]))


def _troubles(service: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return map(as_mapping, service.get("troubles") or ())


def latencies(snapshot: Snapshot) -> Table:
    """Milliseconds of each hop."""
    table = _plain("hop", right=("p50 ms", "p99 ms", "n"))
    for name, given in as_mapping(snapshot.get("hops")).items():
        figures = as_mapping(given)
        cells = [f"{figures.get(key) or 0:.2f}" for key in ("p50", "p99")]
        table.add_row(words(name), *cells, shares(figures.get("n")))
    return table


def decisions(snapshot: Snapshot) -> Group:
    """What changed at the strategy, newest first, with its reason, below the name of its window."""
    lines: list[Text] = []
    slug = None
    for event in list(map(as_mapping, snapshot.get("events") or ()))[:_DECISIONS]:
        if event.get("slug") != slug:
            slug = event.get("slug")
            lines.append(Text(words(slug), SOFT))
        side = f"{event.get('side')} " if event.get("side") else ""
        lines.append(Text(f"{clock_text(event.get('at_s'))}  {side}{words(event.get('text'))}"))
    return Group(*(lines or [Text("Nothing changed yet.", SOFT)]))


def fills(snapshot: Snapshot) -> Table | Text:
    """The newest fills, with what the mid did after each, in cents a share."""
    rows = list(map(as_mapping, snapshot.get("fills") or ()))[:_FILLS]
    if not rows:
        return Text("No fill yet.", SOFT)
    table = _plain("time", "window", "side", right=("qty", "price", "¢ 1s", "5s", "60s"))
    for fill in rows:
        marks = as_mapping(fill.get("markout_cents"))
        failed = " FAILED" if fill.get("failed") else ""
        table.add_row(
            clock_text(fill.get("at_s")),
            words(fill.get("slug")),
            f"{words(fill.get('outcome'))}{failed}",
            shares(fill.get("shares")),
            price(fill.get("price")),
            *(_cents(marks.get(span)) for span in ("1s", "5s", "60s")),
        )
    return table


def _cents(value: Any) -> Text:
    return Text(f"{value:+.1f}", tone(value / 100)) if is_number(value) else Text(ABSENT)


def _pairs(rows: Sequence[tuple[str, str | Text]]) -> Table:
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True, style=SOFT)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value)
    return table


def _plain(*left: str, right: Sequence[str] = ()) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style=SOFT)
    for name in left:
        table.add_column(name, no_wrap=True)
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table
