"""What `pm run` and `pm replay` say at the end: one table for people, one object for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from pmcore.engine.strategy.counters import SUMS
from pmcore.machines.book import BookCounters
from pmcore.model.units import PRICE_ONE_E4, SHARE_U6
from pmtools.money import figure_text

_INVENTORY = ("net_diff", "portfolio_cost", "worst_case_profit", "profit")


class Summary(msgspec.Struct, kw_only=True):
    """The figures of one run or replay; the names are those of the JSON object.

    `max_abs_net_diff` is in shares and `max_pair_cost` in dollars.
    """

    frames: int = 0
    events: int = 0
    books_verified: int = 0
    books_mismatched: int = 0
    books_unverifiable: int = 0
    change_hashes_verified: int = 0
    change_hashes_mismatched: int = 0
    touch_agreements: int = 0
    touch_disagreements: int = 0
    unusable: dict[str, int] = msgspec.field(default_factory=dict)
    trades: int = 0
    orders_placed: int = 0
    orders_cancelled: int = 0
    requotes: int = 0
    orders_rejected: dict[str, int] = msgspec.field(default_factory=dict)
    fills: int = 0
    windows: int = 0
    max_abs_net_diff: float = 0.0
    max_pair_cost: float = 0.0
    limit_violations: int = 0
    fingerprint: str = ""

    def add_books(self, counters: Mapping[str, Any]) -> None:
        """Add the counters of one window's books, or of a whole feed."""
        for name in BookCounters.__struct_fields__:
            setattr(self, name, getattr(self, name) + as_count(counters.get(name)))

    def add_engine(self, counters: Mapping[str, Any]) -> None:
        """Add the counters of one engine, or of all; maxima stay maxima."""
        for name in SUMS:
            if name not in self.__struct_fields__:
                continue
            setattr(self, name, getattr(self, name) + as_count(counters.get(name)))
        add_reasons(self.orders_rejected, counters.get("orders_rejected"))
        net_diff = as_count(counters.get("max_abs_net_diff_u6")) / SHARE_U6
        pair_cost = as_count(counters.get("max_pair_cost_e4")) / PRICE_ONE_E4
        self.max_abs_net_diff = max(self.max_abs_net_diff, net_diff)
        self.max_pair_cost = max(self.max_pair_cost, pair_cost)


class RunSummary(Summary, kw_only=True):
    """The summary of `pm run`; None in `orders_left_at_venue` means that nobody could say."""

    orders_left_at_venue: int | None = None
    hop_ms: dict[str, dict[str, float]] = msgspec.field(default_factory=dict)
    exit_reason: str = ""
    mode: str = ""
    seconds: float = 0.0
    inventory: dict[str, Any] = msgspec.field(default_factory=dict)
    directory: str = ""


def summarise_run(states: Mapping[str, Mapping[str, Any]]) -> RunSummary:
    """Sum up the last /state of each service; a service that never answered adds nothing."""
    summary = RunSummary()
    feed, strategy = states.get("feed", {}), states.get("strategy", {})
    summary.frames = as_count(feed.get("frames"))
    summary.events = as_count(feed.get("events"))
    summary.add_books(as_mapping(feed.get("books")))
    summary.add_engine(as_mapping(strategy.get("totals")))
    for name in ("feed", "userws"):
        add_reasons(summary.unusable, states.get(name, {}).get("unusable"))
    if not summary.orders_rejected:
        add_reasons(summary.orders_rejected, states.get("executor", {}).get("rejections"))
    summary.windows = as_count(strategy.get("windows_seen"))
    summary.fingerprint = str(strategy.get("fingerprint", ""))
    summary.mode = str(states.get("executor", {}).get("mode", ""))
    summary.inventory = inventory_of(as_mapping(strategy.get("windows")))
    for state in states.values():
        for hop, figures in as_mapping(state.get("hop_ms")).items():
            if isinstance(figures, Mapping):
                summary.hop_ms[hop] = {key: round(value, 3) for key, value in figures.items()}
    return summary


def inventory_of(windows: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What each window holds, or held when it was last seen."""
    inventory: dict[str, dict[str, Any]] = {}
    for slug, view in windows.items():
        outcomes = as_mapping(as_mapping(view).get("outcomes"))
        shares = {name: as_mapping(side).get("qty", 0) for name, side in outcomes.items()}
        figures = {name: view.get(name) for name in _INVENTORY if view.get(name) is not None}
        inventory[slug] = {**shares, **figures}
    return inventory


def as_count(value: object) -> int:
    """A whole number out of someone's JSON; 0 for anything else."""
    return value if isinstance(value, int) else 0


def add_reasons(into: dict[str, int], reasons: object) -> None:
    """Add counts by reason."""
    for reason, count in as_mapping(reasons).items():
        into[reason] = into.get(reason, 0) + as_count(count)


def print_summary(summary: Summary, console: Console, title: str) -> None:
    """The lines for people; no value is cut or broken, whatever the width."""
    rows: list[tuple[str, str]] = []
    for name, value in msgspec.to_builtins(summary).items():
        title_of_row = name.replace("_", " ")
        if isinstance(value, Mapping) and any(isinstance(v, Mapping) for v in value.values()):
            for key, inner in value.items():
                rows.append((f"{title_of_row} {key}", _as_text(key, inner)))
        elif value not in ("", None, {}):
            rows.append((title_of_row, _as_text(name, value)))
    width = max((len(name) for name, _ in rows), default=0)
    console.print(Text(title, style="italic"), soft_wrap=True)
    for name, text in rows:
        line = Text.assemble((name.ljust(width), "bold"), "  ", text)
        console.print(line, soft_wrap=True)


def as_json_line(summary: Summary, extra: Mapping[str, Any] | None = None) -> str:
    """The object for programs, in one line."""
    return msgspec.json.encode({**msgspec.to_builtins(summary), **(extra or {})}).decode()


def as_mapping(value: object) -> Mapping[str, Any]:
    """An object out of someone's JSON; empty for anything else."""
    return value if isinstance(value, Mapping) else {}


def _as_text(name: str, value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(
            f"{_title(key, item)} {_as_text(key, item)}" for key, item in value.items()
        )
    if (figure := figure_text(name, value)) is not None:
        return figure
    return f"{value:g}" if isinstance(value, float) else str(value)


def _title(name: str, value: object) -> str:
    return name if figure_text(name, value) is None else name.replace("_", " ")
