"""`python -m pmsimulator` as a service of the engine, `python -m pmsimulator alone` by itself."""

from __future__ import annotations

import sys

from pmcore.shell.service.process import serve
from pmcore.shell.settings.common import load_settings
from pmsimulator.alone import run_alone
from pmsimulator.service import SimulatorService
from pmsimulator.settings import SimulatorSettings


def main() -> int:
    """Run the simulator until it is asked to stop."""
    settings = load_settings(SimulatorSettings)
    if sys.argv[1:] == ["alone"]:
        return run_alone(settings)
    return serve("simulator", settings, SimulatorService)


if __name__ == "__main__":
    sys.exit(main())
