"""How recordings of market data lie on disk: what the feed writes and the tools read."""

from __future__ import annotations

FOLDER = "recordings"
"""Below PM_DATA_DIR."""
METADATA_END = ".market.json"
"""Behind a window's slug."""
WINNERS_FILE = "winners.json"
NOTE_SOURCE = "feed"
"""The `source` of a line that is a note of the feed about itself, no frame."""
BEGUN, ENDED = "begun", "ended"
"""Around what one process wrote; between them the notes are states of the feed."""
