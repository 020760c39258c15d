"""The feed's own variables."""

from __future__ import annotations

from pydantic import Field

from pmcore.shell.settings.common import CommonSettings


class FeedSettings(CommonSettings):
    """Common settings plus discovery, silence and recording. Times are those of PM_CLOCK."""

    prewarm_s: float = Field(10.0, validation_alias="PM_PREWARM_S", ge=1, le=3600)
    linger_s: float = Field(30.0, validation_alias="PM_FEED_LINGER_S", ge=0, le=3600)
    silent_ms: int = Field(3000, validation_alias="PM_FEED_SILENT_MS", ge=200, le=60_000)
    checkpoint_ms: int = Field(1000, validation_alias="PM_FEED_CHECKPOINT_MS", ge=100, le=60_000)
    resolution_timeout_s: float = Field(
        600.0, validation_alias="PM_RESOLUTION_TIMEOUT_S", ge=0, le=86_400
    )
    record: bool = Field(default=False, validation_alias="PM_RECORD")
    record_max_gb: float = Field(20.0, validation_alias="PM_RECORD_MAX_GB", gt=0, le=100_000)
