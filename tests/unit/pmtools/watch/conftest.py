"""The checkout of the tests of `pm status` and the like."""

from __future__ import annotations

from unit.pmtools.control.conftest import checkout, stack

__all__ = ["checkout", "stack"]
