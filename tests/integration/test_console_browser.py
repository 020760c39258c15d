"""The console's page in a browser, beside a real engine."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Error, Page, Request, expect

from pmtools.run.plan import SERVICES
from support.browser import chromium
from support.processes import ServiceProcess, service_process
from support.whole_engine import TOKEN, Engine, engine

pytestmark = [pytest.mark.connected, pytest.mark.timeout(240)]

PATIENCE_MS = 20_000
FILL_MS = 90_000
"""Takers come by chance."""
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


async def open_page(context: BrowserContext, url: str) -> tuple[Page, list[str]]:
    """A page, and what must stay empty: errors of its script, requests to elsewhere."""
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    problems: list[str] = []

    def note_error(error: Error) -> None:
        problems.append(f"an error of the script: {error}")

    def note_request(request: Request) -> None:
        if not request.url.startswith(f"{url}/"):
            problems.append(f"asked {request.url}")

    page.on("pageerror", note_error)
    page.on("request", note_request)
    return page, problems


async def serious_faults(page: Page) -> list[str]:
    found = await Axe().run(page)
    return [
        f"{each['id']}: {each['help']}: {[node['html'][:120] for node in each['nodes']]}"
        for each in found.response["violations"]
        if each["impact"] in ("serious", "critical")
    ]


async def test_a_person_signs_in_looks_kills_and_resumes(tmp_path: Path) -> None:
    expect.set_options(timeout=PATIENCE_MS)
    async with engine_with_console(tmp_path) as (running, console, url, browser):
        width, height = WIDE
        context = await browser.new_context(viewport={"width": width, "height": height})
        page, problems = await open_page(context, url)
        await page.goto(url)
        await page.get_by_label("Control token").fill("wrong")
        await page.get_by_role("button", name="Sign in", exact=True).click()
        await expect(page.locator("#sign-in-problem")).to_have_text("the control token is wrong")
        await expect(page.locator("#main")).to_be_hidden()

        link = (await console.http.post("/links")).json()["path"]
        await page.goto(f"{url}{link}")
        await page.reload()  # a link whose fragment alone changed loads nothing
        await expect(page.locator("#link")).to_have_text("live")
        assert page.url == f"{url}/", "the code of the link does not stay in the address"
        assert TOKEN not in await page.content()
        await expect(page.locator("#health")).to_have_text("all services ready")
        before = await page.locator("#clock").inner_text()
        await expect(page.locator("#clock")).not_to_have_text(before)
        await expect(page.locator(".ladder .own").first).to_be_visible()
        fill = page.locator("#fills tr[data-trade]").first
        await expect(fill).to_be_visible(timeout=FILL_MS)
        after_1_s = page.locator(
            "#fills tr[data-trade] td:nth-child(6)", has_text=re.compile(r"\d")
        )
        await expect(after_1_s.first).to_be_visible()

        await page.reload()  # in the middle: the session stays, and so do tapes and charts
        await expect(page.locator("#link")).to_have_text("live")
        await expect(page.locator("#decisions li[data-event]").first).to_be_visible()
        await expect(fill).to_be_visible()
        await expect(page.locator("#mid-chart canvas")).to_be_visible()

        await page.get_by_role("button", name="Kill", exact=True).click()
        await page.get_by_role("button", name="Go back").click()
        await expect(page.locator("#health")).not_to_have_text("halted")
        await page.get_by_role("button", name="Kill", exact=True).click()
        await page.get_by_label("Reason").fill("tried in a browser")
        await page.get_by_role("button", name="Kill now").click()
        await expect(page.locator("#alert")).to_contain_text("tried in a browser")
        await expect(page.locator("#flat")).to_contain_text("nothing of ours rests there")
        assert await running.open_orders() == 0

        await page.get_by_role("button", name="Resume").click()
        await expect(page.locator("#health")).to_have_text("all services ready")
        await expect(page.locator(".ladder .own").first).to_be_visible()

        os.kill(running.children["strategy"].pid, signal.SIGKILL)
        dead = page.locator('[data-service="strategy"][data-health="dead"]')
        await expect(dead).to_be_visible(timeout=PATIENCE_MS)
        await expect(page.locator("#alert")).to_contain_text("strategy is dead")
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.locator("#main")).to_be_hidden()
        assert problems == []


async def test_a_page_in_the_background_follows_nothing(tmp_path: Path) -> None:
    """A browser opens six connections to a host: hidden tabs must leave one for a kill."""
    expect.set_options(timeout=PATIENCE_MS)
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

        page, problems = await open_page(await browser.new_context(), url)
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
        assert problems == []


@pytest.mark.parametrize(("width", "height"), [WIDE, NARROW])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_fits_and_can_be_used_by_everybody(
    tmp_path: Path, width: int, height: int, scheme: str
) -> None:
    expect.set_options(timeout=PATIENCE_MS)
    async with engine_with_console(tmp_path) as (_, console, url, browser):
        link = (await console.http.post("/links")).json()["path"]
        context = await browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        page, problems = await open_page(context, url)
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
        assert problems == []
