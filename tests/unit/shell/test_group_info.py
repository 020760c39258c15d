"""What is told of a consumer group whose last pending entry is acknowledged meanwhile."""

from __future__ import annotations

from typing import Any, cast

from pmcore.shell.bus.redis_bus import group_info
from pmcore.shell.bus.redis_client import Client


class QuickReader:
    """A server on which everything is acknowledged between two questions."""

    async def xpending(self, stream: str, group: bytes) -> dict[str, Any]:
        return {"pending": 0, "min": None, "max": None, "consumers": []}


async def test_nothing_is_pending_once_all_was_acknowledged() -> None:
    row = {"name": b"g", "consumers": 1, "pending": 3, "last-delivered-id": b"9-0", "lag": 0}
    info = await group_info(cast(Client, QuickReader()), "stream", row)
    assert info is not None
    assert (info.pending, info.oldest_pending_id) == (0, "")
