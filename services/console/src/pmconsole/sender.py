"""Sends one message to every address of `PM_NOTIFY_URLS` with `apprise`, in a thread of its own.

The library waits for sockets, so it never runs on the event loop. A thread cannot be stopped: while
one still sends, the next message is refused, and at the end of the process nothing waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from io import StringIO
from typing import TypeVar

import apprise
import msgspec

from pmconsole.alerts import Notification
from pmconsole.faults import CRITICAL, WARNING
from pmconsole.redact import redact

SEND_S = 20.0
"""For all addresses together. The library gives each connection 4 s, and each answer 4 s."""
MAX_PROBLEM = 200
_KINDS = {CRITICAL: apprise.NotifyType.FAILURE, WARNING: apprise.NotifyType.WARNING}
_ASSET = apprise.AppriseAsset(async_mode=False, service_timeout=0)
"""So that the library starts no threads of its own: the end of a process waits for those."""
_PARTS = re.compile(r"[/?&=:@,]+")
_LOG = logging.getLogger("apprise")
_LOG.propagate = False  # its lines may hold an address, which is a secret

T = TypeVar("T")


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a message at one address: `problem` is "" when it was taken."""

    target: str
    problem: str = ""


class BusyError(Exception):
    """The message before is still being sent."""


class Sender:
    """One at a time."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = tuple(urls)
        self._thread: threading.Thread | None = None

    async def send(self, message: Notification) -> list[Receipt]:
        """One receipt for each address; raise nothing but on a cancel."""
        try:
            async with asyncio.timeout(SEND_S):
                return await self._in_thread(partial(_send_all, self._urls, message))
        except TimeoutError:
            return self._all(f"no answer within {SEND_S:g} s")
        except BusyError:
            return self._all("the message before is still being sent")

    def _all(self, problem: str) -> list[Receipt]:
        return [Receipt(target=f"address {n}", problem=problem) for n in numbers(self._urls)]

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._thread is not None and self._thread.is_alive():
            raise BusyError
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def give(result: T) -> None:
            if not done.done():
                done.set_result(result)

        def run() -> None:
            result = work()
            if not loop.is_closed():
                loop.call_soon_threadsafe(give, result)

        self._thread = threading.Thread(target=run, daemon=True, name="notify")
        self._thread.start()
        return await done


def numbers(urls: Sequence[str]) -> range:
    """How people count the addresses."""
    return range(1, len(urls) + 1)


def problems_of(urls: Sequence[str]) -> list[str]:
    """One line for each address that cannot be used; nothing of it but its scheme is shown."""
    return [
        f"address {number} ({_scheme(url)}) is nothing that can be notified"
        for number, url in zip(numbers(urls), urls, strict=True)
        if not _opened(url)
    ]


def secrets_of(urls: Sequence[str]) -> list[str]:
    """What of the addresses must be in no text: each part but the names of hosts."""
    parts = [part for url in urls for part in _PARTS.split(url.partition("://")[2] or url)]
    return [*urls, *(part for part in parts if "." not in part)]


def _opened(url: str) -> apprise.Apprise | None:
    with _captured(logging.CRITICAL):
        one = apprise.Apprise(asset=_ASSET)
        return one if "://" in url and one.add(url) else None


@contextmanager
def _captured(level: int) -> Iterator[StringIO]:
    """What the library logs from this level on goes here and nowhere else."""
    said = StringIO()
    handler = logging.StreamHandler(said)
    handler.setLevel(level)
    _LOG.addHandler(handler)
    try:
        yield said
    finally:
        _LOG.removeHandler(handler)


def _scheme(url: str) -> str:
    scheme, found, _ = url.partition("://")
    return f"{scheme[:20]}://" if found else "without a scheme such as discord://"


def _send_all(urls: Sequence[str], message: Notification) -> list[Receipt]:
    secrets = secrets_of(urls)
    pairs = zip(numbers(urls), urls, strict=True)
    return [_send_one(f"address {n}", url, message, secrets) for n, url in pairs]


def _send_one(name: str, url: str, message: Notification, secrets: Sequence[str]) -> Receipt:
    opened = _opened(url)
    if opened is None:
        return Receipt(target=name, problem="nothing that can be notified")
    target = f"{name} ({opened[0].service_name})"
    with _captured(logging.WARNING) as said:
        try:
            taken = opened.notify(
                title=message.title,
                body=message.body,
                notify_type=_KINDS.get(message.severity, apprise.NotifyType.SUCCESS),
                body_format=apprise.NotifyFormat.TEXT,
            )
        except Exception as error:  # noqa: BLE001 - a plugin's fault must not end the notifier
            return Receipt(target=target, problem=f"the library failed: {type(error).__name__}")
        problem = redact(said.getvalue(), secrets)[:MAX_PROBLEM]
    return Receipt(target=target, problem="" if taken else problem or "it was refused")
