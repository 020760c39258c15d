"""Raw frames with their receive time, written before parsing, so that parsing can be repeated.

Between the frames stand notes, lines of another source: `begun` and `ended` around what one
process wrote, and each state of the feed. `pm recordings check` reads from them what is missing.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from pmcore.model.market import Outcome, Window, parse_series, window_times_ns
from pmcore.model.units import NS_PER_S, format_price, format_qty
from pmcore.shell.files import write_file_atomically
from pmcore.shell.journal import JournalWriter
from pmcore.shell.recording import (
    BEGUN,
    ENDED,
    FOLDER,
    METADATA_END,
    NOTE_SOURCE,
    WINNERS_FILE,
)
from pmcore.shell.service.logs import Log
from pmfeed.metrics import FeedMetrics

BYTES_PER_GB = 1_000_000_000


class _Line(msgspec.Struct, frozen=True):
    recv_ns: int
    slug: str
    raw: str


class _Note(msgspec.Struct, frozen=True):
    recv_ns: int
    slug: str
    note: str
    source: str = NOTE_SOURCE


class Recorder:
    """Records one window to `<data_dir>/recordings/<slug>.jsonl.zst`, with its metadata beside.

    A disk that fails ends the recording with one log line, not the feed. So does a folder that
    holds `max_bytes` when the window begins: nothing old is deleted.
    """

    def __init__(
        self,
        data_dir: Path,
        window: Window,
        *,
        begins_ns: int,
        max_bytes: int,
        metrics: FeedMetrics,
        log: Log,
    ) -> None:
        self._slug = window.slug
        self._metrics = metrics
        self._log = log
        self._encoder = msgspec.json.Encoder()
        self._dropped = 0
        self._journal: JournalWriter | None = None
        directory = data_dir / FOLDER
        try:
            if (held := _size_of(directory)) >= max_bytes:
                gb = f"{held / BYTES_PER_GB:.1f} of {max_bytes / BYTES_PER_GB:g} GB"
                self._give_up(f"{directory} holds {gb} (PM_RECORD_MAX_GB): move old files away")
                return
            self._journal = JournalWriter(directory, window.slug)
            write_file_atomically(directory / f"{window.slug}{METADATA_END}", _metadata(window))
        except OSError as error:
            self._give_up(str(error))
        self.note(begins_ns, BEGUN)

    def write(self, recv_ns: int, raw: str) -> None:
        """Record one frame."""
        self._write(_Line(recv_ns, self._slug, raw))

    def note(self, at_ns: int, text: str) -> None:
        """Record what happened to the feed itself."""
        self._write(_Note(at_ns, self._slug, text))

    def _write(self, line: _Line | _Note) -> None:
        if self._journal is None:
            return
        try:
            self._journal.write(self._encoder.encode(line))
        except OSError as error:
            self._give_up(str(error))

    def flush(self) -> None:
        """Make what was written readable."""
        if self._journal is None:
            return
        try:
            self._journal.flush()
        except OSError as error:
            self._give_up(str(error))
            return
        self._metrics.record_dropped.inc(self._journal.dropped - self._dropped)
        self._dropped = self._journal.dropped

    def close(self, at_ns: int) -> None:
        """End the recording; what comes later is not written."""
        self.note(at_ns, ENDED)
        self.flush()
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _give_up(self, why: str) -> None:
        self._journal = None
        self._log.error("recording_stopped", slug=self._slug, detail=why)


def record_winner(data_dir: Path, slug: str, winner: Outcome) -> str:
    """Add who won to `winners.json` beside the recordings; return why that failed, or "".

    A file that cannot be read stays as it is.
    """
    path = data_dir / FOLDER / WINNERS_FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file_atomically(path, msgspec.json.encode({**_winners(path), slug: winner}))
    except (OSError, msgspec.DecodeError) as error:
        return f"{path}: {error}"
    return ""


def without_winner(data_dir: Path, series: str, now_ns: int) -> list[str]:
    """Recorded windows of a series that are over and whose winner was never recorded."""
    folder = data_dir / FOLDER
    try:
        known = _winners(folder / WINNERS_FILE)
    except (OSError, msgspec.DecodeError):
        return []
    slugs = [
        file.name.removesuffix(METADATA_END) for file in sorted(folder.glob(f"*{METADATA_END}"))
    ]
    return [slug for slug in slugs if slug not in known and _is_over(slug, series, now_ns)]


def _is_over(slug: str, series: str, now_ns: int) -> bool:
    times = window_times_ns(slug)
    return times is not None and parse_series(slug).series == series and times[1] <= now_ns


def _winners(path: Path) -> dict[str, object]:
    return msgspec.json.decode(
        path.read_bytes() if path.exists() else b"{}", type=dict[str, object]
    )


def _size_of(directory: Path) -> int:
    held = 0
    for file in directory.glob("*"):
        with suppress(FileNotFoundError):  # moved away meanwhile
            held += file.stat().st_size
    return held


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
