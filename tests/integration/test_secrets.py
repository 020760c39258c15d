"""No secret of a running engine is where anyone but its owner could read it.

A whole engine trades with a key of its own. Then all that it shows is searched: logs, `/state`,
metrics, every key in Redis, the processes' command lines, and every file that it wrote.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis as redis_py
import zstandard

from pmtools.run.plan import SERVICES
from support.whole_engine import REDIS_PASSWORDS, TOKEN, Engine, engine

pytestmark = [pytest.mark.connected, pytest.mark.timeout(150)]

KEY = "7c" * 31 + "01"
CREDENTIALS = "api_credentials.json"


def _forms(name: str, secret: str) -> Iterator[tuple[str, bytes]]:
    """A secret as text, in base64, and, if it is hexadecimal, as bytes and in capitals."""
    yield name, secret.encode()
    yield f"{name} in base64", base64.b64encode(secret.encode()).rstrip(b"=")
    if name == "private key":
        raw = bytes.fromhex(secret)
        yield f"{name} as bytes", raw
        yield f"{name} in capitals", secret.upper().encode()
        yield f"{name} as a number", str(int(secret, 16)).encode()


def _secrets(directory: Path) -> dict[str, bytes]:
    stored = msgspec.json.decode((directory / CREDENTIALS).read_bytes())
    named = {"private key": KEY, "control token": TOKEN}
    named |= {f"Redis password of {user}": word for user, word in REDIS_PASSWORDS.items()}
    named |= {name: stored[name] for name in ("secret", "passphrase")}
    return dict(form for name, secret in named.items() for form in _forms(name, secret))


def _command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def _content(store: Any, key: bytes) -> bytes:
    match store.type(key):
        case b"stream":
            fields = [entry for _, entry in store.xrange(key)]
        case b"hash":
            fields = [store.hgetall(key)]
        case _:
            fields = [{b"": store.get(key)}]
    return b"\n".join(part for each in fields for pair in each.items() for part in pair)


async def _shown(running: Engine) -> dict[str, bytes]:
    """Everything but the file of credentials, by where it was found."""
    shown: dict[str, bytes] = {}
    for name in SERVICES:
        for path in ("/state", "/metrics", "/healthz", "/readyz"):
            answer = await running.http.get(
                f"{running.url(name)}{path}", headers={"Authorization": f"Bearer {TOKEN}"}
            )
            shown[f"{name}{path}"] = answer.content
        shown[f"command line of {name}"] = _command_line(running.children[name].pid)
    store = redis_py.Redis.from_url(running.redis.url)
    for key in store.scan_iter("*"):
        shown[f"Redis {key.decode()}"] = _content(store, key)
    return shown


def _files(directory: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for path in directory.rglob("*"):
        if path.is_file() and path.name != CREDENTIALS:
            content = path.read_bytes()
            if path.suffix == ".zst":
                whole = zstandard.ZstdDecompressor()
                content = whole.stream_reader(content, read_across_frames=True).read()
            files[str(path.relative_to(directory))] = content
    return files


async def test_no_secret_is_in_anything_that_a_running_engine_shows(tmp_path: Path) -> None:
    async with engine(tmp_path, key=KEY) as running:
        secrets = _secrets(tmp_path)
        shown = await _shown(running)
        await running.stop_all()
    shown |= _files(tmp_path)
    kinds = ("/state", "command line", "Redis pm:", "executor.log", "journal")
    assert all(any(kind in place for place in shown) for kind in kinds), sorted(shown)
    found = [
        (name, place)
        for place, content in shown.items()
        for name, secret in secrets.items()
        if secret in content
    ]
    assert found == []
