"""`make pictures`: the pictures of the README, made of one real run against the simulator.

    python -m support.pictures FOLDER

A `pm run` of two series is started and kept recording. When its console shows bids, fills with
their markouts and a window that is over, the page is taken in light and dark, and `pm watch` in a
terminal. Then the run is stopped, and its recordings make the report.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import tempfile
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec
from PIL import Image
from playwright.async_api import Browser, ViewportSize

from pmcore.shell.control_client import ControlClient, open_http
from pmtools.run.files import RunRecord
from pmtools.watch.command import open_app
from pmtools.watch.link import ConsolePlace
from support.browser import chromium
from support.tree import ROOT

MOST_BYTES = 150_000
"""Of one picture: they are part of every clone."""
COLOURS = 64
RUN_S = 600
PATIENCE_S = 420.0
PAGE = ViewportSize(width=1440, height=1150)
TERMINAL = (120, 48)
FILLS = 6
SETTINGS = {"PM_PRESET": "show", "PM_RECORD": "true"}
_RUN = ("run", "--seed", "7", "--keep", "--seconds", str(RUN_S))
_MARKET = ("--market", "btc-updown-60s,eth-updown-60s")


async def make_pictures(folder: Path) -> None:
    """Write console-light, console-dark, terminal and report as PNG."""
    with tempfile.TemporaryDirectory() as scratch:
        async with chromium() as browser:
            async with _run(Path(scratch)) as (record, directory):
                await _until_worth_a_picture(record)
                await _console(browser, record, "light", folder / "console-light.png")
                await _console(browser, record, "dark", folder / "console-dark.png")
                await _terminal(browser, record, folder / "terminal.png")
            page = Path(scratch) / "report.html"
            recordings = str(directory / "feed" / "recordings")
            await _pm(Path(scratch), "report", recordings, "--out", str(page))
            await _shoot(browser, page.as_uri(), folder / "report.png", PAGE)


def _make_small(folder: Path) -> None:
    """Few colours are enough for letters and bars, and take a third of the bytes."""
    for path in folder.glob("*.png"):
        with Image.open(path) as drawn:
            few = drawn.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
    sizes = {path.name: path.stat().st_size for path in sorted(folder.glob("*.png"))}
    for name, size in sizes.items():
        print(f"{name}: {size} bytes")
    if too_big := [name for name, size in sizes.items() if size > MOST_BYTES]:
        raise SystemExit(f"larger than {MOST_BYTES} bytes: {', '.join(too_big)}")


@asynccontextmanager
async def _run(scratch: Path) -> AsyncIterator[tuple[RunRecord, Path]]:
    """A `pm run` that goes on; it is stopped at the end, its directory stays."""
    directory = scratch / "run-1"
    process = await _start(scratch, *_RUN, *_MARKET)
    try:
        while not (directory / "run.json").exists():
            if process.returncode is not None:
                raise SystemExit(f"pm run ended with {process.returncode}")
            await asyncio.sleep(0.2)
        record = msgspec.json.decode((directory / "run.json").read_bytes(), type=RunRecord)
        yield record, directory
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            await process.wait()


async def _until_worth_a_picture(record: RunRecord) -> None:
    async with open_http() as http, asyncio.timeout(PATIENCE_S):
        console = ControlClient(http, record.urls["console"], record.control_token)
        while True:
            state = (await console.get("/state")).body
            if _is_worth_a_picture(state.get("snapshot") or {}):
                return
            await asyncio.sleep(0.3)


def _is_worth_a_picture(snapshot: Mapping[str, Any]) -> bool:
    """Two windows with bids and something held, some fills, and windows that are over."""
    quoting = [one for one in snapshot.get("windows") or () if one["state"] == "quoting"]
    sides = [side for one in quoting for side in one["outcomes"].values()]
    bids = sum(side["quote"] is not None for side in sides)
    results = (snapshot.get("day") or {}).get("results_today") or {}
    held = any(side["qty"] for side in sides)
    return len(snapshot.get("fills") or ()) >= FILLS and bids >= 3 and held and len(results) >= 2


async def _console(
    browser: Browser, record: RunRecord, scheme: Literal["light", "dark"], to: Path
) -> None:
    url = record.urls["console"]
    async with open_http() as http:
        link = await ControlClient(http, url, record.control_token).post("/links", {})
    context = await browser.new_context(viewport=PAGE, color_scheme=scheme)
    page = await context.new_page()
    await page.goto(f"{url}{link.body['path']}")
    await page.locator("#fills tr[data-trade]").first.wait_for()
    await page.locator("#mid-chart canvas").wait_for()
    await page.screenshot(path=str(to))
    await context.close()


async def _terminal(browser: Browser, record: RunRecord, to: Path) -> None:
    place = ConsolePlace(
        title="run-1 (sim)", url=record.urls["console"], token=record.control_token
    )
    app = await open_app(place)
    async with app.run_test(size=TERMINAL) as pilot:
        async with asyncio.timeout(PATIENCE_S):
            while "OURS" not in (drawing := app.export_screenshot(title="pm watch")):
                await pilot.pause(0.2)
    drawn = to.with_suffix(".svg")
    drawn.write_text(drawing)
    width, height = re.findall(r"[\d.]+", drawing.partition('viewBox="0 0 ')[2])[:2]
    size = ViewportSize(width=int(float(width)) + 1, height=int(float(height)) + 1)
    await _shoot(browser, drawn.as_uri(), to, size)
    drawn.unlink()


async def _shoot(browser: Browser, url: str, to: Path, size: ViewportSize) -> None:
    page = await browser.new_page(viewport=size)
    await page.goto(url)
    await page.screenshot(path=str(to))
    await page.close()


async def _pm(scratch: Path, *arguments: str) -> None:
    process = await _start(scratch, *arguments)
    if await process.wait():
        raise SystemExit(f"pm {arguments[0]} ended with {process.returncode}")


async def _start(scratch: Path, *arguments: str) -> Process:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PM_", "POLYMARKET_"))}
    environment = {**inherited, "PM_DATA_DIR": str(scratch), **SETTINGS}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pmtools.cli", *arguments),
        cwd=ROOT,
        env=environment,
        stdin=DEVNULL,
        stdout=DEVNULL,
    )


if __name__ == "__main__":
    given = Path(sys.argv[1]).resolve()
    given.mkdir(parents=True, exist_ok=True)
    asyncio.run(make_pictures(given))
    _make_small(given)
