"""The way from a console to its reader: snapshots as they come, and what is wrong when none does.

The console's own stream (`GET /events`) is read, the one that the web page reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, NoReturn

import httpx
import msgspec

from pmcore.shell.control_client import ControlAnswer, ControlClient, open_http
from pmtools.control.kill import ANSWER_S as KILL_ANSWER_S
from pmtools.summary import as_mapping

SILENT_S = 3.0
"""Without a snapshot for so long the console is said to be silent."""
SWITCH_S = KILL_ANSWER_S + 2.0
"""For a kill or a resume: the console itself waits for the services."""
_AGAIN_S = 0.5

Snapshot = Mapping[str, Any]


class ConsolePlace(msgspec.Struct, frozen=True, kw_only=True):
    """A console: its address, its token, and how people call its engine."""

    title: str
    url: str
    token: str = ""

    def __repr__(self) -> str:
        """Without the token: a traceback may show it."""
        return f"ConsolePlace({self.title!r}, {self.url!r})"


class NoSnapshotError(Exception):
    """Why a console tells nothing, in one line."""

    def __init__(self, text: str, *, nobody_listens: bool = False) -> None:
        super().__init__(text)
        self.nobody_listens = nobody_listens


class ConsoleLink:
    """Reads one console and sends it kills. Every request is bounded."""

    def __init__(self, place: ConsolePlace) -> None:
        self.place = place
        self._reading = open_http(SILENT_S)
        self._telling = open_http(SWITCH_S)
        self._headers = {"Authorization": f"Bearer {place.token}"} if place.token else {}

    async def history(self) -> list[Mapping[str, Any]]:
        """The points of the last hour. Raise `NoSnapshotError` when it does not tell them."""
        client = ControlClient(self._reading, self.place.url, self.place.token)
        answer = await client.get("/history")
        points = answer.body.get("points")
        if not answer.ok or not isinstance(points, list):
            why = why_not(self.place.url, answer)
            raise NoSnapshotError(why, nobody_listens=answer.refused)
        return [as_mapping(point) for point in points]

    async def snapshots(self) -> AsyncIterator[Snapshot | NoSnapshotError]:
        """Snapshots for ever, and in their place what went wrong; then it asks again."""
        while True:
            try:
                async for snapshot in self._one_answer():
                    yield snapshot
                continue  # an answer of the console ends after some time
            except NoSnapshotError as problem:
                yield problem
            except (httpx.HTTPError, msgspec.DecodeError) as error:
                yield NoSnapshotError(_of_error(error))
            await asyncio.sleep(_AGAIN_S)

    async def tell(self, path: str, body: dict[str, Any]) -> list[str]:
        """POST /kill or /resume; what did not obey and why, nothing when all did."""
        client = ControlClient(self._telling, self.place.url, self.place.token)
        answer = await client.post(path, body)
        problems = as_mapping(answer.body.get("problems"))
        if answer.ok:
            return []
        return [f"{name}: {why}" for name, why in problems.items()] or [
            why_not(self.place.url, answer)
        ]

    async def close(self) -> None:
        """Let go of the connections."""
        await self._reading.aclose()
        await self._telling.aclose()

    async def _one_answer(self) -> AsyncIterator[Snapshot]:
        url = f"{self.place.url}/events"
        async with self._reading.stream("GET", url, headers=self._headers) as answer:
            if not answer.is_success:
                await _refuse(self.place.url, answer)
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    yield as_mapping(msgspec.json.decode(line.removeprefix("data: ")))


def why_not(url: str, answer: ControlAnswer) -> str:
    """Why an answer of a console cannot be used, and what to do."""
    detail = str(answer.body.get("detail") or "")
    if answer.status == 401:
        return f"the console at {url} did not take the control token: {_TOKEN_HELP}"
    if answer.status == 403:
        return f"the console at {url} refuses: {detail or answer.problem}"
    if answer.status == 404:
        return f"what answers at {url} is no console: give the console's address (port 8105)"
    if answer.refused:
        return f"nobody listens at {url}"
    return f"{url}: {answer.problem or 'its answer is not that of a console'}"


_TOKEN_HELP = "set PM_CONTROL_TOKEN, or PM_CONTROL_TOKEN_FILE, to that of the engine"  # noqa: S105


async def _refuse(url: str, response: httpx.Response) -> NoReturn:
    try:
        body = msgspec.json.decode(await response.aread())
    except msgspec.DecodeError:
        body = None
    problem = f"HTTP {response.status_code}"
    answer = ControlAnswer(
        status=response.status_code, body=dict(as_mapping(body)), problem=problem
    )
    raise NoSnapshotError(why_not(url, answer))


def _of_error(error: Exception) -> str:
    match error:
        case httpx.ConnectError():
            return "nobody listens there"
        case httpx.TimeoutException():
            return f"no answer within {SILENT_S:g} s"
        case msgspec.DecodeError():
            return "its answer is not that of a console"
        case _:
            return " ".join(str(error).split()) or type(error).__name__
