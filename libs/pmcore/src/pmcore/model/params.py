"""The strategy's parameters: one frozen struct per window; a change is a new struct.

Names follow the user's variables (docs/strategy_guide.md); every value carries its unit.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pmcore.model.units import NS_PER_MS, NS_PER_S


class OfiMode(StrEnum):
    """OFF: no flow is toxic. FIXED: one threshold. ADAPTIVE: quantiles with two confirmations.

    NET: both outcomes as one market, measured by its own flow, with the same confirmations.
    """

    OFF = "off"
    FIXED = "fixed"
    ADAPTIVE = "adaptive"
    NET = "net"


class OfiScope(StrEnum):
    """What toxic flow kills: every bid, or only bids that add to |net_diff|."""

    GLOBAL = "global"
    RISK_INCREASING = "risk_increasing"


class OfiParams(msgspec.Struct, frozen=True, kw_only=True):
    """Order-flow imbalance: window, threshold, hysteresis.

    See docs/strategy_guide.md#order-flow-imbalance.
    """

    window_ns: int = 3000 * NS_PER_MS
    threshold_u6: int = 50_000_000
    mode: OfiMode = OfiMode.FIXED
    scope: OfiScope = OfiScope.GLOBAL
    exit_ratio_bps: int = 8500
    min_hold_ns: int = 800 * NS_PER_MS
    recovery_hold_ns: int = 1200 * NS_PER_MS
    enter_quantile_bps: int = 9900
    exit_quantile_bps: int = 9500
    min_samples: int = 50
    cap_u6: int = 1_000_000_000
    min_imbalance_bps: int = 6000
    min_move_ticks: int = 2
    net_sigmas_bps: int = 30_000
    net_span_ns: int = 60 * NS_PER_S


class FirstLegParams(msgspec.Struct, frozen=True, kw_only=True):
    """Gates on new pairs; None: that gate is always open. See docs/strategy_guide.md."""

    within_ns: int | None = None  # after the opening
    max_move_e4: int | None = None  # of Up's mid, within the span
    move_span_ns: int = 20 * NS_PER_S
    min_depth_share_bps: int | None = None  # of the thinner side of Up's touch in both
    calm_ns: int = 500 * NS_PER_MS  # all gates open for this long before the next pair begins


class UnderlyingMoveParams(msgspec.Struct, frozen=True, kw_only=True):
    """When a move of the underlying withdraws bids; see docs/strategy_guide.md.

    `move_ppm` is in millionths of the price (100 are a basis point); 0: the rule is off.
    """

    move_ppm: int = 0
    span_ns: int = 1_000 * NS_PER_MS
    pause_ns: int = 1_000 * NS_PER_MS
    stale_ns: int = 3_000 * NS_PER_MS


class FairValueParams(msgspec.Struct, frozen=True, kw_only=True):
    """When a bid is above what the underlying's price says that it is worth.

    `margin_e4`: the least that a bid must be below it, negative: the most above; None: off.
    `twap_ns`: the span of the averages that a window settles on. See docs/strategy_guide.md.
    """

    margin_e4: int | None = None
    twap_ns: int = 60 * NS_PER_S


class OrderCaps(msgspec.Struct, frozen=True, kw_only=True):
    """The strategy's limits, checked once more where orders are sent. None: not limited."""

    bid_size_u6: int
    max_position_value_u6: int
    pair_target_e4: int | None = None
    max_net_diff_u6: int | None = None
    max_window_loss_u6: int | None = None
    merge_min_pairs_u6: int = 0  # 0: nothing is merged


class LimitParams(msgspec.Struct, frozen=True, kw_only=True):
    """Hard limits; all of them strict (`<`)."""

    max_net_diff_u6: int = 10_000_000
    max_portfolio_cost_e4: int = 10_200
    max_position_value_u6: int = 5_000_000
    max_window_loss_u6: int | None = None
    max_daily_loss_u6: int | None = None


class StrategyParams(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the engine's decisions depend on, besides what it is told."""

    pair_target_e4: int = 9900
    bid_size_u6: int = 2_000_000
    finest_tick_e4: int = 10
    reprice_threshold_e4: int = 50
    debounce_ns: int = 200 * NS_PER_MS
    limits: LimitParams = LimitParams()
    ofi: OfiParams = OfiParams()
    first_leg: FirstLegParams = FirstLegParams()
    underlying: UnderlyingMoveParams = UnderlyingMoveParams()
    fair_value: FairValueParams = FairValueParams()
    stale_after_ns: int = 3 * NS_PER_S
    order_ttl_ns: int = 1 * NS_PER_S
    stop_new_risk_ns: int | None = None
    cancel_before_close_ns: int = 5 * NS_PER_S
    settle_grace_ns: int = 180 * NS_PER_S
    agree_timeout_ns: int = 1 * NS_PER_S  # then the executor is asked what became of an order
    account_timeout_ns: int = 10 * NS_PER_S  # then the account is not trusted
    positions_lag_ns: int = 180 * NS_PER_S  # the Data API may be this far behind the chain
    positions_stay_ns: int = 10 * NS_PER_S  # a difference that stays for longer is believed
    settle_timeout_ns: int = 120 * NS_PER_S  # MATCHED for longer than this is told
    answer_timeout_ns: int = 5 * NS_PER_S
    cross_backoff_ns: int = 250 * NS_PER_MS
    cross_backoff_max_ns: int = 2 * NS_PER_S
    cross_memory_ns: int = 10 * NS_PER_S
    failure_backoff_ns: int = 1 * NS_PER_S
    max_orders_per_window: int = 20_000
    hedge_by_unpaired_cost: bool = True  # else by the average cost of the side
    merge_min_pairs_u6: int = 0  # the fewest pairs that one merge is worth; 0: nothing is merged

    def order_caps(self) -> OrderCaps:
        """The same limits as the executor is given."""
        return OrderCaps(
            bid_size_u6=self.bid_size_u6,
            max_position_value_u6=self.limits.max_position_value_u6,
            pair_target_e4=self.pair_target_e4,
            max_net_diff_u6=self.limits.max_net_diff_u6,
            max_window_loss_u6=self.limits.max_window_loss_u6,
            merge_min_pairs_u6=self.merge_min_pairs_u6,
        )

    def stop_new_risk_for_ns(self, length_ns: int) -> int:
        """How long before the close new risk ends: 60 s of 5 m, 240 s of 15 m, else scaled."""
        if self.stop_new_risk_ns is not None:
            return self.stop_new_risk_ns
        if length_ns >= 900 * NS_PER_S:
            return 240 * NS_PER_S
        return length_ns // 5


class SeriesParams(msgspec.Struct, frozen=True):
    """The parameters of all series, and of those that have their own (`btc-5m`)."""

    base: StrategyParams
    by_series: dict[str, StrategyParams] = {}

    def of(self, series: str) -> StrategyParams:
        """Those of a series."""
        return self.by_series.get(series, self.base)
