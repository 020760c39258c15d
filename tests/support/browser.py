"""A headless Chromium of this machine, or the one that `playwright install chromium` put there."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_CUT_OFF = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"
"""No name is found and no address but this machine's is reached."""


def _program(own: str) -> str:
    found = next((path for name in _NAMES if (path := shutil.which(name))), own)
    if not Path(found).exists():
        text = "no Chromium: apt install chromium, or .venv/bin/playwright install chromium"
        if "browser" in os.environ.get("PM_REQUIRE", ""):
            pytest.fail(text)
        pytest.skip(text)
    return found


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """One that is cut off from the outside.

    Skip the test where there is none, unless PM_REQUIRE names `browser`.
    """
    async with async_playwright() as playwright:
        path = _program(playwright.chromium.executable_path)
        sandbox = ["--no-sandbox"] if os.getuid() == 0 else []
        arguments = [_CUT_OFF, *sandbox]
        browser = await playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield browser
        finally:
            await browser.close()
