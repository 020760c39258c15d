"""Which recorded windows are kept back while rules are chosen: the test windows."""

from __future__ import annotations

import hashlib

_TEST_ONE_IN = 3


def is_test_window(slug: str) -> bool:
    """Whether a window is kept back: about every third, by its name alone, for ever."""
    return int(hashlib.sha256(slug.encode()).hexdigest(), 16) % _TEST_ONE_IN == 0
