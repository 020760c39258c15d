"""A page in place of Grafana: what is missing, what still works, and how to get the rest."""

from __future__ import annotations

from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 3000
TEXT = """\
This is not Grafana. Its image is not on this machine and could not be pulled.

Everything else runs without it: the figures are at Prometheus, http://127.0.0.1:9090,
and `pm status` tells how the engine is.

To get Grafana:
  docker compose pull grafana && docker compose up -d grafana

`docker compose build` and `docker compose up --build` make this page under Grafana's name, too.
The same command brings Grafana back.
"""


class Page(BaseHTTPRequestHandler):
    """The same text on every path."""

    def do_GET(self) -> None:
        """Answer 503, so that no program takes this for Grafana."""
        body = TEXT.encode()
        self.send_response(HTTPStatus.SERVICE_UNAVAILABLE)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not worth a line."""


if __name__ == "__main__":
    print(TEXT, end="")
    ThreadingHTTPServer(("", PORT), Page).serve_forever()
