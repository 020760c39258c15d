"""Run the user channel: `python -m pmuserws`."""

from __future__ import annotations

import sys

from pmcore.shell.service.process import serve
from pmcore.shell.settings.common import load_settings
from pmuserws.service import UserwsService
from pmuserws.settings import UserwsSettings

if __name__ == "__main__":
    sys.exit(serve("userws", load_settings(UserwsSettings), UserwsService))
