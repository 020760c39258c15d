"""Children: started apart from the terminal, stopped within a bound, their last words kept."""

from __future__ import annotations

import asyncio
import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from pmtools.processes import Child, ChildSpec, start_child, tail_of

_DEAF = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""


def spec(code: str) -> ChildSpec:
    return ChildSpec(name="child", argv=(sys.executable, "-c", code), env={}, url="")


async def until_it_said(child: Child, word: str) -> None:
    while word not in child.tail():
        assert child.exit_code is None, child.tail()
        await asyncio.sleep(0.02)


async def test_a_child_that_ends_leaves_its_code_and_its_words(tmp_path: Path) -> None:
    child = await start_child(spec("print('a'); print('b'); raise SystemExit(3)"), tmp_path)
    assert await child.wait() == 3
    assert child.tail(1) == ["b"]
    assert await child.stop() == 3


async def test_a_child_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    child = await start_child(spec(_DEAF), tmp_path)
    await until_it_said(child, "ready")
    assert await child.stop(0.1) < 0


async def test_a_child_stands_in_a_session_of_its_own(tmp_path: Path) -> None:
    child = await start_child(spec("import os; print(os.getsid(0), flush=True)"), tmp_path)
    await child.wait()
    assert child.tail() == [str(child.pid)]
    assert child.pid != os.getsid(0)


def test_the_tail_of_a_long_log_is_short(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("\n".join(f"line {number}" for number in range(100_000)))
    assert tail_of(path, 2) == ["line 99998", "line 99999"]
    assert tail_of(tmp_path / "nowhere", 2) == []


_PARENT = """
import signal
from pmtools.processes import start_module
module = start_module("pmtools.bench.stub_venue")
module.stdout.readline()  # it listens
print(module.pid, flush=True)
signal.pause()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the death signal is Linux's")
def test_a_measuring_module_ends_with_the_process_that_started_it() -> None:
    parent = subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    watch = os.pidfd_open(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    try:
        ended, _, _ = select.select([watch], [], [], 10)
        assert ended
    finally:
        os.close(watch)
