"""Run the feed: `python -m pmfeed`."""

from __future__ import annotations

import sys

from pmcore.shell.service.process import serve
from pmcore.shell.settings.common import load_settings
from pmfeed.service import FeedService
from pmfeed.settings import FeedSettings

if __name__ == "__main__":
    sys.exit(serve("feed", load_settings(FeedSettings), FeedService))
