"""Read recordings of market data in all known formats (README: `pm replay`).

Told apart by content: JSON lines with a frame and its receive time (also our own recorder's),
frames separated by `;;`, `books_1hz`, and the `caio_*` books and trades; gzip, zstd or plain.
Bad lines are counted by reason. A file of which nothing can be used is one `MalformedInputError`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import islice
from pathlib import Path

from pmcore.model.errors import MalformedInputError
from pmcore.model.market import Outcome, Window, parse_series, window_times_ns
from pmcore.model.units import NS_PER_S
from pmcore.shell.journal import journal_parts, journal_stem
from pmcore.shell.recording import METADATA_END
from pmcore.venue.fields import (
    as_list,
    as_object,
    decode_json,
    optional_text,
    text_of,
    time_ns_of,
)
from pmcore.venue.market_values import event_type_of
from pmcore.venue.unusable import UnusableLog, UnusableSample
from pmcore.venue.usual_frames import usual_frame
from pmsim.recordings.bytes import chunks, records, whole_file
from pmsim.recordings.infer_window import (
    MarketGuess,
    slug_in,
    window_without_tokens,
    windows_of_market_file,
)
from pmsim.recordings.rows import (
    RawFrame,
    book_row_frame,
    caio_frames,
    envelope_frame,
    stand_in_id,
    text_frame,
    usual_line,
)
from pmsim.recordings.winners import Winner, winner_in_metadata

__all__ = ["RawFrame", "Recording", "RecordingFormat", "load_market_file"]

_MAX_WHOLE_FILE_BYTES = 256 * 1024 * 1024
_FORMAT_BYTES = 256 * 1024
_FRAMES_SCANNED = 5_000
_LONGEST_NS = 7 * 86_400 * NS_PER_S
_CAIO_NAME = re.compile(r"_(?P<kind>orderbooks|trades)_(?P<side>up|down)(?=\.json)")
_EVENTS = frozenset({"book", "price_change", "last_trade_price", "tick_size_change"})


class RecordingFormat(StrEnum):
    """How a recording is written."""

    LINES = "lines"
    TEXT = "text"
    BOOKS_1HZ = "books_1hz"
    CAIO = "caio"


def load_market_file(path: Path) -> list[Window]:
    """The windows of a market file; raise `MalformedInputError` with a reason."""
    return windows_of_market_file(decode_json(whole_file(path, _MAX_WHOLE_FILE_BYTES)))


class Recording:
    """One recording. `frames()` may be called again; the counts are those of the last pass.

    `windows` given by the caller replace inferred ones of the same condition id; in formats
    without ids the first of them is taken. Later parts of our own recorder's files are read
    behind their first one.
    """

    def __init__(self, path: Path, windows: Sequence[Window] = ()) -> None:
        self.path = path
        self.parts = tuple(journal_parts(path.parent, journal_stem(path))) or (path,)
        self.clamped = 0
        self._given = tuple(windows)
        self._log = UnusableLog()
        self._windows: tuple[Window, ...] | None = None
        self._first = _beginning(self.parts)
        self.format = _format_of(path, self._first)

    @property
    def unusable(self) -> dict[str, int]:
        """Counts of lines, rows and ends that could not be read, by reason."""
        return self._log.counts

    @property
    def samples(self) -> list[UnusableSample]:
        """The first unusable inputs, shortened."""
        return self._log.samples

    def windows(self) -> tuple[Window, ...]:
        """A window for each market in the recording, in order of appearance.

        Raise `MalformedInputError("no_frames")` when there is none.
        """
        if self._windows is None:
            if self.format is RecordingFormat.BOOKS_1HZ:
                self._windows = (self._given or (_window_of_books(self._first),))[:1]
            elif self.format is RecordingFormat.CAIO:
                self._windows = (self._given or (_window_of_caio(self.path),))[:1]
            else:
                self._windows = self._scan()
        return self._windows

    def winners(self) -> dict[str, Winner]:
        """Who won, by slug, as the metadata in the first line say."""
        line = self._first.lstrip().partition(b"\n")[0]
        try:
            row = decode_json(line)
            market = row.get("market") if isinstance(row, dict) else None
            outcome = winner_in_metadata(market) if isinstance(market, dict) else None
        except MalformedInputError:
            return {}
        return {
            window.slug: Winner(outcome, "first line")
            for window in self.windows()[:1]
            if outcome is not None
        }

    def frames(self) -> Iterator[RawFrame]:
        """All frames in order of arrival; receive times never run backwards (`clamped` counts)."""
        self._log = UnusableLog()
        self.clamped = 0
        first_ns = newest_ns = 0
        for frame in self._unordered():
            first_ns = first_ns or frame.recv_ns
            if abs(frame.recv_ns - first_ns) > _LONGEST_NS:
                self._log.add("bad_time", frame.raw, newest_ns)
                continue
            if frame.recv_ns < newest_ns:
                self.clamped += 1
                yield RawFrame(newest_ns, frame.raw, frame.slug)
            else:
                newest_ns = frame.recv_ns
                yield frame

    def _unordered(self) -> Iterator[RawFrame]:
        if self.format is RecordingFormat.CAIO:
            yield from self._caio()
            return
        for part in self.parts:
            yield from self._frames_of(part)

    def _frames_of(self, part: Path) -> Iterator[RawFrame]:
        separator = b";;" if self.format is RecordingFormat.TEXT else b"\n"
        try:
            for record in records(part, separator):
                if record is None:
                    self._log.add("too_large", b"", 0)
                elif record.strip():
                    try:
                        frame = self._frame(record)
                    except MalformedInputError as error:
                        self._log.add(error.reason, record, 0, error.detail)
                        continue
                    if frame is not None:
                        yield frame
        except MalformedInputError as error:
            self._log.add(error.reason, b"", 0, error.detail)

    def _frame(self, record: bytes) -> RawFrame | None:
        if self.format is RecordingFormat.TEXT:
            return text_frame(record.strip().decode(errors="replace"))
        if self.format is RecordingFormat.LINES:
            return usual_line(record) or envelope_frame(decode_json(record))
        row = decode_json(record)
        if isinstance(row, dict) and "market" in row:
            return None
        return book_row_frame(row, self.windows()[0])

    def _caio(self) -> Iterator[RawFrame]:
        parts = []
        for kind in ("orderbooks", "trades"):
            for outcome in Outcome:
                path = self.path.with_name(
                    _CAIO_NAME.sub(f"_{kind}_{outcome.value}", self.path.name)
                )
                if path.exists():
                    try:
                        rows = as_list(decode_json(whole_file(path, _MAX_WHOLE_FILE_BYTES)))
                    except MalformedInputError as error:
                        self._log.add(error.reason, path.name, 0, error.detail)
                        continue
                    parts.append((kind, outcome, rows))
        for entry in caio_frames(parts, self.windows()[0]):
            if isinstance(entry, RawFrame):
                yield entry
            else:
                self._log.add(entry.reason, entry.detail, 0)

    def _scan(self) -> tuple[Window, ...]:
        """See in the first frames which markets there are.

        The rest is read only where a market's end is known by nothing but the last frame.
        """
        guesses: dict[str, MarketGuess] = {}
        frames = self.frames()
        scanned = last_ns = 0
        for frame in islice(frames, _FRAMES_SCANNED):
            scanned, last_ns = scanned + 1, frame.recv_ns
            _see(guesses, frame)
        given = {window.condition_id: window for window in self._metadata()}
        found = _one_market_per_slug(guesses, slug_in(self.path.name), given)
        unended = [
            guess for guess in found if guess.condition_id not in given and not guess.times_ns
        ]
        if unended and scanned == _FRAMES_SCANNED:
            for frame in frames:
                last_ns = frame.recv_ns
            for guess in unended:
                guess.last_ns = last_ns
        windows = [given.get(guess.condition_id) or guess.window() for guess in found]
        if not windows:
            raise MalformedInputError("no_frames", f"{self.path}: no book of any market in it")
        return tuple(windows)

    def _metadata(self) -> list[Window]:
        """Windows that the caller gave, or that lie beside the file, or stand in its first line."""
        if self._given:
            return list(self._given)
        beside = self.path.with_name(f"{self.path.name.partition('.')[0]}{METADATA_END}")
        try:
            if beside.exists():
                return load_market_file(beside)
            row = decode_json(self._first.lstrip().partition(b"\n")[0])
            if isinstance(row, dict) and isinstance(row.get("market"), dict):
                return windows_of_market_file(row["market"])
        except MalformedInputError as error:
            self._log.add(error.reason, beside.name, 0, error.detail)
        return []


def _one_market_per_slug(
    guesses: Mapping[str, MarketGuess], file_slug: str, given: Mapping[str, Window]
) -> list[MarketGuess]:
    """The markets with books. Of those that claim one slug only the given or busiest is real."""
    best: dict[str, MarketGuess] = {}
    for guess in guesses.values():
        guess.slug = guess.slug or file_slug
        if not guess.books:
            continue
        claim = guess.slug or guess.condition_id
        rival = best.get(claim)
        if rival is None or _weight(guess, given) > _weight(rival, given):
            best[claim] = guess
    return [guess for guess in guesses.values() if guess in best.values()]


def _weight(guess: MarketGuess, given: Mapping[str, Window]) -> tuple[bool, int]:
    return guess.condition_id in given, guess.events


def _see(guesses: dict[str, MarketGuess], frame: RawFrame) -> None:
    usual = usual_frame(frame.raw)
    known = guesses.get(usual.market) if usual else None
    if usual and known and known.books_known:
        known.slug = known.slug or _usable_slug(frame.slug)
        known.see_usual(usual, frame.recv_ns)
        return
    try:
        decoded = decode_json(frame.raw)
    except MalformedInputError:
        return
    for item in decoded if isinstance(decoded, list) else [decoded]:
        if not isinstance(item, dict) or event_type_of(item) not in _EVENTS:
            continue
        condition_id = optional_text(item, "market")
        if not condition_id:
            continue
        if condition_id not in guesses:
            guesses[condition_id] = MarketGuess(condition_id, frame.recv_ns)
        guess = guesses[condition_id]
        guess.slug = guess.slug or _usable_slug(frame.slug)
        guess.see(item, frame.recv_ns)


def _usable_slug(text: str) -> str:
    try:
        return parse_series(text).fixed_slug or ""
    except MalformedInputError:
        return ""


def _beginning(parts: Sequence[Path]) -> bytes:
    """Enough of a file to tell its format; raise `MalformedInputError` when nothing is in it."""
    for part in parts[:-1]:  # one that was begun and then cut off may have nothing in it
        try:
            return _beginning_of(part)
        except MalformedInputError:
            continue
    return _beginning_of(parts[-1])


def _beginning_of(path: Path) -> bytes:
    kept = b""
    try:
        for chunk in chunks(path):
            kept = (kept + chunk).lstrip()
            if len(kept) >= _FORMAT_BYTES:
                break
    except MalformedInputError:
        if not kept:
            raise
    if not kept:
        raise MalformedInputError("empty_file", str(path))
    return kept


def _format_of(path: Path, first: bytes) -> RecordingFormat:
    if _CAIO_NAME.search(path.name) and first.lstrip().startswith(b"["):
        return RecordingFormat.CAIO
    line = first.lstrip().partition(b"\n")[0]
    try:
        row = decode_json(line)
    except MalformedInputError:
        return RecordingFormat.TEXT if b";;" in first else RecordingFormat.LINES
    if (
        isinstance(row, dict)
        and isinstance(row.get("market"), dict)
        and "start_ts" in row["market"]
    ):
        return RecordingFormat.BOOKS_1HZ
    return RecordingFormat.LINES


def _window_of_books(first: bytes) -> Window:
    row = as_object(decode_json(first.lstrip().partition(b"\n")[0]))
    item = as_object(row["market"])
    return window_without_tokens(
        text_of(item, "slug"),
        text_of(item, "market_id"),
        time_ns_of(item.get("start_ts")),
        time_ns_of(item.get("end_ts")),
    )


def _window_of_caio(path: Path) -> Window:
    slug = slug_in(path.name)
    times = window_times_ns(slug)
    if times is None:
        raise MalformedInputError("no_market", f"{path.name} carries no updown slug")
    return window_without_tokens(slug, f"0x{int(stand_in_id(slug)):064x}", *times)
