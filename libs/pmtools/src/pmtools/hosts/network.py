"""Hosts on one machine: network namespaces, each with a cable to one switch. Linux, root.

Nothing is changed outside of namespaces whose names begin with `pm-hosts-` and our process id. What
a run left that was killed with SIGKILL is removed at the beginning of the next one.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from pmtools.errors import CommandError

PREFIX = "pm-hosts-"
OPERATOR = "operator"
"""The namespace in which this process itself stands while it talks to the others."""
_SWITCH = "switch"
_NETWORK = "198.18.0"
"""Of the block that RFC 2544 keeps for tests of networks. Only our namespaces see it."""
_FIRST = 10
_OWN_NETWORK = Path("/proc/thread-self/ns/net")
_NAMED = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_WAIT_S = 20.0


class NotPermittedError(CommandError):
    """No namespaces can be made on this machine; the text says why."""


class HostNetwork:
    """A context: the hosts exist inside `with`, and the caller's thread stands among them.

    Raise `NotPermittedError` where namespaces cannot be made.
    """

    def __init__(self, hosts: Sequence[str], *, latency_ms: int = 0) -> None:
        self._hosts = (OPERATOR, *hosts)
        self._wanted_ms = latency_ms
        self.latency = "none asked for"
        """What was added to each way to a host, or why nothing was."""

    def address(self, host: str) -> str:
        """The IPv4 address of a host."""
        return f"{_NETWORK}.{_FIRST + self._hosts.index(host)}"

    def within(self, host: str) -> tuple[str, ...]:
        """What a command begins with to run on a host. The process keeps its id."""
        return ("ip", "netns", "exec", _name(host))

    def __enter__(self) -> HostNetwork:
        check_permitted()
        remove_left_ones()
        try:
            self._make()
            self._outside = os.open(_OWN_NETWORK, os.O_RDONLY)
            _enter(_NAMED / _name(OPERATOR))
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _set_network(self._outside)
        os.close(self._outside)
        self._remove()

    def cut(self, host: str) -> None:
        """Pull the host's cable: it reaches nobody, and nobody reaches it."""
        _run("ip", "-n", _name(_SWITCH), "link", "set", "dev", host, "down")

    def restore(self, host: str) -> None:
        """Plug it in again."""
        _run("ip", "-n", _name(_SWITCH), "link", "set", "dev", host, "up")

    def _make(self) -> None:
        switch = _name(_SWITCH)
        _run("ip", "netns", "add", switch)
        _run("ip", "-n", switch, "link", "add", "name", "bridge", "type", "bridge")
        _run("ip", "-n", switch, "link", "set", "dev", "bridge", "up")
        for host in self._hosts:
            _run("ip", "netns", "add", _name(host))
            cable = ("type", "veth", "peer", "name", "cable", "netns", _name(host))
            _run("ip", "-n", switch, "link", "add", "name", host, *cable)
            _run("ip", "-n", switch, "link", "set", "dev", host, "master", "bridge", "up")
            _run("ip", "-n", _name(host), "link", "set", "dev", "lo", "up")
            _run(
                "ip",
                "-n",
                _name(host),
                "address",
                "add",
                f"{self.address(host)}/24",
                "dev",
                "cable",
            )
            _run("ip", "-n", _name(host), "link", "set", "dev", "cable", "up")
        if self._wanted_ms:
            self.latency = self._add_latency()

    def _add_latency(self) -> str:
        """On the switch's side of each cable, so that the way to each host takes so long."""
        for host in self._hosts[1:]:
            delay = ("root", "netem", "delay", f"{self._wanted_ms}ms")
            said = _try("tc", "-n", _name(_SWITCH), "qdisc", "add", "dev", host, *delay)
            if said:
                return f"none: this kernel has no netem ({said})"
        return f"{self._wanted_ms} ms each way"

    def _remove(self) -> None:
        for host in (_SWITCH, *self._hosts):
            _remove_namespace(_name(host))


def check_permitted() -> None:
    """Raise `NotPermittedError` with the reason why this machine makes no hosts."""
    if not Path("/proc/self/ns/net").exists():
        raise NotPermittedError("hosts are network namespaces, which only Linux has", exit_code=2)
    if shutil.which("ip") is None:
        raise NotPermittedError("`ip` is missing: install iproute2", exit_code=2)
    probe = _name("probe")
    said = _try("ip", "netns", "add", probe) or _try(*("ip", "netns", "exec", probe, "true"))
    _try("ip", "netns", "delete", probe)
    if said:
        raise NotPermittedError(f"no network namespaces here, run it as root: {said}", exit_code=2)


def remove_left_ones() -> None:
    """What runs left whose process is gone."""
    for path in sorted(_NAMED.glob(f"{PREFIX}*")):
        pid = path.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists():
            _remove_namespace(path.name)


def _remove_namespace(name: str) -> None:
    """End what still runs there, which is ours, and remove it; it may be gone already."""
    if not (_NAMED / name).exists():
        return
    for pid in _output("ip", "netns", "pids", name).split():
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            continue
    _try("ip", "netns", "delete", name)


def _name(host: str) -> str:
    return f"{PREFIX}{os.getpid()}-{host}"


def _enter(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _set_network(descriptor)
    finally:
        os.close(descriptor)


def _set_network(descriptor: int) -> None:
    """Of this thread, and of those that it starts from now on."""
    libc = ctypes.CDLL(None, use_errno=True)  # os.setns came with Python 3.12
    if libc.setns(descriptor, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _run(*command: str) -> None:
    if said := _try(*command):
        raise CommandError(f"{' '.join(command)}: {said}")


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603 - arguments of ours


def _try(*command: str) -> str:
    """Run it; "" when it went well, else the last line that it said."""
    try:
        done = subprocess.run(  # noqa: S603 - arguments of ours
            command, capture_output=True, text=True, timeout=_WAIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"exit code {done.returncode}"
