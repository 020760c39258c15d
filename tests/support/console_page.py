"""What a person does at the console's page, whatever engine stands behind it."""

from __future__ import annotations

import re
from statistics import median
from typing import Any

from playwright.async_api import BrowserContext, Error, Page, Request, expect

PATIENCE_MS = 20_000
CHANCE_MS = 90_000
"""Takers come by chance, and a window that ends is followed by one that first warms up."""
MOVES = 10
_MOVES_JS = """async count => {
    const shown = () => document.querySelector(".sides").innerText;
    const gaps = [];
    let [last, at] = [shown(), performance.now()];
    while (gaps.length < count) {
        await new Promise(done => setTimeout(done, 20));
        if (shown() === last) continue;
        gaps.push((performance.now() - at) / 1000);
        [last, at] = [shown(), performance.now()];
    }
    return gaps;
}"""
_DEAD_JS = """name => {
    const found = state.snapshot?.services.find(one => one.name === name);
    return found?.health === "dead" && [found.silent_s];
}"""
_TAPES_JS = """() => ({
    trades: state.snapshot.fills.map(one => one.trade_id),
    decisions: state.snapshot.events.map(one => one.id),
    begins: state.points[0].t,
})"""


class ConsolePage:
    """A page of the console at `url`, and in `problems` what must stay empty.

    Those are errors of its script, and requests to anywhere else.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.problems: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        page.on("pageerror", self._note_error)
        page.on("request", self._note_request)

    def _note_error(self, error: Error) -> None:
        self.problems.append(f"an error of the script: {error}")

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith(f"{self.url}/"):
            self.problems.append(f"asked {request.url}")

    async def is_refused_with_a_wrong_token(self) -> None:
        await self.page.goto(self.url)
        await self.page.get_by_label("Control token").fill("wrong")
        await self.page.get_by_role("button", name="Sign in", exact=True).click()
        problem = self.page.locator("#sign-in-problem")
        await expect(problem).to_have_text("the control token is wrong")
        await expect(self.page.locator("#main")).to_be_hidden()

    async def opens(self, link: str) -> None:
        """Use a link; its code must not stay in the address."""
        await self.page.goto(f"{self.url}{link}")
        await self.page.reload()  # a link whose fragment alone changed loads nothing
        await expect(self.page.locator("#link")).to_have_text("live")
        assert self.page.url == f"{self.url}/", "the code of the link stays in the address"
        await self.sees_all_ready()

    async def sees_all_ready(self) -> None:
        await expect(self.page.locator("#health")).to_have_text("all services ready")

    async def sees_a_bid(self) -> None:
        bid = self.page.locator(".ladder .own").first
        await expect(bid).to_be_visible(timeout=CHANCE_MS)

    async def moves_each_s(self) -> float:
        """How often the books on the page change: the median of some gaps, in seconds."""
        gaps_s: list[float] = await self.page.evaluate(_MOVES_JS, MOVES)
        return median(gaps_s)

    async def sees_a_fill_with_its_markout(self) -> None:
        markout = self.page.locator(
            "#fills tr[data-trade] td:nth-child(6)", has_text=re.compile(r"\d")
        )
        await expect(markout.first).to_be_visible(timeout=CHANCE_MS)

    async def reloads_and_has_lost_nothing(self) -> None:
        """The session stays, and so do fills, decisions and charts."""
        before = await self._tapes()
        await self.page.reload()
        await expect(self.page.locator("#link")).to_have_text("live")
        after = await self._tapes()
        assert set(before["trades"]) <= set(after["trades"])
        assert before["decisions"][0] in after["decisions"], "the newest of before"
        assert after["begins"] <= before["begins"]

    async def _tapes(self) -> dict[str, Any]:
        """Once something is on each: a hedge may rest for long before the next decision."""
        decision = self.page.locator("#decisions li[data-event]").first
        await expect(decision).to_be_visible(timeout=CHANCE_MS)
        await expect(self.page.locator("#fills tr[data-trade]").first).to_be_visible()
        await expect(self.page.locator("#mid-chart canvas")).to_be_visible()
        found: dict[str, Any] = await self.page.evaluate(_TAPES_JS)
        return found

    async def kills(self, reason: str) -> None:
        """Think better of it, then do it, until the venue's word is there that nothing rests."""
        page = self.page
        kill = page.get_by_role("button", name="Kill", exact=True)
        await kill.click()
        await page.get_by_role("button", name="Go back").click()
        await expect(page.locator("#health")).not_to_have_text("halted")
        await kill.click()
        await page.get_by_label("Reason").fill(reason)
        await page.get_by_role("button", name="Kill now").click()
        await expect(page.locator("#alert")).to_contain_text(reason)
        await expect(page.locator("#flat")).to_contain_text("nothing of ours rests there")

    async def resumes(self) -> None:
        await self.page.get_by_role("button", name="Resume").click()
        await self.sees_all_ready()
        await self.sees_a_bid()

    async def sees_dead(self, name: str) -> float:
        """Return how long a service was silent when the page first said that it is dead, in s."""
        told = await self.page.wait_for_function(_DEAD_JS, arg=name)
        (silent_s,) = await told.json_value()
        line = self.page.locator(f'[data-service="{name}"][data-health="dead"]')
        await expect(line).to_be_visible()
        await expect(self.page.locator("#alert")).to_contain_text(f"{name} is dead")
        return float(silent_s)

    async def signs_out(self) -> None:
        await self.page.get_by_role("button", name="Sign out").click()
        await expect(self.page.locator("#main")).to_be_hidden()


async def open_page(context: BrowserContext, url: str) -> ConsolePage:
    """A new tab; it shows nothing yet."""
    return ConsolePage(await context.new_page(), url)
