"""`python -m pmstrategy`."""

from __future__ import annotations

import sys

from pmcore.shell.service.process import serve
from pmcore.shell.settings.common import load_settings
from pmcore.shell.settings.strategy import StrategySettings
from pmstrategy.service import StrategyService


def main() -> int:
    """Read the settings, run until told to stop, return the exit code."""
    return serve("strategy", load_settings(StrategySettings), StrategyService)


if __name__ == "__main__":
    sys.exit(main())
