"""`python -m pmsimulator`."""

from __future__ import annotations

import sys

from pmcore.shell.service import serve
from pmcore.shell.settings import load_settings
from pmsimulator.service import SimulatorService
from pmsimulator.settings import SimulatorSettings


def main() -> int:
    """Run the simulator until it is asked to stop."""
    return serve("simulator", load_settings(SimulatorSettings), SimulatorService)


if __name__ == "__main__":
    sys.exit(main())
