"""Stand-ins for the services: real processes with the real control contract and nothing behind it.

`write_fake_services(directory)` makes packages `pmfeed`, `pmsimulator`, ... that `python -m` finds
when the directory stands first in PYTHONPATH. Each tells what happened to it in `$PM_FAKE_DIR`.
"""

from __future__ import annotations

from pathlib import Path

NAMES = ("feed", "strategy", "executor", "userws", "simulator", "console")

_SOURCE = """
import json, os, signal, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

NAME = "{name}"
DIRECTORY = Path(os.environ["PM_FAKE_DIR"])
TOKEN = os.environ.get("PM_CONTROL_TOKEN", "")
(DIRECTORY / f"{{NAME}}.env.json").write_text(json.dumps(dict(os.environ)))


def note(what):
    with (DIRECTORY / "events.txt").open("a") as file:
        file.write(f"{{what}} {{NAME}}\\n")


class Handler(BaseHTTPRequestHandler):
    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        answers = DIRECTORY / f"{{NAME}}{{self.path.replace('/', '.')}}.json"
        if self.path == "/state" and TOKEN not in self.headers.get("Authorization", ""):
            return self.answer(401, {{}})
        if answers.exists():
            status, body = json.loads(answers.read_text())
            return self.answer(status, body)
        return self.answer(200, {{}})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if self.headers.get("Authorization") != f"Bearer {{TOKEN}}":
            return self.answer(401, {{}})
        note(f"{{self.path}} {{body}}")
        return self.answer(200, {{}})

    def log_message(self, *_):
        pass


def stop(*_):
    note("stopped")
    print('{{"event": "venue_empty"}}', flush=True)
    os._exit(0)


plan = os.environ.get("PM_FAKE_DEATHS", "")
if f"{{NAME}}:at_start" in plan:
    print("the settings are wrong: PM_EXAMPLE", file=sys.stderr)
    sys.exit(3)
signal.signal(signal.SIGTERM, signal.SIG_IGN if f"{{NAME}}:deaf" in plan else stop)
if f"{{NAME}}:later" in plan:
    threading.Timer(1.0, lambda: (print("out of ideas", flush=True), os._exit(4))).start()
if f"{{NAME}}:finished" in plan:
    threading.Timer(1.0, lambda: os._exit(0)).start()
if NAME == "simulator":
    venue = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PM_SIM_PORT"])), Handler)
    threading.Thread(target=venue.serve_forever, daemon=True).start()
note("started")
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PM_HTTP_PORT"])), Handler).serve_forever()
"""


def write_fake_services(directory: Path) -> None:
    """Write the packages."""
    for name in NAMES:
        package = directory / f"pm{name}"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (package / "__main__.py").write_text(_SOURCE.format(name=name))
