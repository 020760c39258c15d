"""The venue that the settings ask for: synthetic by seed, or a recording played back."""

from __future__ import annotations

from pmcore.shell.clock import Clock
from pmcore.shell.errors import StartupError
from pmcore.sim.desk import DeskParams
from pmcore.sim.ports import SimulatedVenue
from pmcore.sim.synthetic import SyntheticParams, SyntheticVenue
from pmsimulator.settings import SimulatorSettings


def make_venue(settings: SimulatorSettings, clock: Clock) -> SimulatedVenue:
    """Build the venue at the clock's present; raise `StartupError` in words for the operator."""
    desk = DeskParams(failed_ppm=settings.fail_trades_ppm)
    for spec in settings.series:
        if spec.fixed_slug is not None:
            raise StartupError(
                f"POLYMARKET_MARKET_SLUG: {spec.fixed_slug} is one window; a synthetic market "
                f"rotates: name a prefix such as btc-updown-60s"
            )
    return SyntheticVenue(
        SyntheticParams(
            series=settings.series, seed=settings.seed, start_ns=clock.now_ns(), desk=desk
        )
    )
