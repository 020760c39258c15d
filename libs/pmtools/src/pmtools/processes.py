"""Child processes of a local run: started, watched and always ended.

A child writes both its streams to one log file. On Linux it also receives SIGTERM when this
process ends, so that nothing is left running whatever happens here.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE, Popen

import msgspec

_PR_SET_PDEATHSIG = 1
_TAIL_BYTES = 8_192
_KILL_WAIT_S = 5.0


class ChildSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What to start. `env` is the child's whole environment."""

    name: str
    argv: tuple[str, ...]
    env: dict[str, str]
    url: str
    stop_timeout_s: float = 10.0


class Child:
    """A started process and its log."""

    def __init__(self, spec: ChildSpec, process: Process, log_path: Path) -> None:
        self.spec = spec
        self.log_path = log_path
        self._process = process

    @property
    def pid(self) -> int:
        """The operating system's id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative for a signal."""
        return self._process.returncode

    async def wait(self) -> int:
        """Until it ends by itself."""
        return await self._process.wait()

    async def stop(self, timeout_s: float | None = None) -> int:
        """SIGTERM, then SIGKILL when it takes longer than its own bound; return the exit code."""
        if self._process.returncode is None:
            self._signal(signal.SIGTERM)
            try:
                bound_s = self.spec.stop_timeout_s if timeout_s is None else timeout_s
                await asyncio.wait_for(self._process.wait(), bound_s)
            except TimeoutError:
                self._signal(signal.SIGKILL)
                await asyncio.wait_for(self._process.wait(), _KILL_WAIT_S)
        code = self._process.returncode
        return 0 if code is None else code

    def tail(self, lines: int = 12) -> list[str]:
        """The last lines that it wrote."""
        return tail_of(self.log_path, lines)

    def _signal(self, number: signal.Signals) -> None:
        try:
            self._process.send_signal(number)
        except ProcessLookupError:
            return


async def start_child(spec: ChildSpec, log_dir: Path) -> Child:
    """Start a process in a session of its own, so that Ctrl-C in the terminal does not reach it.

    Raise OSError when the program cannot be started.
    """
    path = log_path(log_dir, spec.name)
    with path.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *spec.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=spec.env,
            start_new_session=True,
            preexec_fn=die_with_parent(),
        )
    return Child(spec, process, path)


def log_path(directory: Path, name: str) -> Path:
    """Where a child of that name writes."""
    return directory / f"{name}.log"


def tail_of(path: Path, lines: int, most_bytes: int = _TAIL_BYTES) -> list[str]:
    """The last lines of a text file, without reading all of it; empty when there is none."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - most_bytes))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()][-lines:]


def start_module(module: str, *arguments: str) -> Popen[str]:
    """Start a module of ours with this interpreter; its output is a pipe. For measurements."""
    return Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", module, *arguments],
        stdout=PIPE,
        text=True,
        preexec_fn=die_with_parent(),  # noqa: PLW1509 - only prctl inside
    )


def die_with_parent() -> Callable[[], None] | None:
    """For `preexec_fn`: a child that is signalled when this thread ends. None but on Linux."""
    if sys.platform != "linux":
        return None
    parent, prctl = os.getpid(), ctypes.CDLL(None, use_errno=True).prctl

    def in_child() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return in_child
