"""A fault reaches a webhook, from the console beside services whose answers are scripted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pmcore.model.market import window_times_ns
from support.control_ports import ControlPort, FakeEngine
from support.processes import TOKEN, ServiceProcess, service_process
from support.webhook import PATH, Webhook, webhook

__all__ = ["webhook"]

pytestmark = [pytest.mark.connected, pytest.mark.timeout(90)]

SLUG = "btc-updown-60s-1800000000"
KEY = "0x" + "5e" * 32
SIDES = {"up": {"quote": 0.4}, "down": {"quote": None, "obstacle": "toxic"}}


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with ExitStack() as stack:
        made = FakeEngine(stack, TOKEN)
        say(made.ports["strategy"], {"windows": {SLUG: {"state": "quoting", "outcomes": SIDES}}})
        yield made


def say(port: ControlPort, state: dict[str, Any]) -> None:
    port.answers["/state"] = (200, state)


@asynccontextmanager
async def console_of(
    engine: FakeEngine, directory: Path, *urls: str, **more: str
) -> AsyncIterator[ServiceProcess]:
    variables = {f"PM_{name.upper()}_URL": url for name, url in engine.urls.items()}
    variables |= {"PM_NOTIFY_URLS": " ".join(urls), **more}
    async with service_process("pmconsole", directory, **variables) as console:
        await console.wait_for("/readyz")
        yield console


async def told(console: ServiceProcess, webhook: Webhook, text: str) -> None:
    async def has() -> bool:
        return text in webhook.text

    await console.until(has, f"{text!r} at the webhook, but {webhook.text!r}")


async def test_faults_reach_a_webhook_with_their_reason_and_no_secret(
    engine: FakeEngine, webhook: Webhook, tmp_path: Path
) -> None:
    assert window_times_ns(SLUG)
    wait = {"PM_NOTIFY_NOT_QUOTING_S": "5"}
    async with console_of(engine, tmp_path, webhook.url, **wait) as console:
        why = f"toxic order flow, key {KEY}, token {TOKEN}"
        quiet = {"state": "quoting", "why": why, "outcomes": {"up": {"obstacle": "toxic"}}}
        engine.ports["executor"].close()
        say(engine.ports["strategy"], {"windows": {SLUG: quiet}})
        await told(console, webhook, "btc-updown-60s: no bid rests: toxic order flow")
        await told(console, webhook, "CRITICAL executor does not answer: nobody listens there")
        assert "docs/runbook.md#a-service-is-down" in webhook.text
        for secret in (KEY[:20], TOKEN, PATH):
            assert secret not in webhook.text
            assert secret not in console.log

        async def counted() -> bool:
            return bool((await console.state())["notify"]["sent"] >= 1)

        await console.until(counted, "a message that was taken")  # the webhook has it first
        assert (await console.state())["notify"]["failed"] == 0
        metrics = (await console.http.get("/metrics")).text
        assert 'pm_console_notifications_total{kind="sent"}' in metrics


async def test_a_refused_message_is_counted_said_and_told_later(
    engine: FakeEngine, webhook: Webhook, tmp_path: Path
) -> None:
    webhook.status = 500
    async with console_of(engine, tmp_path, webhook.url) as console:
        halt = {"reason": "news", "by": "alice", "since": "x"}
        say(engine.ports["feed"], {"halted": "news", "halt": halt})
        await console.until_logged("notify_failed")
        state = (await console.state())["notify"]
        assert state["failed"] == 1
        assert "error=500" in state["problem"]
        assert PATH not in console.log
        webhook.status = 200
        await console.until_logged('"notified"')
        assert webhook.got[-1]["message"].startswith("halted: news, by alice")


async def test_a_receiver_that_never_answers_holds_up_neither_the_page_nor_the_end(
    engine: FakeEngine, webhook: Webhook, tmp_path: Path
) -> None:
    webhook.hold.clear()
    slow = f"{webhook.url}?rto=60"
    async with console_of(engine, tmp_path, slow) as console:
        say(engine.ports["feed"], {"halted": "first"})
        await told(console, webhook, "halted: first")
        say(engine.ports["feed"], {"halted": "second"})

        async def shown() -> bool:
            return "second" in str((await console.state())["snapshot"]["halts"])

        await console.until(shown, "the second halt on the page while the first is being sent")
        assert (await console.http.post("/notify/test", timeout=5.0)).json()["receipts"] == [
            {"target": "address 1", "problem": "the message before is still being sent"}
        ]
        assert await console.terminate() == 0


async def test_the_test_says_what_each_address_answered(
    engine: FakeEngine, webhook: Webhook, tmp_path: Path
) -> None:
    async with console_of(engine, tmp_path, webhook.url, "json://127.0.0.1:9/closed") as console:
        answer = await console.http.post("/notify/test", timeout=15.0)
        assert answer.status_code == 502
        first, second = answer.json()["receipts"]
        assert first == {"target": "address 1 (JSON)", "problem": ""}
        assert second["target"] == "address 2 (JSON)"
        assert "onnection" in second["problem"]
        assert webhook.got[0]["title"] == "pm-as-ofi: test"
    async with console_of(engine, tmp_path) as console:
        assert (await console.http.post("/notify/test")).json() == {"receipts": []}


async def test_an_address_that_cannot_be_used_stops_the_start_with_one_line(
    tmp_path: Path,
) -> None:
    given = {"PM_NOTIFY_URLS": "telegrm://12345:hidden-part/1"}
    async with service_process("pmconsole", tmp_path, **given) as console:
        assert await console.ended() == 2
        (line,) = console.log.splitlines()
        assert "PM_NOTIFY_URLS" in line
        assert "address 1 (telegrm://)" in line
        assert "hidden-part" not in line
