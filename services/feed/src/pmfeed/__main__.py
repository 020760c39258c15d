"""Run the feed: `python -m pmfeed`; `python -m pmfeed alone` without Redis, for recording."""

from __future__ import annotations

import sys

from pmcore.shell.service.process import serve
from pmcore.shell.settings.common import load_settings
from pmfeed.service import FeedService
from pmfeed.settings import FeedSettings
from pmfeed.unheard_bus import UnheardBus


def main() -> int:
    """Run the feed until it is asked to stop."""
    bus = UnheardBus() if sys.argv[1:] == ["alone"] else None
    return serve("feed", load_settings(FeedSettings), FeedService, bus)


if __name__ == "__main__":
    sys.exit(main())
