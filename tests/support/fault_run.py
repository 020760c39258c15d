"""A whole engine that meets every kind of fault, and what Prometheus and the console say of it."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import redis.asyncio as redis_py
from redis.exceptions import AuthenticationError

from pmcore.messages.rotation import WindowAnnounced
from pmcore.messages.union import StreamMessage
from pmcore.model.market import Window
from pmcore.model.units import NS_PER_S
from pmcore.shell.service.tasks import cancel_and_wait
from pmcore.venue.l2_auth import ApiCredentials, l2_headers
from pmcore.wire import keys
from pmcore.wire.codec import Stamper, decode_entry
from pmcore.wire.ports import Outgoing
from pmtools.run.plan import SERVICES
from support.chaos.chaos_engine import SERIES, ChaosEngine, chaos_engine
from support.console_process import console_of
from support.processes import service_process
from support.prometheus import Prometheus, running_prometheus
from support.webhook import Webhook

ACCOUNT = "main"
SOONER = 6
"""So much shorter than in the rules is the time for which an alert must hold before it fires."""
LONG_SERIES = "eth-30m"
"""Its window lasts longer than the run: time without a bid adds up in it."""
_FULL_DISK = (
    'mount -t tmpfs -o size=1m none "$1" && '
    '{ head -c 2000000 /dev/zero > "$1/full"; shift; exec "$@"; }'
)
_IN_A_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")


class FaultRun:
    """`fired`: by name of the alert, the seconds since the run's begin."""

    def __init__(self, engine: ChaosEngine, prometheus: Prometheus) -> None:
        self.engine = engine
        self.prometheus = prometheus
        self.fired: dict[str, float] = {}
        self._began_s = asyncio.get_running_loop().time()
        self._stranger = Stamper("stranger", "fault-run")

    @property
    def now_s(self) -> float:
        return asyncio.get_running_loop().time() - self._began_s

    async def watch(self) -> None:
        """Note what fires, until cancelled."""
        while True:
            for name in await asyncio.to_thread(self.prometheus.firing):
                self.fired.setdefault(name, self.now_s)
            await asyncio.sleep(0.5)

    async def until_fired(self, *names: str, within_s: float = 60.0) -> None:
        """Wait until each of these fired once."""
        ends_s = self.now_s + within_s
        while missing := sorted(set(names) - self.fired.keys()):
            if self.now_s > ends_s:
                raise AssertionError(f"never fired: {missing}, but {sorted(self.fired)}")
            await asyncio.sleep(0.2)

    async def window(self, series: str = SERIES) -> Window:
        """The one that is open now."""
        entries: Any = await self.engine.direct.xrevrange(keys.rot(series))
        for entry_id, fields in entries:
            said = decode_entry(keys.rot(series), entry_id.decode(), fields).message
            if isinstance(said, WindowAnnounced):
                window = said.window
                if window.open_ns <= self.engine.clock.now_ns() < window.close_ns:
                    return window
        raise AssertionError(f"no window of {series} is open")

    async def window_about_to_close(self, least_s: float, most_s: float) -> Window:
        """One with an order that rests, so long before its close."""
        while True:
            window = await self.window()
            left_s = (window.close_ns - self.engine.clock.now_ns()) / NS_PER_S
            if least_s < left_s < most_s and await self.resting(window):
                return window
            await asyncio.sleep(0.2)

    async def until_closed(self, window: Window) -> None:
        """Wait for the close, and a moment."""
        left_s = (window.close_ns - self.engine.clock.now_ns()) / NS_PER_S
        await asyncio.sleep(left_s + 1.0)

    async def say(self, stream: str, *messages: StreamMessage) -> None:
        """Write to a stream of the engine, as somebody who has the password of Redis."""
        pipe = self.engine.direct.pipeline(transaction=False)
        for message in messages:
            entry: Any = self._stranger.entry(Outgoing(stream, message), self.engine.clock.now_ns())
            pipe.xadd(stream, entry)
        await pipe.execute()

    async def redis_release(self) -> int:
        """The first number of its version."""
        version: str = (await self.engine.direct.info("server"))["redis_version"]
        return int(version.partition(".")[0])

    async def guess_a_password(self) -> None:
        """As somebody who does not have it."""
        port = self.engine.server.port
        guess = redis_py.Redis(port=port, username="feed", password="guess")
        with contextlib.suppress(AuthenticationError):
            await guess.ping()
        await guess.aclose()

    async def cancel_everything(self) -> None:
        """As another process that has the credentials of the account."""
        stored = self.engine.directory / "api_credentials.json"
        credentials = ApiCredentials(**msgspec.json.decode(stored.read_bytes()))
        at_s = self.engine.clock.now_ns() // NS_PER_S
        headers = l2_headers(credentials, at_s, "DELETE", "/cancel-all")
        url = f"{self.engine.venue_url}/cancel-all"
        (await self.engine.http.delete(url, headers=headers)).raise_for_status()

    async def resting(self, window: Window) -> list[dict[str, Any]]:
        """Our orders in a window, as the venue has them."""
        tokens = {window.up_token_id, window.down_token_id}
        orders = (await self.wallet())["open_orders"]
        return [order for order in orders if order["asset_id"] in tokens]

    async def wallet(self) -> Mapping[str, Any]:
        """Our account in the venue's own records."""
        (account,) = (await self.engine.audit())["accounts"]
        found: Mapping[str, Any] = account
        return found


def why_no_full_disk() -> str:
    """Why a process cannot be given a small disk of its own here, or ""."""
    asked = [*_IN_A_NAMESPACE, "mount", "-t", "tmpfs", "none", "/tmp"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return done.stderr.strip() if done.returncode else ""


@asynccontextmanager
async def fault_run(
    directory: Path, notified: Webhook, alerted: Webhook, **environ: str
) -> AsyncIterator[FaultRun]:
    """An engine that quotes, with its console; `environ`: variables of the engine.

    The console tells `notified`; Prometheus, which scrapes all of it, tells `alerted`.
    """
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(
            chaos_engine(directory / "engine", 1, more_markets="eth-updown-30m", environ=environ)
        )
        tells = {"PM_NOTIFY_URLS": notified.url, "PM_NOTIFY_NOT_QUOTING_S": "10"}
        console = await stack.enter_async_context(console_of(engine, directory, **tells))
        urls = {name: engine.url(name) for name in SERVICES}
        urls["console"] = str(console.http.base_url)
        if not why_no_full_disk():
            disk = directory / "disk"
            disk.mkdir()
            inside = (*_IN_A_NAMESPACE, "sh", "-c", _FULL_DISK, "sh", str(disk))
            cramped = await stack.enter_async_context(
                service_process("pmconsole", disk, inside=inside)
            )
            await cramped.wait_for("/healthz")
            urls["console_on_a_full_disk"] = str(cramped.http.base_url)
        await engine.until_quoting("the start")
        scraping = running_prometheus(
            urls, directory, sooner=SOONER, receiver=f"http://{alerted.address}"
        )
        prometheus = await asyncio.to_thread(scraping.__enter__)
        stack.push_async_callback(asyncio.to_thread, scraping.__exit__, None, None, None)
        run = FaultRun(engine, prometheus)
        watching = asyncio.create_task(run.watch())
        stack.push_async_callback(cancel_and_wait, watching)
        yield run
