"""Pages of a console and a scraper of metrics, in a process of their own, without a browser.

`python -m pmtools.bench.page_readers CONSOLE_URL TOKEN PAGES METRICS_URL...` prints a line when
each page has had its first snapshot, and at SIGTERM how many snapshots the pages read. One more
page asks and never reads.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

from pmcore.shell.control_client import open_http

SCRAPE_S = 5.0
"""As in prometheus/prometheus.yml."""
_AGAIN_S = 0.25
_DEAF_BUFFER = 4_096


class Pages:
    """Event streams of one console, read and thrown away; an answer that ended is asked again."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 80)
        head = f"GET /events HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {token}"
        self._request = f"{head}\r\n\r\n".encode()
        self.snapshots = 0

    async def follow(self, seen: asyncio.Event) -> None:
        """One page, until cancelled; `seen` is set at its first snapshot."""
        while True:
            reader, writer = await asyncio.open_connection(*self._address, limit=2**22)
            try:
                writer.write(self._request)
                while line := await reader.readline():
                    if line.startswith(b"data: "):
                        self.snapshots += 1
                        seen.set()
                    elif line == b"0\r\n":  # the last chunk of the answer
                        break
            finally:
                writer.close()
            await asyncio.sleep(_AGAIN_S)

    async def stay_deaf(self) -> None:
        """A page that asks and never reads; asked again when the console has cut it off."""
        loop = asyncio.get_running_loop()
        while True:
            with socket.socket() as deaf:
                deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _DEAF_BUFFER)
                deaf.setblocking(False)  # noqa: FBT003 - socket's own signature
                await loop.sock_connect(deaf, self._address)
                await loop.sock_sendall(deaf, self._request)
                await asyncio.sleep(SCRAPE_S * 2)


async def scrape(urls: Sequence[str]) -> None:
    """Ask for `/metrics` of each as Prometheus does, until cancelled."""
    async with open_http() as http:
        while True:
            for url in urls:
                await http.get(f"{url}/metrics")
            await asyncio.sleep(SCRAPE_S)


async def _read(url: str, token: str, count: int, scraped: Sequence[str]) -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    pages = Pages(url, token)
    seen = [asyncio.Event() for _ in range(count)]
    work = [pages.follow(one) for one in seen]
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(one) for one in (*work, pages.stay_deaf(), scrape(scraped))]
        for one in seen:
            await one.wait()
        print("all pages are open", flush=True)
        await over.wait()
        for task in running:
            task.cancel()
    print(pages.snapshots, flush=True)


if __name__ == "__main__":
    asyncio.run(_read(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]))
