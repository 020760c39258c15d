"""The console's page in a browser, beside a real engine."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from pmtools.run.plan import SERVICES
from support.browser import chromium
from support.console_page import open_page
from support.processes import ServiceProcess, service_process
from support.whole_engine import TOKEN, Engine, engine

pytestmark = [pytest.mark.connected, pytest.mark.timeout(240)]

WIDE, NARROW = (1440, 900), (360, 740)


@asynccontextmanager
async def engine_with_console(
    directory: Path,
) -> AsyncIterator[tuple[Engine, ServiceProcess, str, Browser]]:
    async with chromium() as browser, engine(directory) as running:
        urls = {f"PM_{name.upper()}_URL": running.url(name) for name in SERVICES}
        variables = {**urls, "PM_CONTROL_TOKEN": TOKEN, "PM_CLOCK": running.clock_spec}
        async with service_process("pmconsole", directory, **variables) as console:
            console.http.headers["Authorization"] = f"Bearer {TOKEN}"
            await console.wait_for("/readyz")
            yield running, console, str(console.http.base_url).rstrip("/"), browser


async def serious_faults(page: Page) -> list[str]:
    found = await Axe().run(page)
    return [
        f"{each['id']}: {each['help']}: {[node['html'][:120] for node in each['nodes']]}"
        for each in found.response["violations"]
        if each["impact"] in ("serious", "critical")
    ]


async def test_a_person_signs_in_looks_kills_and_resumes(tmp_path: Path) -> None:
    async with engine_with_console(tmp_path) as (running, console, url, browser):
        width, height = WIDE
        context = await browser.new_context(viewport={"width": width, "height": height})
        person = await open_page(context, url)
        await person.is_refused_with_a_wrong_token()
        await person.opens((await console.http.post("/links")).json()["path"])
        assert TOKEN not in await person.page.content()
        await person.sees_a_bid()
        assert await person.moves_each_s() < 1.0
        await person.sees_a_fill_with_its_markout()
        await person.reloads_and_has_lost_nothing()
        await person.kills("tried in a browser")
        assert await running.open_orders() == 0
        await person.resumes()
        os.kill(running.children["strategy"].pid, signal.SIGKILL)
        assert await person.sees_dead("strategy") < 3.0
        await person.signs_out()
        assert person.problems == []


async def test_a_page_in_the_background_follows_nothing(tmp_path: Path) -> None:
    """A browser opens six connections to a host: hidden tabs must leave one for a kill."""
    async with chromium() as browser, service_process("pmconsole", tmp_path) as console:
        await console.wait_for("/readyz")
        url = str(console.http.base_url).rstrip("/")
        link = (await console.http.post("/links")).json()["path"]

        async def follow(number: int) -> None:
            async def followed() -> bool:
                return bool((await console.state())["pages"] == number)

            await console.until(followed, f"{number} pages follow")

        async def turn(*, hidden: bool) -> None:
            await page.evaluate(
                """hidden => {
                    const now = { value: hidden, configurable: true };
                    Object.defineProperty(document, "hidden", now);
                    document.dispatchEvent(new Event("visibilitychange"));
                }""",
                hidden,
            )

        person = await open_page(await browser.new_context(), url)
        page = person.page
        await page.goto(f"{url}{link}")
        await expect(page.locator("#link")).to_have_text("live")
        await follow(1)
        await turn(hidden=True)
        assert await page.evaluate("state.source") is None, "it would ask again by itself"
        await follow(0)
        await turn(hidden=False)
        await follow(1)
        await page.close()
        await follow(0)
        assert person.problems == []


@pytest.mark.parametrize(("width", "height"), [WIDE, NARROW])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_fits_and_can_be_used_by_everybody(
    tmp_path: Path, width: int, height: int, scheme: str
) -> None:
    async with engine_with_console(tmp_path) as (_, console, url, browser):
        link = (await console.http.post("/links")).json()["path"]
        context = await browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        person = await open_page(context, url)
        page = person.page
        await page.goto(f"{url}{link}")
        await expect(page.locator("#overview tbody button")).to_be_visible()
        await expect(page.locator("#mid-chart canvas")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        assert await serious_faults(page) == []
        await page.screenshot(path=str(tmp_path / f"{width}-{scheme}.png"), full_page=True)

        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.className") == "skip"
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.id") == "kill"
        await page.keyboard.press("Enter")
        await expect(page.locator("#kill-dialog")).to_be_visible()
        assert await serious_faults(page) == []
        await page.keyboard.press("Escape")
        await expect(page.locator("#kill-dialog")).to_be_hidden()
        assert person.problems == []
