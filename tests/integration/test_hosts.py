"""`pm hosts` with real processes in network namespaces; needs root on Linux."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from pmtools.hosts.cut import CutResult
from pmtools.hosts.network import PREFIX, HostNetwork, NotPermittedError, check_permitted

pytestmark = [pytest.mark.connected, pytest.mark.timeout(300)]
_NAMESPACES = Path("/run/netns")
_COMMAND = (sys.executable, "-m", "pmtools.cli", "hosts", "cut", "--series", "2")


@pytest.fixture(autouse=True)
def permitted() -> None:
    try:
        check_permitted()
    except NotPermittedError as error:
        pytest.skip(f"needs network namespaces: {error}")


def start(directory: Path, *arguments: str) -> subprocess.Popen[str]:
    """Its files come below `directory`, so that what it leaves is seen."""
    environ = {
        **os.environ,
        "TMPDIR": str(directory),
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
    }
    return subprocess.Popen(
        [*_COMMAND, *arguments],
        env=environ,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def namespaces(pid: int) -> list[str]:
    return [path.name for path in _NAMESPACES.glob(f"{PREFIX}{pid}-*")]


def processes_with(directory: Path) -> list[str]:
    """Command lines and environments of this machine that name a directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            text = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(directory).encode() in text and process.name != str(os.getpid()):
            found.append(process.name)
    return found


async def until(holds: Callable[[], object]) -> None:
    while not holds():  # noqa: ASYNC110 - any condition, not an event
        await asyncio.sleep(0.05)


async def until_nothing_is_left(pid: int, directory: Path) -> None:
    """A process that was ended is seen for a moment longer."""
    await until(lambda: not processes_with(directory))
    assert namespaces(pid) == []
    assert os.listdir(directory) == []


async def test_a_cut_host_is_quiet_and_the_other_goes_on(tmp_path: Path) -> None:
    run = start(tmp_path, "--before", "4", "--cut", "20", "--after", "0", "--json")
    said, problems = await asyncio.to_thread(run.communicate)
    assert run.returncode == 0, said + problems
    result = msgspec.json.decode(said, type=CutResult)
    cut, other = sorted(result.series, key=lambda row: row.host != result.cut_host)
    assert (cut.broken, other.broken, result.broken) == ((), (), ())
    assert cut.placed_during == 0
    assert other.placed_during > 0
    assert result.orders_left == 0
    await until_nothing_is_left(run.pid, tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_cleans_up_when_it_is_interrupted(tmp_path: Path, number: signal.Signals) -> None:
    run = start(tmp_path)
    await until(lambda: list(tmp_path.rglob("host-b.userws.log")))
    run.send_signal(number)
    await asyncio.to_thread(run.communicate)
    assert run.returncode == 130
    await until_nothing_is_left(run.pid, tmp_path)


async def test_the_next_run_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    run = start(tmp_path)
    await until(lambda: list(tmp_path.rglob("host-b.feed.log")))
    run.kill()
    await asyncio.to_thread(run.communicate)
    assert namespaces(run.pid)
    with HostNetwork(["host-a"]):
        assert namespaces(run.pid) == []
        assert namespaces(os.getpid())
    assert namespaces(os.getpid()) == []
    await until(lambda: not processes_with(tmp_path))


def test_a_cut_host_is_reached_by_nobody_until_its_cable_is_in_again() -> None:
    listen = (
        "import socket; s = socket.create_server(('0.0.0.0', 7000)); print('up', flush=True)\n"
        "while True: s.accept()[0].close()"
    )
    with HostNetwork(["host-a", "host-b"]) as network:
        command = [*network.within("host-a"), sys.executable, "-c", listen]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            server.stdout.readline()
            assert reaches(network, "host-b", "host-a")
            network.cut("host-a")
            assert not reaches(network, "host-b", "host-a")
            network.restore("host-a")
            assert reaches(network, "host-b", "host-a")
            server.kill()


def reaches(network: HostNetwork, host: str, other: str) -> bool:
    connect = "import socket, sys; socket.create_connection((sys.argv[1], 7000), timeout=3)"
    command = [*network.within(host), sys.executable, "-c", connect, network.address(other)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_without_the_right_to_make_namespaces_one_line_says_so() -> None:
    """As in a container: root, but without the capability."""
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is missing")
    bound = ["setpriv", "--bounding-set=-sys_admin", *_COMMAND]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(bound, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "run it as root" in done.stderr
