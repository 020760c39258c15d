"""Talk to the control endpoints of the services: /readyz, /state, /kill, /resume.

Every request is bounded; an answer that does not come is a value, not an exception.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import msgspec

TIMEOUT_S = 3.0


class ControlAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a service said; `status` is 0 when nobody answered and `problem` says why.

    `refused`: nobody listens at the address, so the request reached nobody.
    """

    status: int
    body: dict[str, Any]
    problem: str = ""
    refused: bool = False

    @property
    def ok(self) -> bool:
        """Whether it is a 2xx answer."""
        return 200 <= self.status < 300


class ControlClient:
    """One service's control port."""

    def __init__(self, http: httpx.AsyncClient, base_url: str, token: str) -> None:
        self.base_url = base_url.rstrip("/")
        self._http = http
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def get(self, path: str) -> ControlAnswer:
        """GET a path such as /state."""
        return await self._request("GET", path, None)

    async def post(self, path: str, body: dict[str, Any]) -> ControlAnswer:
        """POST a JSON object."""
        return await self._request("POST", path, body)

    async def _request(self, method: str, path: str, body: dict[str, Any] | None) -> ControlAnswer:
        bound_s = self._http.timeout.read
        try:
            async with asyncio.timeout(bound_s):  # httpx bounds each step, this all of them
                response = await self._http.request(
                    method, f"{self.base_url}{path}", json=body, headers=self._headers
                )
        except (httpx.TimeoutException, TimeoutError):
            return ControlAnswer(status=0, body={}, problem=f"no answer within {bound_s:g} s")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            refused = isinstance(error, httpx.ConnectError)
            return ControlAnswer(status=0, body={}, problem=_as_problem(error), refused=refused)
        return _as_answer(response)


def open_http(timeout_s: float = TIMEOUT_S) -> httpx.AsyncClient:
    """The client for control ports: no request takes longer, and none goes through a proxy."""
    return httpx.AsyncClient(timeout=timeout_s, trust_env=False)


def _as_answer(response: httpx.Response) -> ControlAnswer:
    try:
        body = msgspec.json.decode(response.content)
    except msgspec.DecodeError:
        body = None
    problem = ""
    if response.status_code in (401, 403):
        problem = "the control token is wrong or missing (PM_CONTROL_TOKEN)"
    elif not response.is_success:
        problem = f"HTTP {response.status_code}"
    return ControlAnswer(
        status=response.status_code, body=body if isinstance(body, dict) else {}, problem=problem
    )


def _as_problem(error: Exception) -> str:
    match error:
        case httpx.ConnectError():
            return "nobody listens there"
        case _:
            return " ".join(str(error).split()) or type(error).__name__
