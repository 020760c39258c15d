"""Watches what the poller saw and tells a person, as a task beside it that it never waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from pmconsole.alerts import AlertBook, Notification
from pmconsole.faults import WARNING, Bounds, Rises, find_faults
from pmconsole.metrics import ConsoleMetrics
from pmconsole.poller import Poller
from pmconsole.sender import Receipt, Sender, secrets_of
from pmcore.shell.clock import Clock, monotonic_s
from pmcore.shell.files import disk_free_ratio
from pmcore.shell.service.logs import Log

LOOK_S = 1.0
_TEST = Notification(
    title="pm-as-ofi: test",
    body="This is the test that `pm notify test` asked for. Alerts come this way.",
    severity=WARNING,
)


class Notifier:
    """`state` says how many messages were taken and refused."""

    def __init__(  # noqa: PLR0913 - what it watches, and whom it tells
        self,
        poller: Poller,
        urls: Sequence[str],
        *,
        bounds: Bounds,
        repeat_s: float,
        secrets: Sequence[str],
        clock: Clock,
        data_dir: Path,
        metrics: ConsoleMetrics,
        log: Log,
    ) -> None:
        self._poller = poller
        self._sender = Sender(urls)
        self._targets = len(urls)
        self._bounds = bounds
        self._book = AlertBook(repeat_s=repeat_s, secrets=[*secrets, *secrets_of(urls)])
        self._rises = Rises()
        self._clock = clock
        self._data_dir = data_dir
        self._metrics = metrics
        self._log = log
        self._sent = self._failed = 0
        self._problem = ""

    def state(self) -> dict[str, Any]:
        """For `/state`: the addresses are secret, so they are counted."""
        return {
            "targets": self._targets,
            "sent": self._sent,
            "failed": self._failed,
            "problem": self._problem,
            "alerts": self._book.lasting,
        }

    async def run(self) -> None:
        """Until cancelled; without an address nothing is looked at."""
        while self._targets:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Find the faults of now, and send what is due."""
        now_s = monotonic_s()
        looks = self._poller.looks
        faults = find_faults(
            looks,
            now_s=now_s,
            clock_ns=self._clock.now_ns(),
            bounds=self._bounds,
            disk_free_ratio=disk_free_ratio(self._data_dir),
        )
        message = self._book.step(now_s, [*faults, *self._rises.look(looks, now_s)])
        if message is None:
            return
        receipts = await self._send(message)
        if any(not receipt.problem for receipt in receipts):
            self._book.sent(monotonic_s(), message)
        else:
            self._book.failed(monotonic_s())

    async def test(self) -> list[dict[str, str]]:
        """Send a test; what each address said to it."""
        return [msgspec.to_builtins(receipt) for receipt in await self._send(_TEST)]

    async def _send(self, message: Notification) -> list[Receipt]:
        receipts = await self._sender.send(message)
        problems = [f"{one.target}: {one.problem}" for one in receipts if one.problem]
        self._problem = "; ".join(problems)
        self._failed += len(problems)
        self._sent += len(receipts) - len(problems)
        self._metrics.notified(sent=len(receipts) - len(problems), failed=len(problems))
        if problems:
            self._log.warning("notify_failed", problems=problems)
        else:
            self._log.info("notified", title=message.title)
        return receipts
