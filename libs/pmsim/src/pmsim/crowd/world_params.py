"""What a synthetic world is made of: the underlying's law and the crowd's rates and sizes.

`FITTED` is set by the recordings of 5-minute BTC windows (docs/modelling.md shows how well);
`LIGHT` is the same world at a fifth of its pace, for tests and local runs; `BUSY` has the frame
rate of the last minutes of a busy recorded window, mostly by orders that are resized.
"""

from __future__ import annotations

import msgspec

from pmcore.model.check import invariant

_SLOWEST_FOLLOWING = 0.4
_SMALLEST = 0.4


class UnderlyingParams(msgspec.Struct, frozen=True, kw_only=True):
    """A geometric Brownian motion with jumps, and the average that settles it (docs/venue.md 7.3).

    `sigma_bp` is the walk's deviation per square root of a second, jumps included; the crowd
    prices with `believed_bp`, and with three times that at a weight of `fear_percent`. In windows
    shorter than `natural_s` the walk is slower than believed, and the average shorter, so that
    the mid moves as much in a second as it does in a window of that length.
    """

    start_price_e8: int = 71_000 * 10**8
    sigma_bp: float = 1.0
    believed_bp: float = 1.15
    fear_percent: int = 6
    jumps_per_min: float = 1.0
    jump_bp: float = 3.0
    twap_s: int = 60
    natural_s: int = 300


class CrowdParams(msgspec.Struct, frozen=True, kw_only=True):
    """Rates are per minute unless named otherwise; sizes in shares. Defaults are the fit."""

    makers: int = 7
    levels: int = 7
    requote_ms: int = 45  # mean time between two makers' requotes, whoever's turn it is
    sell_percent: int = 8  # makers' orders that offer the complement instead of bidding
    resize_percent: int = 3  # chance per resting level to change its size at a requote
    refill_percent: int = 12  # chance per level that was traded away to come back at a requote
    half_spread_e4: int = 0  # of the maker that quotes closest
    maker_step_e4: int = 30  # every further maker keeps this much more distance
    view_e4: int = 30  # deviation of a maker's view from the fair value, drawn at each requote
    late_s: int = 60  # before the close makers keep more distance and smaller sizes
    late_half_spread_e4: int = 60
    late_size_percent: int = 40
    level_shares: float = 120.0
    far_shares: float = 900.0
    noise_per_min: float = 560.0
    informed_per_min: float = 180.0
    informed_ahead_ms: int = 2_000
    informed_edge_e4: int = 200
    informed_latency_ms: int | None = None  # else they know the present, and act so much later
    take_p50_shares: float = 7.0  # sizes of takers are log-normal
    take_log_sigma: float = 1.55
    fine_percent: int = 45  # takers' sizes with six decimals, the others with two
    burst_every_s: float = 45.0
    burst_ms: int = 2_500
    burst_per_s: float = 12.0
    burst_right_percent: int = 75  # how often a burst knows where the price will go
    sweep_per_min: float = 1.5
    sweep_shares: float = 700.0
    sweep_ticks: int = 5
    spell_log_sigma: float = 0.7  # of activity, which also drives the volatility
    spell_s: float = 12.0
    mood_sigma: float = 0.4  # of the takers' lean to one side
    mood_s: float = 40.0


def at_pace(params: CrowdParams, pace: float) -> CrowdParams:
    """The same crowd, `pace` times as busy.

    Makers and informed takers follow the price at least at 0.4 of their pace, because a slow world
    would otherwise consist of stale quotes. All sizes shrink together, to 0.4 at the least.
    """
    invariant(pace > 0, "a world needs a pace above 0")
    following, size = max(pace, _SLOWEST_FOLLOWING), min(1.0, max(pace, _SMALLEST))
    return msgspec.structs.replace(
        params,
        requote_ms=max(1, round(params.requote_ms / following)),
        level_shares=params.level_shares * size,
        far_shares=params.far_shares * size,
        take_p50_shares=params.take_p50_shares * size,
        noise_per_min=params.noise_per_min * pace,
        informed_per_min=params.informed_per_min * following,
        burst_per_s=params.burst_per_s * pace,
        sweep_per_min=params.sweep_per_min * following,
        sweep_shares=params.sweep_shares * size,
    )


class WorldParams(msgspec.Struct, frozen=True, kw_only=True):
    """A window's surroundings."""

    crowd: CrowdParams
    underlying: UnderlyingParams = UnderlyingParams()


FITTED = WorldParams(crowd=CrowdParams())
LIGHT = WorldParams(crowd=at_pace(FITTED.crowd, 0.2))
BUSY = WorldParams(
    crowd=msgspec.structs.replace(
        FITTED.crowd, requote_ms=23, resize_percent=40, noise_per_min=760.0
    )
)

WORLDS = {"light": LIGHT, "fitted": FITTED, "busy": BUSY}
"""By the names that PM_SIM_WORLD takes."""
