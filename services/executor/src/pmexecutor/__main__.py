"""Run the executor: `python -m pmexecutor`."""

from __future__ import annotations

import sys

from pmcore.shell.service.process import serve
from pmcore.shell.settings.common import load_settings
from pmexecutor.service import ExecutorService
from pmexecutor.settings import ExecutorSettings


def main() -> int:
    """Exit code of the process."""
    return serve("executor", load_settings(ExecutorSettings), ExecutorService)


if __name__ == "__main__":
    sys.exit(main())
