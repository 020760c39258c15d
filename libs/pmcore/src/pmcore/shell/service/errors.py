"""How a service says that it cannot start."""

from __future__ import annotations


class StartupError(Exception):
    """A service cannot start; the text says why and how to mend it. Exit code 2, one line."""
