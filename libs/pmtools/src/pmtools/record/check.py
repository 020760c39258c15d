"""`pm recordings check`: whether recordings can be read whole, and what is missing in them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

import msgspec
from rich.console import Console

from pmcore.machines.book import WindowBooks
from pmcore.messages.market_data import FeedStatusChanged, UnderlyingPriced
from pmcore.model.market import Window
from pmcore.model.units import NS_PER_S
from pmcore.venue.market_frames import MarketFrameParser
from pmsim.recordings.notes import Absence, absences
from pmsim.recordings.reader import Recording
from pmtools.errors import EXIT_FAILED, EXIT_OK
from pmtools.replay.inputs import find_inputs
from pmtools.replay.settling import winners_before
from pmtools.summary import add_reasons


class Checked(msgspec.Struct, kw_only=True):
    """One window of a recording. `missing` is None when the recorder left no notes."""

    slug: str
    file: str
    parts: int
    messages: int
    longest_silence_s: float
    missing: list[Absence] | None
    books_verified: int
    books_mismatched: int
    winner: str
    unusable: dict[str, int]

    @property
    def faults(self) -> list[str]:
        """What is wrong with it, in words."""
        faults = [_in_words(one) for one in self.missing or []]
        faults += [f"{count} lines unusable: {name}" for name, count in self.unusable.items()]
        if self.books_mismatched:
            faults.append(f"{self.books_mismatched} whole books do not match the venue's hash")
        return faults


def command(arguments: argparse.Namespace) -> int:
    """Print one line a window, and what is wrong below it; 1 when anything is."""
    found = find_inputs(arguments.files, None)
    recordings = [one for one in found.found if isinstance(one, Recording)]
    checked = [one for recording in recordings for one in check_recording(recording)]
    if arguments.json:
        rows = [{**msgspec.to_builtins(one), "faults": one.faults} for one in checked]
        print(msgspec.json.encode({"windows": rows, "skipped": found.skipped}).decode())
    else:
        _print(checked, found.skipped)
    return EXIT_FAILED if any(one.faults for one in checked) else EXIT_OK


def check_recording(recording: Recording) -> list[Checked]:
    """Read it whole, as `pm replay` does, and compare every whole book with its hash."""
    windows = {window.slug: window for window in recording.windows()}
    winners = winners_before(recording, None)
    parser = MarketFrameParser(*windows.values())
    books = {slug: WindowBooks(window) for slug, window in windows.items()}
    heard_ns: dict[str, list[int]] = {slug: [] for slug in windows}
    for frame in recording.frames():
        for message in parser.parse(frame.raw, ts_recv_ns=frame.recv_ns):
            if not isinstance(message, FeedStatusChanged | UnderlyingPriced):
                books[message.slug].apply(message)
                heard_ns[message.slug].append(frame.recv_ns)
    unusable: dict[str, int] = {}
    add_reasons(unusable, recording.unusable)
    add_reasons(unusable, parser.unusable)
    return [
        Checked(
            slug=slug,
            file=str(recording.path),
            parts=len(recording.parts),
            messages=len(heard_ns[slug]),
            longest_silence_s=_longest_silence_s(heard_ns[slug], window),
            missing=absences(recording.parts, window),
            books_verified=books[slug].counters.books_verified,
            books_mismatched=books[slug].counters.books_mismatched,
            winner=winners[slug].outcome.value if slug in winners else "",
            unusable=unusable,
        )
        for slug, window in windows.items()
    ]


def _longest_silence_s(heard_ns: Sequence[int], window: Window) -> float:
    """Between two messages while the window is open, its ends included."""
    inside = [at for at in heard_ns if window.open_ns < at < window.close_ns]
    edges = [window.open_ns, *inside, window.close_ns]
    return max(later - earlier for earlier, later in pairwise(edges)) / NS_PER_S


def _in_words(one: Absence) -> str:
    seconds = (one.to_ns - one.from_ns) / NS_PER_S
    return f"nothing was heard from {_time(one.from_ns)} for {seconds:.1f} s: {one.why}"


def _time(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / NS_PER_S, UTC).strftime("%H:%M:%S.%f")[:-3] + " UTC"


def _print(checked: Sequence[Checked], skipped: Sequence[str]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for one in checked:
        parts = f" in {one.parts} parts" if one.parts > 1 else ""
        books = f"{one.books_verified} books verified"
        silence = f"longest silence {one.longest_silence_s:.1f} s"
        winner = f"{one.winner} won" if one.winner else "winner unknown"
        console.print(f"{one.slug}: {one.messages} messages{parts}, {books}, {silence}, {winner}")
        if one.missing is None:
            console.print("  the recorder left no notes: what is missing is not known")
        for fault in one.faults:
            console.print(f"  {fault}")
    for said in skipped:
        console.print(f"skipped: {said}")
    faulty = sum(bool(one.faults) for one in checked)
    console.print(f"{len(checked)} windows, {faulty} with faults")
