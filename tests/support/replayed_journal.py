"""The journal that a strategy would have written of a replay: its header, its steps, its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from pmcore.engine.journal import JournalEnd
from pmcore.engine.strategy.engine import WindowEngine
from pmcore.engine.strategy.journal import JournalEntry, JournalHeader, encode_line

T = TypeVar("T")


def journal_of(replay: Callable[[], T], monkeypatch: pytest.MonkeyPatch) -> tuple[T, list[bytes]]:
    """What a replay of one window returned, and the lines."""
    steps: list[tuple[WindowEngine, int, Any]] = []
    step = WindowEngine.step

    def noting(engine: WindowEngine, at_ns: int, event: Any) -> Any:
        steps.append((engine, at_ns, event))
        return step(engine, at_ns, event)

    with monkeypatch.context() as patched:
        patched.setattr(WindowEngine, "step", noting)
        returned = replay()
    engine = steps[0][0]
    header = JournalHeader(
        window=engine.session.window,
        params=engine.session.params,
        run_id="replay",
        warm_start={},
        prior_loss_u6=0,
        gated=True,
    )
    entries = [encode_line(JournalEntry(at_ns, event)) for _, at_ns, event in steps]
    return returned, [encode_line(header), *entries, encode_line(JournalEnd(engine.fingerprint))]
