"""The venue's port: uvicorn, with connections that can be cut and frames that are encoded once.

A frame for twenty readers is turned into WebSocket bytes once (`text_frame`) and written to each
connection as it is; many at a time, while the connection takes them.
"""

from __future__ import annotations

import socket
from asyncio import BaseTransport, Transport
from collections.abc import Sequence
from typing import cast

import uvicorn
from starlette.types import ASGIApp, Scope
from starlette.websockets import WebSocket
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode

from pmcore.shell.service.web import QuietServer

FRAMES = "pmsimulator.frames"
ABORT = "pmsimulator.abort"
_GRACE_S = 2
_KEEP_ALIVE_S = 75  # longer than any client keeps one that it may use again
_NOT_UTF8 = 1007


def text_frame(text: str) -> bytes:
    """A text as the bytes of a server's WebSocket frame."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


async def send_frames(connection: WebSocket, frames: Sequence[bytes]) -> None:
    """Write frames of `text_frame` to a connection; `WebSocketDisconnect` when it is gone."""
    await connection.send({"type": "websocket.send", FRAMES: b"".join(frames)})


def abort(scope: Scope) -> None:
    """Cut the connection of a request or a WebSocket without a close frame."""
    state = scope.get("state", {})
    if ABORT in state:
        state[ABORT]()


class VenueServer:
    """Uvicorn on a listening socket, without signal handlers of its own."""

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        self._listener = listener
        self._server = QuietServer(
            uvicorn.Config(
                app,
                http=_Connection,
                ws=_FrameProtocol,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                proxy_headers=False,
                ws_per_message_deflate=False,
                timeout_graceful_shutdown=_GRACE_S,
                timeout_keep_alive=_KEEP_ALIVE_S,
            )
        )

    @property
    def keep_alive_s(self) -> int:
        """How long a connection may be idle."""
        return self._server.config.timeout_keep_alive

    async def run(self) -> None:
        """Serve until `close`."""
        await self._server.serve(sockets=[self._listener])

    def close(self) -> None:
        """End the connections and then `run`."""
        self._server.should_exit = True

    @property
    def started(self) -> bool:
        """Whether connections are taken."""
        return self._server.started


class _Connection(H11Protocol):
    def connection_made(self, transport: BaseTransport) -> None:
        narrower = cast(Transport, transport)
        self.app_state = {**self.app_state, ABORT: narrower.abort}
        super().connection_made(narrower)


class _FrameProtocol(WebSocketsSansIOProtocol):
    def send_receive_event_to_app(self) -> None:
        """End a connection that sends text which is not UTF-8; uvicorn would log a traceback."""
        if self.curr_msg_data_type == "text" and not _is_utf8(b"".join(self.frames)):
            self.frames = []
            self.conn.send_close(_NOT_UTF8)
            self.handle_parser_exception()
            return
        super().send_receive_event_to_app()

    async def send(self, message) -> None:  # type: ignore[no-untyped-def]  # uvicorn's private union
        frames = message.get(FRAMES)
        if frames is None:
            await super().send(message)
            return
        await self.writable.wait()
        if self.disconnected or self.close_sent or self.transport.is_closing():
            raise ClientDisconnected
        self.transport.write(frames)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
