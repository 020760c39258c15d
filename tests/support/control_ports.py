"""Control ports that remember what they were told, and a checkout whose engines they are.

Nothing of `pm` is replaced: real HTTP servers, real run records, a `docker` program in PATH that
says what the test wants it to say.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pmtools.run.files import RunRecord, hold_record, new_directory

SERVICES = ("feed", "strategy", "executor", "userws")
_PORT_INSIDE = {"feed": 8101, "strategy": 8102, "executor": 8103, "userws": 8104, "console": 8105}
_DOCKER = """#!/bin/sh
here=$(dirname "$0")
[ -e "$here/hang" ] && sleep 600
while [ -e "$here/wait" ]; do sleep 0.02; done
[ -e "$here/error" ] && { cat "$here/error" >&2; exit 1; }
case "$1" in
  ps) cat "$here/rows" ;;
  exec)
    identity=$2
    volume="$here/volume.$identity"
    case "$*" in
      *" find "*) cd "$volume" && exec find . -maxdepth 1 -type f -printf '%f\t%T@\n' ;;
      *" tar "*) touch "$here/copies"; shift 8; exec tar -C "$volume" -cf - "$@" ;;
      *) cat "$here/token.$identity" ;;
    esac ;;
  logs) cat "$here/log.$4" >&2 ;;
esac
"""


class ControlPort:
    """One service's control endpoints; `heard` is what came to /kill and /resume."""

    def __init__(self, name: str, token: str, *, port: int = 0, after_s: float = 0.0) -> None:
        self.name = name
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.on_heard: Callable[[], None] = lambda: None
        self.answers: dict[str, tuple[int, dict[str, Any]]] = {}
        self._token = token
        self._server: ThreadingHTTPServer | None = None
        if after_s:
            threading.Timer(after_s, self._listen, [port]).start()
            self.url = f"http://127.0.0.1:{port}"
        else:
            self.url = self._listen(port)

    def _listen(self, port: int) -> str:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/healthz":
                    return self._answer(200, {"status": "ok", "service": owner.name})
                if self.path == "/state" and not self._authorized():
                    return self._answer(401, {})
                return self._answer(*owner.answers.get(self.path, (200, {})))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if not self._authorized():
                    return self._answer(401, {})
                owner.heard.append((self.path, json.loads(body)))
                owner.on_heard()
                return self._answer(*owner.answers.get(self.path, (200, {"redis": "ok"})))

            def _authorized(self) -> bool:
                return self.headers.get("Authorization") == f"Bearer {owner._token}"

            def _answer(self, status: int, body: Mapping[str, Any]) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class FakeEngine:
    """The four services of one engine, and others that are given, under one token."""

    def __init__(self, stack: ExitStack, token: str, **ports: ControlPort) -> None:
        self.token = token
        made = {name: ControlPort(name, token) for name in SERVICES if name not in ports}
        self.ports = {**made, **ports}
        for port in self.ports.values():
            stack.callback(port.close)

    @property
    def urls(self) -> dict[str, str]:
        return {name: port.url for name, port in self.ports.items()}

    def heard(self, path: str) -> list[dict[str, Any]]:
        """The bodies that came to a path at any of the four."""
        return [body for port in self.ports.values() for at, body in port.heard if at == path]


class FakeCheckout:
    """A directory that `pm` takes for its checkout."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.root = directory / "checkout"
        self._bin = directory / "bin"
        self._stack = stack
        (self.root / "libs/pmcore").mkdir(parents=True)
        (self.root / "docker-compose.yml").write_text("name: pm-as-ofi\n")
        self._rows: list[str] = []
        self.docker_says()

    def engine(self, token: str, **ports: ControlPort) -> FakeEngine:
        """An engine that nobody knows of yet."""
        return FakeEngine(self._stack, token, **ports)

    def run(
        self,
        engine: FakeEngine,
        *,
        pid: int = 4711,
        held: bool = True,
        root: Path | None = None,
    ) -> Path:
        """Leave the record of a `pm run`; `held`: as if that process lived."""
        directory = new_directory(root or self.root / "var")
        record = RunRecord(
            pid=pid,
            mode="sim",
            urls=engine.urls,
            control_token=engine.token,
            redis_url="",
            checkout=str(self.root.resolve()),
        )
        kept = hold_record(directory, record)
        if held:
            self._stack.callback(kept.remove)
        else:
            kept.release()
        return directory

    def compose(
        self,
        engine: FakeEngine,
        *,
        project: str = "pm-as-ofi",
        directory: Path | None = None,
        stopped: Sequence[str] = (),
        readable: bool = True,
    ) -> None:
        """Let Docker tell of a stack."""
        for name, port in engine.ports.items():
            identity = f"{project}-{name}"
            ports = f"127.0.0.1:{port.url.rpartition(':')[2]}->{_PORT_INSIDE[name]}/tcp"
            state, status = (
                ("exited", "Exited (2) 5 minutes ago")
                if name in stopped
                else (
                    "running",
                    "Up 5 minutes (healthy)",
                )
            )
            place = str(directory or self.root.resolve())
            row = (identity, place, project, name, state, status, "" if name in stopped else ports)
            self._rows.append("\t".join(row))
            if readable:
                (self._bin / f"token.{identity}").write_text(f"{engine.token}\n")
        (self._bin / "rows").write_text("".join(f"{row}\n" for row in self._rows))

    def container_wrote(self, project: str, service: str, text: str) -> None:
        """Let `docker logs` tell this, on stderr, where a traceback goes too."""
        (self._bin / f"log.{project}-{service}").write_text(text)

    def volume(self, project: str, service: str) -> Path:
        """What `docker exec` finds in a container's folder of journals."""
        place = self._bin / f"volume.{project}-{service}"
        place.mkdir()
        return place

    @property
    def copies(self) -> Path:
        """Exists once `docker` was asked for a copy."""
        return self._bin / "copies"

    def docker_says(self, error: str = "", *, hangs: bool = False, absent: bool = False) -> None:
        """How the `docker` program behaves."""
        self._bin.mkdir(exist_ok=True)
        program = self._bin / "docker"
        program.write_text(_DOCKER)
        program.chmod(0o755)
        (self._bin / "rows").touch()
        if error:
            (self._bin / "error").write_text(error)
        if hangs:
            (self._bin / "hang").touch()
        if absent:
            program.unlink()

    def docker_waits(self) -> Callable[[], None]:
        """Let `docker` wait; return what lets it go on."""
        (flag := self._bin / "wait").touch()
        return lambda: flag.unlink(missing_ok=True)

    @property
    def path(self) -> str:
        """PATH with this `docker` and no other; with nothing at all when there is none."""
        return f"{self._bin}:/usr/bin:/bin" if (self._bin / "docker").exists() else str(self._bin)
