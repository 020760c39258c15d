"""`python -m pmconsole`."""

from __future__ import annotations

import sys

from pmconsole.service import serve_console
from pmconsole.settings import ConsoleSettings
from pmcore.shell.settings.common import load_settings


def main() -> int:
    """Read the settings, run until told to stop, return the exit code."""
    return serve_console(load_settings(ConsoleSettings))


if __name__ == "__main__":
    sys.exit(main())
