"""A checkout whose engines are real HTTP servers, and nothing of the operator's environment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pmtools.control import engines
from support.control_ports import FakeCheckout


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def checkout(tmp_path: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> FakeCheckout:
    made = FakeCheckout(tmp_path, stack)
    monkeypatch.chdir(made.root)
    monkeypatch.setattr(engines, "DEFAULT_PORTS", {})
    for name in [name for name in os.environ if name.startswith("PM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", made.path)
    return made
