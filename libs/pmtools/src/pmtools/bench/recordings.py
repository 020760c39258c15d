"""The recording that feed, engine and replay are measured on: the operator's, or one of a seed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pmcore.model.errors import MalformedInputError
from pmcore.model.market import parse_series
from pmcore.model.units import NS_PER_MS, NS_PER_S
from pmcore.venue.encode import to_text
from pmsim.recordings.reader import Recording
from pmsim.run.synthetic import SyntheticParams, SyntheticVenue
from pmsim.venue.ports import MarketFrame
from pmtools.errors import UsageError

_START_NS = 1_790_766_900 * NS_PER_S
_STEP_NS = 50 * NS_PER_MS


@contextmanager
def recording_of(file: Path | None, frames: int) -> Iterator[Recording]:
    """`file`, or the first frames of a synthetic market with seed 7.

    Raise `UsageError` for a file that is none or holds no market.
    """
    if file is not None:
        yield _named(file)
        return
    with tempfile.TemporaryDirectory(prefix="pm-bench-") as directory:
        yield Recording(_synthetic(Path(directory) / "synthetic.jsonl", frames))


def _named(file: Path) -> Recording:
    try:
        recording = Recording(file)
        recording.windows()
    except (MalformedInputError, OSError) as error:
        raise UsageError(f"--file {file}: {error}") from error
    return recording


def _synthetic(path: Path, frames: int) -> Path:
    series = (parse_series("btc-updown-15m"),)
    venue = SyntheticVenue(SyntheticParams(series=series, seed=7, start_ns=_START_NS))
    window = venue.listings()[0].window
    with path.open("w") as lines:
        while frames > 0 and venue.now_ns < window.close_ns:
            for event in venue.advance(venue.now_ns + _STEP_NS):
                if isinstance(event, MarketFrame) and event.condition_id == window.condition_id:
                    row = {"recv_ns": event.at_ns, "slug": window.slug, "raw": event.text}
                    lines.write(f"{to_text(row)}\n")
                    frames -= 1
    return path
