"""What an event costs `pm replay`, with hashes to verify and without, beside reading its JSON.

Without: the same frames with their hashes emptied. Without reading: these frames' messages were
read before, so that deciding is left; no memory of what was read and verified could do better. The
floor reads each line and its frame with
`json.loads` and does nothing with them. One replay of the whole recording is one sample. All in
time of the processor: a replay takes seconds, in which other work would count.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import process_time_ns

from pmcore.model.latency import Latencies
from pmcore.venue.encode import to_text
from pmsim.recordings.reader import Recording
from pmtools.bench.figures import Measured, Round, measured
from pmtools.bench.recordings import recording_of
from pmtools.replay.command import Replay, read_params
from pmtools.sweep.grid import Cell
from pmtools.sweep.windows import lives_of, replay_together

FRAMES = 4_000
_HASH = re.compile(r'"hash":\s*"[0-9a-f]*"')


def measure(file: Path | None, rounds: int, _samples: int) -> list[Measured]:
    """A round goes each of the three ways once, and reads the JSON once."""
    with (
        recording_of(file, FRAMES) as given,
        tempfile.TemporaryDirectory(prefix="pm-bench-") as directory,
    ):
        paths = {
            hashed: copy_of(given, Path(directory) / f"{hashed}.jsonl", hashed=hashed)
            for hashed in (True, False)
        }
        recordings = {hashed: Recording(path, given.windows()) for hashed, path in paths.items()}
        ways: dict[str, Callable[[], tuple[int, int]]] = {
            "verifying hashes": lambda: _replay(recordings[True]),
            "without hashes": lambda: _replay(recordings[False]),
            "without hashes and reading": lambda: _decide(recordings[False]),
        }
        found: dict[str, list[Round]] = {name: [] for name in ways}
        events = 0
        for _ in range(rounds):
            floor_ns = _read(paths[True])
            for name, way in ways.items():
                took_ns, events = way()
                found[name].append(Round([took_ns // events], [floor_ns // events]))
    figures = []
    for name, each in found.items():
        total_ns = sum(sum(one.path_ns) for one in each)
        figures.append(
            measured(
                f"replay, {name}",
                f"pm replay, an event of {events}",
                "json.loads of its line and frame",
                each,
                rate_per_s=1e9 * rounds / total_ns,
            )
        )
    return figures


def copy_of(recording: Recording, path: Path, *, hashed: bool) -> Path:
    """The same frames, each with its market's slug; without `hashed`, their hashes are emptied."""
    with path.open("w") as lines:
        for frame in recording.frames():
            raw = frame.raw if hashed else _HASH.sub('"hash":""', frame.raw)
            row = {"recv_ns": frame.recv_ns, "slug": frame.slug, "raw": raw}
            lines.write(f"{to_text(row)}\n")
    return path


def _read(path: Path) -> int:
    gc.collect()
    begun_ns = process_time_ns()
    with path.open() as lines:
        for line in lines:
            json.loads(json.loads(line)["raw"])
    return process_time_ns() - begun_ns


def _replay(recording: Recording) -> tuple[int, int]:
    replay = Replay(read_params({}), None)
    gc.collect()
    begun_ns = process_time_ns()
    asyncio.run(replay.run([recording], "direct"))
    return process_time_ns() - begun_ns, replay.summary.events


def _decide(recording: Recording) -> tuple[int, int]:
    """As a sweep of one cell replays it: the messages are there already."""
    lives, cell = list(lives_of(recording)), Cell("bench", read_params({}))
    gc.collect()
    begun_ns = process_time_ns()
    for life in lives:
        replay_together(life, [("", cell)], Latencies())
    took_ns = process_time_ns() - begun_ns
    return took_ns, sum(len(messages) for life in lives for _, messages in life.frames)
