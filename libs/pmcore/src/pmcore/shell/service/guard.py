"""What stands before the control app: the token is looked at before anything of a body is read."""

from __future__ import annotations

import secrets

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 16_384
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
_CLOSE = {"Connection": "close"}


class Guard:
    """Refuses with 401 without the token, except on `OPEN_PATHS`, and with 413 a large body."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        if not self._may(scope["path"], headers.get(b"authorization", b"")):
            refusal = {"detail": "a bearer token is needed"}
            await JSONResponse(refusal, 401, {"WWW-Authenticate": "Bearer", **_CLOSE})(
                scope, receive, send
            )
            return
        body = await read_body(headers.get(b"content-length", b""), receive)
        if body is None:
            refusal = {"detail": f"the body has more than {MAX_BODY_BYTES} bytes"}
            await JSONResponse(refusal, 413, _CLOSE)(scope, receive, send)
            return
        await self._app(scope, Replayed(body, receive), send)

    def _may(self, path: str, header: bytes) -> bool:
        if path in OPEN_PATHS:
            return True
        scheme, _, given = header.partition(b" ")
        return scheme.lower() == b"bearer" and secrets.compare_digest(given, self._token)


async def read_body(said: bytes, receive: Receive) -> bytes | None:
    """The whole body; None when it is too long, and when the client goes before its end."""
    if said.isdigit() and int(said[:20]) > MAX_BODY_BYTES:
        return None
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] != "http.request" or len(body) > MAX_BODY_BYTES:
            return None
        if not message.get("more_body", False):
            return bytes(body)


class Replayed:
    """Gives the app the body that was read, then what the connection says."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        """The next message."""
        if (body := self._body) is not None:
            self._body = None
            return {"type": "http.request", "body": body, "more_body": False}
        return await self._receive()
