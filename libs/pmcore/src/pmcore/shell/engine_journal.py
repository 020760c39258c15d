"""The journal of an engine that goes on without one: a full disk or journal ends that only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pmcore.model.units import NS_PER_S
from pmcore.shell.journal import JournalWriter
from pmcore.shell.service.logs import Log

FLUSH_NS = NS_PER_S
"""A process that is killed loses about so much."""


class EngineJournal:
    """Write the header, then each input before the engine is stepped with it, then the end."""

    def __init__(self, directory: Path, stem: str, header: bytes, log: Log) -> None:
        self._log = log
        self._writer: JournalWriter | None = None
        self._flush_ns = 0
        try:
            self._writer = JournalWriter(directory, stem)
            self._writer.write(header)
        except OSError as error:
            self._give_up(error)

    def write(self, at_ns: int, line: bytes) -> None:
        """Add an entry of that time; all is safe on disk a second later, with the next entry."""
        if self._writer is None:
            return
        self._try(self._writer.write, line)
        if self._writer is not None and self._writer.dropped:
            self._log.warning("journal_full", path=str(self._writer.path))
            self._writer = None
        if self._writer is not None and at_ns >= self._flush_ns:
            self._flush_ns = at_ns + FLUSH_NS
            self._try(self._writer.flush)

    def close(self, end: bytes) -> None:
        """Add the last line; what comes later is not written."""
        if self._writer is not None:
            self._try(self._writer.write, end)
        if self._writer is not None:
            self._try(self._writer.close)
        self._writer = None

    def _try(self, act: Callable[..., None], *line: bytes) -> None:
        try:
            act(*line)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._log.warning("journal_failed", detail=str(error))
        self._writer = None
