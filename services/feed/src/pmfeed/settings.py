"""The feed's own variables."""

from __future__ import annotations

from pydantic import Field

from pmcore.shell.settings.common import CommonSettings
from pmcore.shell.settings.problems import Problem, rule
from pmcore.shell.settings.value_types import WsUrl
from pmcore.wire.registry import MD_MAX_LEN
from pmfeed.underlying import ASSET


class FeedSettings(CommonSettings):
    """Common settings plus discovery, silence and recording. Times are those of PM_CLOCK."""

    prewarm_s: float = Field(10.0, validation_alias="PM_PREWARM_S", ge=1, le=3600)
    linger_s: float = Field(30.0, validation_alias="PM_FEED_LINGER_S", ge=0, le=3600)
    silent_ms: int = Field(3000, validation_alias="PM_FEED_SILENT_MS", ge=200, le=60_000)
    checkpoint_ms: int = Field(1000, validation_alias="PM_FEED_CHECKPOINT_MS", ge=100, le=60_000)
    md_max_entries: int = Field(
        MD_MAX_LEN, validation_alias="PM_MD_MAX_ENTRIES", ge=10_000, le=10_000_000
    )
    resolution_timeout_s: float = Field(
        600.0, validation_alias="PM_RESOLUTION_TIMEOUT_S", ge=0, le=86_400
    )
    underlying_url: WsUrl | None = Field(None, validation_alias="PM_UNDERLYING_URL")
    record: bool = Field(default=False, validation_alias="PM_RECORD")
    record_max_gb: float = Field(20.0, validation_alias="PM_RECORD_MAX_GB", gt=0, le=100_000)

    @property
    def assets(self) -> tuple[str, ...]:
        """The assets of all series, each once: `btc` of `btc-15m`."""
        return tuple(dict.fromkeys(asset_of(spec.series) for spec in self.series))

    @rule("underlying_url", "market_slugs")
    def _each_asset_has_its_stream(self) -> Problem | None:
        url = self.underlying_url
        if url is None or ASSET in url or len(self.assets) == 1:
            return None
        return Problem(
            variable="PM_UNDERLYING_URL",
            value=url,
            reason=f"is one stream, and the series have several assets: {', '.join(self.assets)}",
            remedy=f"write {ASSET} where the asset stands, as in /ws/{ASSET}usdt@bookTicker",
        )


def asset_of(series: str) -> str:
    """`btc` of `btc-15m`."""
    return series.partition("-")[0]
