"""A receiver of notifications on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

PATH = "/hook/path-that-is-secret"


class Webhook:
    """Takes what is posted. `status`: its answer; `hold`: until it is set, there is none."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.status = 200
        self.hold = threading.Event()
        self.hold.set()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                owner.got.append(body)
                owner.hold.wait(30)
                self.send_response(owner.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        self.url = f"json://{self.address}{PATH}"

    @property
    def text(self) -> str:
        return "\n".join(f"{one['title']}\n{one['message']}" for one in self.got)


@contextmanager
def receiving() -> Iterator[Webhook]:
    """One that takes what is posted until the end."""
    made = Webhook()
    yield made
    made.hold.set()
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with receiving() as made:
        yield made
