"""The bus of a feed that only records: nobody reads it, so nothing is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from pmcore.wire.ports import Ack, Denial, GroupInfo, Incoming, Outgoing

_EMPTY = "0-0"


class UnheardBus:
    """Takes everything and answers as an empty Redis; `ServiceBus`."""

    async def publish(
        self, outgoing: Sequence[Outgoing], acks: Sequence[Ack] = ()
    ) -> Sequence[str]:
        """Forget the entries."""
        del acks
        return [_EMPTY] * len(outgoing)

    async def create_group(
        self, group: str, streams: Sequence[str], *, start: str = "$", announce: Outgoing | None
    ) -> None:
        """No group is kept."""

    async def destroy_group(self, group: str, streams: Sequence[str]) -> None:
        """There is none."""

    async def groups(self, stream: str) -> Sequence[GroupInfo]:
        """No groups."""
        return ()

    async def read(
        self,
        group: str,
        consumer: str,
        streams: Sequence[str],
        *,
        block_ms: int,
        count: int = 500,
        noack: bool = False,
    ) -> Sequence[Incoming]:
        """Nothing comes, however long one waits."""
        await asyncio.sleep(block_ms / 1000)
        return ()

    async def recover(
        self, group: str, consumer: str, streams: Sequence[str], *, min_idle_ms: int = 60_000
    ) -> Sequence[Incoming]:
        """Nothing is pending."""
        return ()

    async def set_group_id(self, group: str, stream: str, entry_id: str) -> None:
        """No group has a place."""

    async def ack(self, acks: Sequence[Ack]) -> None:
        """Nothing is pending."""

    async def tail_id(self, stream: str) -> str:
        """Every stream is empty."""
        return _EMPTY

    async def trim(self, stream: str, min_id: str) -> int:
        """Nothing to trim."""
        return 0

    async def put(self, key: str, value: bytes, *, ttl_ms: int | None = None) -> None:
        """No key is kept."""

    async def get(self, key: str) -> bytes | None:
        """No key is there."""
        return None

    async def delete(self, key: str) -> None:
        """No key is there."""

    async def swap(
        self,
        key: str,
        *,
        expected: bytes | None,
        value: bytes | None,
        ttl_ms: int | None = None,
        replicated: bool = False,
    ) -> bool:
        """Every key is absent."""
        return expected is None

    async def put_field(self, key: str, field: str, value: bytes | None) -> None:
        """No field is kept."""

    async def get_fields(self, key: str) -> Mapping[str, bytes]:
        """No field is there."""
        return {}

    async def denials(self) -> Sequence[Denial]:
        """Nobody was refused."""
        return ()

    async def ping(self) -> None:
        """It is always there."""

    async def close(self) -> None:
        """Nothing is open."""
