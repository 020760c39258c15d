"""One kept connection without a client's work: the bytes are ready, the answer is read whole."""

from __future__ import annotations

import socket
from types import TracebackType
from urllib.parse import urlsplit

TIMEOUT_S = 10.0


class BareHttp:
    """A blocking HTTP/1.1 connection to `url`; answers need a Content-Length."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host = parts.netloc
        address = (parts.hostname or "", parts.port or 80)
        self._socket = socket.create_connection(address, TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> BareHttp:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()

    def request(self, method: str, path: str, body: bytes = b"", token: str = "") -> bytes:
        """The bytes of a request."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}", f"Content-Length: {len(body)}"]
        lines += [f"Authorization: Bearer {token}"] if token else []
        return "\r\n".join([*lines, "", ""]).encode() + body

    def exchange(self, request: bytes) -> tuple[bytes, bytes]:
        """Send it; head and body of the answer. Raise `OSError` when the connection ends."""
        self._socket.sendall(request)
        data = b""
        while True:
            head, end, body = data.partition(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            if end and len(body) >= int(length or 0):
                return head, body
            if not (more := self._socket.recv(65_536)):
                raise ConnectionResetError("the connection ended inside an answer")
            data += more
