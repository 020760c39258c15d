"""One connection of a client, kept by the one who uses it; for what is in the way of an order.

redis-py connects and logs in. From then on commands go straight to the transport of its connection,
and hiredis packs and parses: redis-py's pool, retries, streams and time limits cost more than the
command itself (docs/decisions/0026-held-connections.md). One call at a time.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Sequence
from typing import Any, cast

import hiredis
from redis.asyncio import connection as redis_connection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ExecAbortError, InvalidResponse, RedisError, ResponseError

from pmcore.shell.bus.redis_client import Client


def _error(text: str) -> RedisError:
    """redis-py's class for an error; for one that its class cannot read, the text alone."""
    try:
        error: RedisError = cast(Any, redis_connection).BaseParser.parse_error(text)
    except ValueError:
        return ResponseError(text)
    return error


class HeldConnection:
    """Connects at the first call, and again after one that failed. Nothing is repeated."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._connection: Any = None
        self._answers: _Answers | None = None

    async def call(self, *command: Any) -> Any:
        """Send one command; its answer as RESP2 has it. Raise what redis-py raises.

        A call that breaks off ends the connection, so that no answer is taken for another's.
        """
        answers = await self._ready()
        (answer,) = await answers.ask(hiredis.pack_command(command), 1)
        if isinstance(answer, RedisError):
            raise answer
        return answer

    async def transaction(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Send MULTI, the commands and EXEC in one write; the answers of EXEC.

        An error of one of them is in its place. Raise the first one if EXEC was refused: then none
        was done.
        """
        answers = await self._ready()
        whole = [("MULTI",), *commands, ("EXEC",)]
        packed = b"".join(hiredis.pack_command(tuple(command)) for command in whole)
        *queued, done = await answers.ask(packed, len(whole))
        if not isinstance(done, RedisError):
            return cast(list[Any], done)
        refused = next((one for one in queued if isinstance(one, RedisError)), None)
        raise (refused if refused and isinstance(done, ExecAbortError) else done) from done

    async def release(self) -> None:
        """End the connection, and give its place back to the client; the next call takes one."""
        connection, answers = self._connection, self._answers
        self._connection = self._answers = None
        if connection is None:
            return
        if answers is not None:
            answers.abort()  # a silent peer is not waited for
        try:
            await connection.disconnect()
        finally:
            await self.client.connection_pool.release(connection)

    async def _ready(self) -> _Answers:
        """The connection, without anything that somebody left in it or an end not yet seen."""
        if self._answers is not None and not self._answers.has_ended():
            return self._answers
        self._answers = None
        if self._connection is None:
            self._connection = await self.client.connection_pool.get_connection()
        else:
            await self._connection.disconnect()
            await self._connection.connect()
        # redis-py has no public name for it: test_held_connection.py sees a change
        self._answers = _Answers(self._connection._writer.transport)
        return self._answers


class _Answers(asyncio.Protocol):
    """Takes over a transport; the protocol of before hears only of its end."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._before = transport.get_protocol()
        self._reader = hiredis.Reader(protocolError=InvalidResponse, replyError=_error)
        self._waiting: asyncio.Future[list[Any]] | None = None
        self._answers: list[Any] = []
        self._left = 0
        self._readable = select.poll()
        self._readable.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        transport.set_protocol(self)

    async def ask(self, packed: bytes, answers: int) -> list[Any]:
        """Write, and wait for so many answers; those that are errors are among them."""
        self._answers, self._left = [], answers
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            self._transport.write(packed)
            return await self._waiting
        except BaseException:  # a cancellation too: its answer would be taken for the next call's
            self.abort()
            raise

    def abort(self) -> None:
        """Close it now. Who waits for an answer has none."""
        self._transport.abort()

    def has_ended(self) -> bool:
        """Whether the server closed it, or said what nobody asked for; also if not yet read."""
        return self._transport.is_closing() or bool(self._readable.poll(0))

    # ---- called by the transport

    def data_received(self, data: bytes) -> None:
        """A part of the answers."""
        waiting = self._waiting
        if waiting is None or waiting.done():
            self._transport.abort()
            return
        try:
            self._reader.feed(data)
            while self._left and (answer := self._reader.gets()) is not False:
                self._answers.append(answer)
                self._left -= 1
        except InvalidResponse as error:
            waiting.set_exception(error)
            return
        if self._left:
            return
        waiting.set_result(self._answers)
        if self._reader.has_data():
            self._transport.abort()

    def eof_received(self) -> bool:
        """The server ends it: so do we."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed, by whomever."""
        if self._waiting is not None and not self._waiting.done():
            what = f"the connection ended: {exc or 'closed by the server'}"
            self._waiting.set_exception(RedisConnectionError(what))
        self._before.connection_lost(exc)
