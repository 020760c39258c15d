"""GET for JSON with an overall deadline and a bounded answer. Idempotent reads only, no retries."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx

from pmcore.model.errors import Cause, MalformedInputError, Sent, TransportError
from pmcore.shell.causes import cause_of
from pmcore.shell.clock import ahead_of_s, real_now_ns
from pmcore.shell.machine import machine
from pmcore.shell.net import is_loopback
from pmcore.venue.fields import decode_json, natural_of

DEADLINE_S = 10.0
MAX_BYTES = 32 * 1024 * 1024
HTTP_OK = 200


class HttpAnswer(NamedTuple):
    """What a server said; `body` is JSON, or the text (shortened) when it was not JSON."""

    status: int
    body: Any
    retry_after_ms: int | None
    ahead_s: float | None = None
    """How far our wall clock is ahead of the server's; None: it did not say."""

    @property
    def ok(self) -> bool:
        """Whether the status is 200."""
        return self.status == HTTP_OK


class JsonReader:
    """Reads JSON from one host; every failure of the network is a `TransportError`."""

    def __init__(self, base_url: str, *, deadline_s: float = DEADLINE_S) -> None:
        self._base_url = base_url
        self._deadline_s = deadline_s
        self._client = httpx.AsyncClient(
            base_url=base_url,
            timeout=deadline_s,
            trust_env=not is_loopback(base_url),
            transport=machine().http_transport(),
            headers={"Accept": "application/json"},
        )

    async def get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """GET a path.

        Raise `TransportError` for time-outs, broken connections and unusable answers.
        """
        asked_ns = real_now_ns()
        try:
            async with asyncio.timeout(self._deadline_s):
                async with self._client.stream(
                    "GET", path, params=params, headers=headers
                ) as response:
                    content = await _bounded(response)
        except TimeoutError:
            text = f"GET {self._url(path)}: no answer in {self._deadline_s:g} s"
            raise _failure(text, Cause.TIMEOUT) from None
        except httpx.HTTPError as error:
            text = f"GET {self._url(path)}: {type(error).__name__} {error}".rstrip()
            raise _failure(text, cause_of(error)) from None
        try:
            body = decode_json(content)
        except MalformedInputError:
            if response.status_code == HTTP_OK:
                text = f"GET {self._url(path)}: the answer is not JSON"
                raise _failure(text, Cause.SERVER_ERROR) from None
            body = content[:200].decode(errors="replace")
        ahead_s = ahead_of_s(response.headers.get("date", ""), asked_ns, real_now_ns())
        return HttpAnswer(response.status_code, body, _retry_after_ms(response), ahead_s)

    def _url(self, path: str) -> str:
        return f"{self._base_url}{path}"

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


async def _bounded(response: httpx.Response) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > MAX_BYTES:
            text = f"GET {response.url.path}: more than {MAX_BYTES} bytes"
            raise _failure(text, Cause.SERVER_ERROR)
    return bytes(content)


def _failure(text: str, cause: Cause) -> TransportError:
    return TransportError(text, retryable=True, sent=Sent.YES, cause=cause)


def _retry_after_ms(response: httpx.Response) -> int | None:
    seconds = natural_of(response.headers.get("retry-after", ""))
    return None if seconds is None else seconds * 1000
