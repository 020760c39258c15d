"""The strategy's variables (docs/strategy_guide.md) and how they become `StrategyParams`.

In the library and not in the service, because `pm replay` and `pm doctor` read the same ones.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field

from pmcore.model.params import (
    FairValueParams,
    FirstLegParams,
    LimitParams,
    OfiMode,
    OfiParams,
    OfiScope,
    SeriesParams,
    StrategyParams,
    UnderlyingMoveParams,
)
from pmcore.model.units import NS_PER_MS, NS_PER_S, PPM_PER_BP, PRICE_ONE_E4, SHARE_U6
from pmcore.shell.settings.common import CommonSettings
from pmcore.shell.settings.problems import Problem, rule

TICKS = ("0.1", "0.01", "0.005", "0.0025", "0.001", "0.0001")


def _check_tick(tick: Decimal) -> Decimal:
    if not tick.is_finite() or format(tick.normalize(), "f") not in TICKS:
        raise ValueError(f"must be one of the venue's ticks: {', '.join(TICKS)}")
    return tick


Price = Annotated[Decimal, Field(gt=0, lt=1, decimal_places=4)]
Shares = Annotated[Decimal, Field(gt=0, le=1_000_000, decimal_places=2)]
SharesOrNone = Annotated[Decimal, Field(ge=0, le=1_000_000, decimal_places=2)]
Dollars = Annotated[Decimal, Field(gt=0, le=1_000_000, decimal_places=6)]
Ratio = Annotated[Decimal, Field(gt=0, le=1, decimal_places=4)]
Millis = Annotated[int, Field(ge=0, le=3_600_000)]
Seconds = Annotated[Decimal, Field(ge=0, le=86_400)]


class StrategySettings(CommonSettings):
    """What the engine's decisions depend on.

    Limits are strict: a value equal to its limit is refused.
    """

    pair_target: Price = Field(Decimal("0.99"), validation_alias="PM_PAIR_TARGET")
    hedge_by_unpaired_cost: bool = Field(default=True, validation_alias="PM_HEDGE_BY_UNPAIRED_COST")
    bid_size: Shares = Field(Decimal(2), validation_alias="PM_BID_SIZE")
    tick_size: Annotated[Decimal, AfterValidator(_check_tick)] = Field(
        Decimal("0.001"), validation_alias="PM_TICK_SIZE"
    )
    reprice_threshold: Annotated[Decimal, Field(ge=0, lt=1, decimal_places=4)] = Field(
        Decimal("0.005"), validation_alias="PM_REPRICE_THRESHOLD"
    )
    debounce_ms: Millis = Field(200, validation_alias="PM_DEBOUNCE_MS")
    max_net_diff: Shares = Field(Decimal(10), validation_alias="PM_MAX_NET_DIFF")
    max_portfolio_cost: Annotated[Decimal, Field(gt=0, le=2, decimal_places=4)] = Field(
        Decimal("1.02"), validation_alias="PM_MAX_PORTFOLIO_COST"
    )
    max_position_value: Dollars = Field(Decimal(5), validation_alias="PM_MAX_POSITION_VALUE")
    merge_min_pairs: SharesOrNone = Field(Decimal(0), validation_alias="PM_MERGE_MIN_PAIRS")
    max_window_loss: Dollars | None = Field(None, validation_alias="PM_MAX_WINDOW_LOSS")
    max_daily_loss: Dollars | None = Field(None, validation_alias="PM_MAX_DAILY_LOSS")

    ofi_window_ms: Annotated[int, Field(gt=0, le=600_000)] = Field(
        3000, validation_alias="PM_OFI_WINDOW_MS"
    )
    ofi_toxicity_threshold: Shares = Field(
        Decimal(50), validation_alias="PM_OFI_TOXICITY_THRESHOLD"
    )
    ofi_mode: OfiMode = Field(OfiMode.FIXED, validation_alias="PM_OFI_MODE")
    ofi_scope: OfiScope = Field(OfiScope.GLOBAL, validation_alias="PM_OFI_SCOPE")
    ofi_exit_ratio: Ratio = Field(Decimal("0.85"), validation_alias="PM_OFI_EXIT_RATIO")
    ofi_min_hold_ms: Millis = Field(800, validation_alias="PM_OFI_MIN_HOLD_MS")
    ofi_recovery_hold_ms: Millis = Field(1200, validation_alias="PM_OFI_RECOVERY_HOLD_MS")
    ofi_enter_quantile: Ratio = Field(Decimal("0.99"), validation_alias="PM_OFI_ENTER_QUANTILE")
    ofi_exit_quantile: Ratio = Field(Decimal("0.95"), validation_alias="PM_OFI_EXIT_QUANTILE")
    ofi_min_samples: Annotated[int, Field(ge=1, le=1500)] = Field(
        50, validation_alias="PM_OFI_MIN_SAMPLES"
    )
    ofi_cap: Shares = Field(Decimal(1000), validation_alias="PM_OFI_CAP")
    ofi_min_imbalance: Ratio = Field(Decimal("0.6"), validation_alias="PM_OFI_MIN_IMBALANCE")
    ofi_min_move_ticks: Annotated[int, Field(ge=0, le=100)] = Field(
        2, validation_alias="PM_OFI_MIN_MOVE_TICKS"
    )
    ofi_net_sigmas: Annotated[Decimal, Field(gt=0, le=100, decimal_places=4)] = Field(
        Decimal(3), validation_alias="PM_OFI_NET_SIGMAS"
    )
    ofi_net_span_s: Annotated[int, Field(ge=1, le=3600)] = Field(
        60, validation_alias="PM_OFI_NET_SPAN_S"
    )

    first_leg_within_s: Seconds | None = Field(None, validation_alias="PM_FIRST_LEG_WITHIN_S")
    first_leg_max_move: Annotated[Decimal, Field(ge=0, lt=1, decimal_places=4)] | None = Field(
        None, validation_alias="PM_FIRST_LEG_MAX_MOVE"
    )
    first_leg_move_span_s: Annotated[Decimal, Field(gt=0, le=600)] = Field(
        Decimal(20), validation_alias="PM_FIRST_LEG_MOVE_SPAN_S"
    )
    first_leg_min_depth_share: Annotated[Decimal, Field(gt=0, le=0.5, decimal_places=4)] | None = (
        Field(None, validation_alias="PM_FIRST_LEG_MIN_DEPTH_SHARE")
    )
    first_leg_calm_ms: Millis = Field(500, validation_alias="PM_FIRST_LEG_CALM_MS")

    underlying_move_bp: Annotated[Decimal, Field(ge=0, le=1_000, decimal_places=2)] = Field(
        Decimal(0), validation_alias="PM_UNDERLYING_MOVE_BP"
    )
    underlying_span_ms: Annotated[int, Field(ge=1, le=60_000)] = Field(
        1000, validation_alias="PM_UNDERLYING_SPAN_MS"
    )
    underlying_pause_ms: Annotated[int, Field(ge=1, le=600_000)] = Field(
        1000, validation_alias="PM_UNDERLYING_PAUSE_MS"
    )
    underlying_stale_ms: Annotated[int, Field(ge=100, le=60_000)] = Field(
        3000, validation_alias="PM_UNDERLYING_STALE_MS"
    )
    fair_value_margin: Annotated[Decimal, Field(gt=-1, lt=1, decimal_places=4)] | None = Field(
        None, validation_alias="PM_FAIR_VALUE_MARGIN"
    )
    fair_value_twap_s: Annotated[int, Field(ge=1, le=3600)] = Field(
        60, validation_alias="PM_FAIR_VALUE_TWAP_S"
    )

    stale_after_ms: Annotated[int, Field(ge=100, le=60_000)] = Field(
        3000, validation_alias="PM_STALE_AFTER_MS"
    )
    order_ttl_ms: Annotated[int, Field(ge=100, le=60_000)] = Field(
        1000, validation_alias="PM_ORDER_TTL_MS"
    )
    stop_new_risk_s: Seconds | None = Field(None, validation_alias="PM_STOP_NEW_RISK_S")
    cancel_before_close_s: Seconds = Field(Decimal(5), validation_alias="PM_CANCEL_BEFORE_CLOSE_S")
    settle_grace_s: Seconds = Field(Decimal(180), validation_alias="PM_SETTLE_GRACE_S")
    positions_lag_s: Seconds = Field(Decimal(180), validation_alias="PM_POSITIONS_LAG_S")
    journal: bool = Field(default=True, validation_alias="PM_JOURNAL")

    @rule("ofi_cap", "ofi_toxicity_threshold")
    def _cap_is_above_the_threshold(self) -> Problem | None:
        if self.ofi_cap >= self.ofi_toxicity_threshold:
            return None
        return Problem(
            variable="PM_OFI_CAP",
            value=str(self.ofi_cap),
            reason=f"must not be below PM_OFI_TOXICITY_THRESHOLD={self.ofi_toxicity_threshold}",
            remedy="raise it, or lower the threshold",
        )

    @rule("ofi_exit_quantile", "ofi_enter_quantile")
    def _exit_is_below_the_entry(self) -> Problem | None:
        if self.ofi_exit_quantile <= self.ofi_enter_quantile:
            return None
        return Problem(
            variable="PM_OFI_EXIT_QUANTILE",
            value=str(self.ofi_exit_quantile),
            reason=f"must not be above PM_OFI_ENTER_QUANTILE={self.ofi_enter_quantile}",
            remedy="lower it, or raise the other",
        )

    @rule("bid_size", "max_net_diff")
    def _one_fill_stays_under_the_limit(self) -> Problem | None:
        if self.bid_size < self.max_net_diff:
            return None
        return Problem(
            variable="PM_BID_SIZE",
            value=str(self.bid_size),
            reason=f"must be below PM_MAX_NET_DIFF={self.max_net_diff}: the limit is strict, so "
            f"one fill of {self.bid_size} shares must stay under it",
            remedy="lower the bid size, or raise the limit",
        )

    def as_params(self) -> StrategyParams:
        """The same in integers with units."""
        stop_s = self.stop_new_risk_s
        return StrategyParams(
            pair_target_e4=_e4(self.pair_target),
            hedge_by_unpaired_cost=self.hedge_by_unpaired_cost,
            bid_size_u6=_u6(self.bid_size),
            merge_min_pairs_u6=_u6(self.merge_min_pairs),
            finest_tick_e4=_e4(self.tick_size),
            reprice_threshold_e4=_e4(self.reprice_threshold),
            debounce_ns=self.debounce_ms * NS_PER_MS,
            limits=LimitParams(
                max_net_diff_u6=_u6(self.max_net_diff),
                max_portfolio_cost_e4=_e4(self.max_portfolio_cost),
                max_position_value_u6=_u6(self.max_position_value),
                max_window_loss_u6=_u6(self.max_window_loss) if self.max_window_loss else None,
                max_daily_loss_u6=_u6(self.max_daily_loss) if self.max_daily_loss else None,
            ),
            ofi=self._ofi_params(),
            first_leg=self._first_leg_params(),
            underlying=UnderlyingMoveParams(
                move_ppm=int(self.underlying_move_bp * PPM_PER_BP),
                span_ns=self.underlying_span_ms * NS_PER_MS,
                pause_ns=self.underlying_pause_ms * NS_PER_MS,
                stale_ns=self.underlying_stale_ms * NS_PER_MS,
            ),
            fair_value=self._fair_value_params(),
            stale_after_ns=self.stale_after_ms * NS_PER_MS,
            order_ttl_ns=self.order_ttl_ms * NS_PER_MS,
            stop_new_risk_ns=_ns(stop_s) if stop_s is not None else None,
            cancel_before_close_ns=_ns(self.cancel_before_close_s),
            settle_grace_ns=_ns(self.settle_grace_s),
            positions_lag_ns=_ns(self.positions_lag_s),
        )

    def series_params(self) -> SeriesParams:
        """The same, with what was overridden for single series."""
        own = {series: settings.as_params() for series, settings in self.by_series.items()}
        return SeriesParams(self.as_params(), own)

    def _first_leg_params(self) -> FirstLegParams:
        within_s, move, share = (
            self.first_leg_within_s,
            self.first_leg_max_move,
            self.first_leg_min_depth_share,
        )
        return FirstLegParams(
            within_ns=_ns(within_s) if within_s is not None else None,
            max_move_e4=_e4(move) if move is not None else None,
            move_span_ns=_ns(self.first_leg_move_span_s),
            min_depth_share_bps=_e4(share) if share is not None else None,
            calm_ns=self.first_leg_calm_ms * NS_PER_MS,
        )

    def _fair_value_params(self) -> FairValueParams:
        margin = self.fair_value_margin
        return FairValueParams(
            margin_e4=_e4(margin) if margin is not None else None,
            twap_ns=self.fair_value_twap_s * NS_PER_S,
        )

    def _ofi_params(self) -> OfiParams:
        return OfiParams(
            window_ns=self.ofi_window_ms * NS_PER_MS,
            threshold_u6=_u6(self.ofi_toxicity_threshold),
            mode=self.ofi_mode,
            scope=self.ofi_scope,
            exit_ratio_bps=_e4(self.ofi_exit_ratio),
            min_hold_ns=self.ofi_min_hold_ms * NS_PER_MS,
            recovery_hold_ns=self.ofi_recovery_hold_ms * NS_PER_MS,
            enter_quantile_bps=_e4(self.ofi_enter_quantile),
            exit_quantile_bps=_e4(self.ofi_exit_quantile),
            min_samples=self.ofi_min_samples,
            cap_u6=_u6(self.ofi_cap),
            min_imbalance_bps=_e4(self.ofi_min_imbalance),
            min_move_ticks=self.ofi_min_move_ticks,
            net_sigmas_bps=_e4(self.ofi_net_sigmas),
            net_span_ns=self.ofi_net_span_s * NS_PER_S,
        )


def _e4(value: Decimal) -> int:
    return int(value * PRICE_ONE_E4)


def _u6(value: Decimal) -> int:
    return int(value * SHARE_U6)


def _ns(seconds: Decimal) -> int:
    return int(seconds * NS_PER_S)
