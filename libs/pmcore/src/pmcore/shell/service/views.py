"""Which fields `/state` has, by service: what the OpenAPI documents say (docs/control-api.md)."""

from __future__ import annotations

from typing import TypedDict

Hops = dict[str, dict[str, float]]


class FeedView(TypedDict):
    """Totals since the start; `windows` and `series` are those that are fed now.

    `underlying`: by asset, when PM_UNDERLYING_URL is set.
    """

    frames: int
    events: int
    unusable: dict[str, int]
    books: dict[str, int]
    windows: list[str]
    windows_seen: int
    market_socket: str
    series: dict[str, dict[str, str]]
    underlying: dict[str, dict[str, object]]
    hop_ms: Hops


class DayView(TypedDict):
    """The money of a UTC day, in dollars."""

    profit_today: float
    unsettled_today: float
    worst_case_profit_today: float
    windows_settled_today: int
    winners_unknown_today: int
    results_today: dict[str, dict[str, float]]


class StrategyView(DayView):
    """`windows`: each live one by its slug. `fills`, `results`: the newest, oldest first.

    `limits_by_series` names the series whose settings were overridden.
    """

    totals: dict[str, object]
    windows: dict[str, dict[str, object]]
    windows_seen: int
    series_halted: dict[str, str]
    series_halts: dict[str, dict[str, str]]
    leases: list[dict[str, object]]
    hop_ms: Hops
    fingerprint: str
    limits: dict[str, float | None]
    limits_by_series: dict[str, dict[str, float | None]]
    clock_s: float
    fills: list[dict[str, object]]
    results: dict[str, dict[str, float]]


class ExecutorView(TypedDict):
    """`refuses`: why nothing is placed, or "" .

    In dry mode: `paper_fills`, the fill model that is acted on; `paper_ledgers`, by window and
    model; `paper_profits`, of the UTC day by model.
    """

    mode: str
    open_orders: int
    venue_mode: str
    refuses: str
    heartbeat: dict[str, object]
    hop_ms: Hops
    rejections: dict[str, int]
    unpublished: int
    engine: dict[str, object]
    lease: dict[str, object]
    paper_fills: str
    paper_ledgers: dict[str, dict[str, dict[str, float]]]
    paper_profits: dict[str, dict[str, float]]


class IdleChannelView(TypedDict):
    """Of the user channel, also when there is none."""

    channel: str
    fills: int
    frames: int
    unusable: dict[str, int]


class ChannelView(IdleChannelView, total=False):
    """Of the user channel of an account. `balance`: in dollars, None before it was read."""

    reason: str
    repeats: int
    unpublished: int
    orders_without_trades: int
    positions_read: int
    positions_failed: int
    balance: float | None
    balance_falls: int


class UserwsView(ChannelView):
    """The channel and the mode."""

    mode: str


class SimulatorView(TypedDict):
    """Counts over all accounts."""

    orders_open: int
    fills: int
    windows: int
    source: str
    done: bool
