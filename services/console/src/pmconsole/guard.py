"""What stands before the console's app: the name it is called by, who asks, and what may be framed.

- A request for another host name is refused, so a name that a stranger points at 127.0.0.1 reads
  nothing (`PM_CONSOLE_HOSTS` adds names).
- All but the page's own files and the open paths needs the bearer token or a session's cookie.
- A request that changes something and comes with a cookie needs a header of ours, which no page of
  another origin can send; what the browser says of the origin is looked at too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pmconsole.access import Access
from pmcore.shell.service.guard import MAX_BODY_BYTES, OPEN_PATHS, Replayed, read_body

HEADER = b"x-pm-console"
"""With any value; a form or an image cannot send it, and a script only to its own origin."""
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_SAFE_METHODS = ("GET", "HEAD")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def cookie_name(host: str) -> str:
    """Browsers share cookies between the ports of a host, so two consoles need two names."""
    return f"pm_console_{urlsplit(f'//{host}').port or 80}"


class ConsoleGuard:
    """Refuses with 401, 403 or 413, counts refusals by reason, and adds headers to each answer."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        access: Access,
        hosts: Collection[str],
        files: Collection[str],
        wall_s: Callable[[], float],
        refused: Callable[[str], None],
    ) -> None:
        self._app = app
        self._access = access
        self._hosts = frozenset((*_LOOPBACK, *hosts))
        self._files = frozenset(files)
        self._wall_s = wall_s
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        status, reason, text = self._judge(scope, headers)
        if status:
            self._refused(reason)
            await _refusal(status, text)(scope, receive, send_guarded)
            return
        body = await read_body(headers.get(b"content-length", "").encode(), receive)
        if body is None:
            self._refused("size")
            text = f"the body has more than {MAX_BODY_BYTES} bytes"
            await _refusal(413, text)(scope, receive, send_guarded)
            return
        await self._app(scope, Replayed(body, receive), send_guarded)

    def _judge(
        self, scope: MutableMapping[str, Any], headers: Mapping[bytes, str]
    ) -> tuple[int, str, str]:
        """Status, reason and text of a refusal; 0 when it may pass."""
        path, host = scope["path"], headers.get(b"host", "")
        if path in OPEN_PATHS:
            return 0, "", ""
        if _name_of(host) not in self._hosts:
            return 403, "host", "PM_CONSOLE_HOSTS does not name this host"
        if path in self._files:
            return 0, "", ""
        authorization = headers.get(b"authorization", "")
        bearer = self._access.is_bearer(authorization)
        if authorization and not bearer:
            return 401, "token", "the control token is wrong"
        changes = scope["method"] not in _SAFE_METHODS
        if changes and not bearer and not _is_from_our_page(headers, host):
            return 403, "origin", "the request does not come from the console's own page"
        opens_session = path == "/session"
        if bearer or opens_session or self._has_session(headers, host):
            return 0, "", ""
        return 401, "token", "a session or the control token is needed"

    def _has_session(self, headers: Mapping[bytes, str], host: str) -> bool:
        try:
            cookies = SimpleCookie(headers.get(b"cookie", ""))
            morsel = cookies.get(cookie_name(host))
        except (CookieError, ValueError):
            return False
        return morsel is not None and self._access.is_session(morsel.value, self._wall_s())


def _name_of(host: str) -> str:
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdigit() else host.lower()


def _is_from_our_page(headers: Mapping[bytes, str], host: str) -> bool:
    if HEADER not in headers:
        return False
    if headers.get(b"sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get(b"origin")
    return origin is None or urlsplit(origin).netloc.lower() == host.lower()


def _refusal(status: int, text: str) -> JSONResponse:
    headers = {"Connection": "close"}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"detail": text}, status, headers)
