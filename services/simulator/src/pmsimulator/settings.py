"""What the simulator reads from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
from pydantic import AfterValidator, Field

from pmcore.model.errors import MalformedInputError
from pmcore.model.market import Protocol
from pmcore.shell.settings.common import CommonSettings
from pmcore.shell.settings.problems import Problem, rule
from pmsimulator.faults import FaultRequest, read_faults
from pmsimulator.rate_limits import Tier


class SourceKind(StrEnum):
    """Where the market comes from."""

    SYNTHETIC = "synthetic"
    RECORDING = "recording"


class WorldName(StrEnum):
    """How much happens in a synthetic market (docs/modelling.md)."""

    LIGHT = "light"
    FITTED = "fitted"
    BUSY = "busy"


def _by_recording(data: Mapping[str, object]) -> SourceKind:
    return SourceKind.SYNTHETIC if data.get("recording") is None else SourceKind.RECORDING


def _check_file(path: Path) -> Path:
    if not path.is_file():
        raise ValueError("no such file")
    return path


def _check_chain(chain_id: int) -> int:
    if chain_id not in (137, 80002):
        raise ValueError("expected 137 (Polygon) or 80002 (Amoy)")
    return chain_id


def _check_faults(text: str) -> str:
    try:
        read_faults(text)
    except MalformedInputError as error:
        raise ValueError(str(error)) from None
    return text


ExistingFile = Annotated[Path, AfterValidator(_check_file)]


class SimulatorSettings(CommonSettings):
    """The venue's address, its world and its bounds. Series: POLYMARKET_MARKET_SLUG."""

    sim_host: str = Field("127.0.0.1", validation_alias="PM_SIM_HOST", min_length=1)
    sim_port: int = Field(8200, validation_alias="PM_SIM_PORT", ge=0, le=65_535)
    recording: ExistingFile | None = Field(None, validation_alias="PM_SIM_RECORDING")
    market: ExistingFile | None = Field(None, validation_alias="PM_SIM_MARKET")
    source: SourceKind = Field(default_factory=_by_recording, validation_alias="PM_SIM_SOURCE")
    world: WorldName = Field(WorldName.LIGHT, validation_alias="PM_SIM_WORLD")
    seed: int = Field(1, validation_alias="PM_SIM_SEED", ge=0, le=2**63 - 1)
    fail_trades_ppm: int = Field(0, validation_alias="PM_SIM_FAIL_TRADES_PPM", ge=0, le=1_000_000)
    chain_id: Annotated[int, AfterValidator(_check_chain)] = Field(
        137, validation_alias="PM_SIM_CHAIN_ID"
    )
    tier: Tier = Field(Tier.STANDARD, validation_alias="PM_SIM_TIER")
    outbox_frames: int = Field(
        20_000, validation_alias="PM_SIM_OUTBOX_FRAMES", ge=100, le=1_000_000
    )

    protocol: Protocol = Field(Protocol.V1, validation_alias="PM_SIM_PROTOCOL")
    listed_ahead_s: int = Field(
        86_400, validation_alias="PM_SIM_LISTED_AHEAD_S", ge=0, le=7 * 86_400
    )
    taker_delay_ms: int = Field(150, validation_alias="PM_SIM_TAKER_DELAY_MS", ge=0, le=10_000)
    underlying_latency_ms: int = Field(
        50, validation_alias="PM_SIM_UNDERLYING_LATENCY_MS", ge=0, le=60_000
    )
    informed_latency_ms: int | None = Field(
        None, validation_alias="PM_SIM_INFORMED_LATENCY_MS", ge=0, le=60_000
    )
    auto_tick: bool = Field(default=True, validation_alias="PM_SIM_AUTO_TICK")
    faults_json: Annotated[str, AfterValidator(_check_faults)] = Field(
        "{}", validation_alias="PM_SIM_FAULTS"
    )

    @property
    def faults(self) -> FaultRequest:
        """The faults from the start; the older PM_SIM_FAIL_TRADES_PPM is a part of it."""
        wanted = read_faults(self.faults_json)
        if not self.fail_trades_ppm:
            return wanted
        plan = msgspec.structs.replace(wanted.plan, failed_ppm=self.fail_trades_ppm)
        return FaultRequest(plan, wanted.door)

    @rule("source", "recording")
    def _source_fits(self) -> Problem | None:
        if (self.source is SourceKind.RECORDING) == (self.recording is not None):
            return None
        return Problem(
            variable="PM_SIM_SOURCE",
            value=self.source.value,
            reason="PM_SIM_SOURCE=recording and PM_SIM_RECORDING=FILE go together",
            remedy="unset PM_SIM_SOURCE: it follows from PM_SIM_RECORDING",
        )
