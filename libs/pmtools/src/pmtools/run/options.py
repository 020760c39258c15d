"""The arguments of `pm run`, checked against each other, the environment and the recording."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from pmcore.model.errors import MalformedInputError
from pmcore.model.market import Window
from pmcore.model.units import NS_PER_S
from pmsim.recordings.reader import Recording
from pmtools.errors import UsageError, unusable_file
from pmtools.run.plan import RunOptions, default_market, with_window

_BEFORE_OPEN_NS = 12 * NS_PER_S
_DRY_WORDS = ("", "true", "t", "yes", "y", "on", "1")


def read_options(arguments: argparse.Namespace, environ: Mapping[str, str]) -> RunOptions:
    """Check the arguments against each other. Raise `UsageError` for what does not go together."""
    venue: str = arguments.venue
    if venue == "polymarket":
        for name in ("recording", "window", "seed"):
            if getattr(arguments, name) is not None:
                raise UsageError(f"--{name} is for the simulator, not for --venue polymarket")
    if arguments.recording is None and arguments.speed is not None:
        raise UsageError("--speed needs --recording")
    if arguments.recording is not None:
        for name in ("window", "seed", "market"):
            if getattr(arguments, name) is not None:
                raise UsageError(f"--{name} does not go with --recording, which brings its own")
    market = arguments.market or default_market(venue, environ, arguments.window)
    if arguments.market and arguments.window is not None:
        market = with_window(arguments.market, arguments.window)
    begins_ns = 0
    if arguments.recording is not None:
        market, begins_ns = look_into(arguments.recording)
    return RunOptions(
        seconds=arguments.seconds,
        venue=venue,
        dry_run=venue == "polymarket" and _is_dry(environ.get("PM_DRY_RUN", "")),
        market=market,
        seed=arguments.seed,
        recording=arguments.recording,
        recording_begins_ns=begins_ns,
        speed=arguments.speed or 1.0,
        keep=arguments.keep,
        as_json=arguments.json,
    )


def _is_dry(said: str) -> bool:
    """Only the word itself leads to real orders."""
    if said.lower() == "false":
        return False
    if said.lower() in _DRY_WORDS:
        return True
    raise UsageError(f"PM_DRY_RUN is {said[:20]!r}: say true (paper fills) or false (real orders)")


def look_into(path: Path) -> tuple[str, int]:
    """The market of a recording, and when its interesting part begins."""
    try:
        recording = Recording(path)
        window: Window = recording.windows()[0]
        first = next(recording.frames(), None)
    except MalformedInputError as error:
        raise unusable_file(path, error) from error
    if first is None:
        raise UsageError(f"--recording {path}: no frame in it")
    return window.slug, max(first.recv_ns, window.open_ns - _BEFORE_OPEN_NS)
