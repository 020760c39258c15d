"""One connection of a client, kept by the one who uses it; for what is in the way of an order.

redis-py's `execute_command` takes a connection from its pool for each command, asks its retries,
counts, and gives it back; that costs as much again as the command. Here commands go straight to
its connection. It still connects, logs in, packs and parses. One call at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.exceptions import ExecAbortError, ResponseError

from pmcore.shell.bus.redis_client import Client


class HeldConnection:
    """Connects at the first call, and again after one that failed. Nothing is repeated."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._connection: Any = None

    async def call(self, *command: Any) -> Any:
        """Send one command; its answer as RESP2 has it. Raise what redis-py raises.

        A call that breaks off ends the connection, so that no answer is taken for another's.
        """
        connection = await self._ready()
        await connection.send_packed_command(connection.pack_command(*command))
        return await connection.read_response()

    async def transaction(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Send MULTI, the commands and EXEC in one write; the answers of EXEC.

        An error of one of them is in its place. Raise the first one if EXEC was refused: then none
        was done.
        """
        connection = await self._ready()
        packed = connection.pack_commands([("MULTI",), *commands, ("EXEC",)])
        await connection.send_packed_command(packed)
        refused: ResponseError | None = None
        for _ in range(len(commands) + 1):
            try:
                await connection.read_response()
            except ResponseError as error:
                refused = refused or error
        try:
            answers: list[Any] = await connection.read_response()
        except ExecAbortError as error:
            raise (refused or error) from error
        return answers

    async def release(self) -> None:
        """Give the connection back to the client's pool; the next call takes one again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await self.client.connection_pool.release(connection)

    async def _ready(self) -> Any:
        """The connection, without anything that somebody left in it or an end not yet seen."""
        connection = self._connection
        if connection is None:
            self._connection = await self.client.connection_pool.get_connection()
            return self._connection
        if connection.is_connected and await connection.can_read():
            await connection.disconnect()
        await connection.connect()
        return connection
