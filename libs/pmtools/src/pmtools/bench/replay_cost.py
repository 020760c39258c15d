"""What an event costs `pm replay`, with hashes to verify and without, beside reading its JSON.

Without: the same frames with their hashes emptied. The floor reads each line and its frame with
`json.loads` and does nothing with them. One replay of the whole recording is one sample. All in
time of the processor: a replay takes seconds, in which other work would count.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import tempfile
from pathlib import Path
from time import process_time_ns

from pmcore.venue.encode import to_text
from pmsim.recordings.reader import Recording
from pmtools.bench.figures import Measured, Round, measured
from pmtools.bench.recordings import recording_of
from pmtools.replay.command import Replay, read_params

FRAMES = 4_000
_HASH = re.compile(r'"hash":\s*"[0-9a-f]*"')


def measure(file: Path | None, rounds: int, _samples: int) -> list[Measured]:
    """A round replays each of the two once, and reads the JSON once."""
    with (
        recording_of(file, FRAMES) as given,
        tempfile.TemporaryDirectory(prefix="pm-bench-") as directory,
    ):
        paths = {
            hashed: copy_of(given, Path(directory) / f"{hashed}.jsonl", hashed=hashed)
            for hashed in (True, False)
        }
        found: dict[bool, list[Round]] = {True: [], False: []}
        events = 0
        for _ in range(rounds):
            floor_ns = _read(paths[True])
            for hashed, path in paths.items():
                took_ns, events = _replay(Recording(path, given.windows()))
                found[hashed].append(Round([took_ns // events], [floor_ns // events]))
    figures = []
    for hashed, name in ((True, "verifying hashes"), (False, "without hashes")):
        total_ns = sum(sum(one.path_ns) for one in found[hashed])
        figures.append(
            measured(
                f"replay, {name}",
                f"pm replay, an event of {events}",
                "json.loads of its line and frame",
                found[hashed],
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
