"""A way from one process to one port on loopback that can be cut, silenced and slowed."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter

_CHUNK = 65_536


class Link:
    """Listens on a port of its own and passes bytes on, as long as nothing is wrong with it."""

    def __init__(self) -> None:
        self.port = 0
        self.delay_s = 0.0
        self.target = 0
        self._cut = False
        self._passing = asyncio.Event()
        self._passing.set()
        self._server: asyncio.Server | None = None
        self._writers: set[StreamWriter] = set()

    async def start(self, target: int) -> None:
        """Listen; connections go on to the port `target`."""
        self.target = target
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Break every connection and make none."""
        self._cut = True
        for writer in list(self._writers):
            writer.transport.abort()

    def silence(self) -> None:
        """Connections stay, and are made; nothing passes."""
        self._passing.clear()

    def mend(self) -> None:
        """All is well again; what was held back passes now."""
        self._cut = False
        self.delay_s = 0.0
        self._passing.set()

    def close(self) -> None:
        """End it with all its connections."""
        self.cut()
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        if self._cut:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, far_writer}
        self._writers |= ends
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pass_on(reader, far_writer))
                tasks.create_task(self._pass_on(far_reader, writer))
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()

    async def _pass_on(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Until either end is gone; then the other one is closed as well."""
        try:
            while data := await reader.read(_CHUNK):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await self._passing.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            writer.transport.abort()
            return
        if not writer.is_closing():
            writer.close()
