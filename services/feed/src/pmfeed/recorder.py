"""Raw frames with their receive time, written before parsing, so that parsing can be repeated."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pmcore.model.market import Window
from pmcore.model.units import NS_PER_S, format_price, format_qty
from pmcore.shell.files import write_file_atomically
from pmcore.shell.journal import JournalWriter
from pmcore.shell.service.logs import Log
from pmfeed.metrics import FeedMetrics


class _Line(msgspec.Struct, frozen=True):
    recv_ns: int
    slug: str
    raw: str


class Recorder:
    """Records one window to `<data_dir>/recordings/<slug>.jsonl.zst`, with its metadata beside.

    A disk that fails ends the recording with one log line, not the feed.
    """

    def __init__(self, data_dir: Path, window: Window, *, metrics: FeedMetrics, log: Log) -> None:
        self._slug = window.slug
        self._metrics = metrics
        self._log = log
        self._encoder = msgspec.json.Encoder()
        self._dropped = 0
        self._journal: JournalWriter | None = None
        directory = data_dir / "recordings"
        try:
            self._journal = JournalWriter(directory, window.slug)
            write_file_atomically(directory / f"{window.slug}.market.json", _metadata(window))
        except OSError as error:
            self._give_up(error)

    def write(self, recv_ns: int, raw: str) -> None:
        """Record one frame."""
        if self._journal is None:
            return
        try:
            self._journal.write(self._encoder.encode(_Line(recv_ns, self._slug, raw)))
        except OSError as error:
            self._give_up(error)

    def flush(self) -> None:
        """Make what was written readable."""
        if self._journal is None:
            return
        try:
            self._journal.flush()
        except OSError as error:
            self._give_up(error)
            return
        self._metrics.record_dropped.inc(self._journal.dropped - self._dropped)
        self._dropped = self._journal.dropped

    def close(self) -> None:
        """End the recording."""
        self.flush()
        if self._journal is not None:
            self._journal.close()

    def _give_up(self, error: OSError) -> None:
        self._journal = None
        self._log.error("recording_stopped", slug=self._slug, detail=str(error))


def _metadata(window: Window) -> bytes:
    return msgspec.json.encode(
        {
            "slug": window.slug,
            "conditionId": window.condition_id,
            "upTokenId": window.up_token_id,
            "downTokenId": window.down_token_id,
            "startTs": window.open_ns // NS_PER_S,
            "endTs": window.close_ns // NS_PER_S,
            "tickSize": format_price(window.tick_e4),
            "minOrderSize": format_qty(window.min_size_u6),
            "negRisk": window.neg_risk,
            "version": window.protocol,
        }
    )
