"""The venue that the settings ask for: synthetic by seed, or a recording played back."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pmcore.model.errors import MalformedInputError
from pmcore.model.market import Window
from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import Clock, real_now_ns
from pmcore.shell.service.errors import StartupError
from pmsim.crowd.world_params import WORLDS, WorldParams
from pmsim.faults.faulty_venue import FaultyVenue
from pmsim.recordings.reader import Recording, load_market_file
from pmsim.run.recorded import RecordedParams, RecordedVenue
from pmsim.run.synthetic import SyntheticParams, SyntheticVenue
from pmsim.venue.accounts import AccountsParams
from pmsim.venue.ports import SimulatedVenue
from pmsimulator.settings import SimulatorSettings

_LATE_NS = 600 * NS_PER_S


def make_venue(settings: SimulatorSettings, clock: Clock) -> SimulatedVenue:
    """Build the venue in the clock's time; raise `StartupError` in words for the operator."""
    return FaultyVenue(_sound_venue(settings, clock), seed=settings.seed, plan=settings.faults.plan)


def _sound_venue(settings: SimulatorSettings, clock: Clock) -> SimulatedVenue:
    accounts = AccountsParams(seed=settings.seed)
    if settings.recording is not None:
        return _recorded(settings.recording, settings.market, clock, accounts)
    for spec in settings.series:
        if spec.fixed_slug is not None:
            raise StartupError(
                f"POLYMARKET_MARKET_SLUG: {spec.fixed_slug} is one window; a synthetic market "
                "rotates: name a prefix such as btc-updown-60s"
            )
    return SyntheticVenue(
        SyntheticParams(
            series=settings.series,
            seed=settings.seed,
            start_ns=clock.now_ns(),
            protocol=settings.protocol,
            taker_delay_ms=settings.taker_delay_ms,
            auto_tick=settings.auto_tick,
            world=_world(settings),
            accounts=accounts,
        )
    )


def _world(settings: SimulatorSettings) -> WorldParams:
    world = WORLDS[settings.world]
    latency_ms = settings.informed_latency_ms
    if latency_ms is None:
        return world
    crowd = msgspec.structs.replace(world.crowd, informed_latency_ms=latency_ms)
    return msgspec.structs.replace(world, crowd=crowd)


def _recorded(
    path: Path, market: Path | None, clock: Clock, accounts: AccountsParams
) -> RecordedVenue:
    try:
        recording = Recording(path, load_market_file(market) if market is not None else ())
        windows = recording.windows()
        frames = ((frame.recv_ns, frame.raw) for frame in recording.frames())
        venue = RecordedVenue(
            windows, frames, RecordedParams(accounts=accounts), source=f"recording {path.name}"
        )
    except (MalformedInputError, OSError) as error:
        raise StartupError(f"PM_SIM_RECORDING: {path}: {error}") from error
    _check_clock(venue.now_ns, windows, clock)
    return venue


def _check_clock(first_ns: int, windows: tuple[Window, ...], clock: Clock) -> None:
    """A recording needs its own time; with another clock it would end at once, or never begin."""
    last_ns = max(window.close_ns for window in windows) + _LATE_NS
    if not first_ns - _LATE_NS <= clock.now_ns() <= last_ns:
        raise StartupError(
            "PM_CLOCK: not the recording's time; for this run set it, for all services, to "
            f"{first_ns},{real_now_ns()},1"
        )
