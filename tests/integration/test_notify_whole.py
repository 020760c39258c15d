"""A real `pm run` that cannot quote tells a webhook, and so does a kill."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.webhook import PATH, Webhook, webhook

__all__ = ["webhook"]

pytestmark = [pytest.mark.connected, pytest.mark.timeout(240)]

PATIENCE_S = 90.0
FAULT = '{"mode": "cancel_only", "mode_s": 3600}'
"""The venue takes no order any more."""


async def pm(environ: Mapping[str, str], directory: Path, *arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pmtools.cli", *arguments),
        env=environ,
        cwd=directory,
        stdout=PIPE,
        stderr=PIPE,
    )


@asynccontextmanager
async def pm_run(environ: Mapping[str, str], directory: Path) -> AsyncIterator[Process]:
    process = await pm(environ, directory, "run", "--seconds", "200", "--window", "120")
    talking = asyncio.create_task(process.communicate())
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await talking


async def until(holds: Callable[[], bool], what: str, hook: Webhook) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():  # noqa: ASYNC110 - another process posts it
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"never: {what}, but {hook.text!r}") from None


async def test_a_run_that_cannot_quote_and_a_kill_reach_a_webhook(
    tmp_path: Path, webhook: Webhook
) -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
        "PM_DATA_DIR": str(tmp_path / "var"),
        "PM_NOTIFY_URLS": webhook.url,
        "PM_NOTIFY_NOT_QUOTING_S": "5",
        "PM_SIM_FAULTS": FAULT,
    }
    async with pm_run(environ, tmp_path) as process:
        await until(lambda: "no bid rests: " in webhook.text, "not quoting", webhook)
        assert PATH not in webhook.text

        tested = await pm(environ, tmp_path, "notify", "test", "--run", str(process.pid))
        told, _ = await tested.communicate()
        assert tested.returncode == 0, told
        await until(lambda: "pm notify test" in webhook.text, "the test", webhook)

        kill = ("kill", "--reason", "news", "--run", str(process.pid))
        killed = await pm(environ, tmp_path, *kill)
        told, _ = await killed.communicate()
        assert killed.returncode == 0, told
        await until(lambda: "halted: news" in webhook.text, "the halt", webhook)
