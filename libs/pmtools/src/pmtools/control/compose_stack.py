"""The Compose stacks of this checkout, asked of Docker: addresses, and the token of each container.

A stack belongs to the checkout in whose directory it was started, whatever its project's name.
Every question to Docker is bounded: a Docker that hangs must not hold up a kill.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import tarfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import msgspec

from pmcore.model.units import NS_PER_S
from pmtools.control.engines import CONTROL_PORTS, SERVICES, Engine, EngineKind, Found, ServiceAt

DOCKER_TIMEOUT_S = 8.0
COPY_TIMEOUT_S = 300.0
_END_WAIT_S = 1.0

_LABEL = "com.docker.compose.project"
_COLUMNS = (
    "{{.ID}}",
    f'{{{{.Label "{_LABEL}.working_dir"}}}}',
    f'{{{{.Label "{_LABEL}"}}}}',
    '{{.Label "com.docker.compose.service"}}',
    "{{.State}}",
    "{{.Status}}",
    "{{.Ports}}",
)
_PUBLISHED = re.compile(r"(?P<host>[0-9.]+|\[[0-9a-f:]*\]):(?P<port>\d+)->(?P<inner>\d+)/tcp")
_TELL_KEPT = (
    'if [ -n "$PM_CONTROL_TOKEN" ]; then printf %s "$PM_CONTROL_TOKEN"; '
    'else cat "${PM_CONTROL_TOKEN_FILE:-/run/pm-control/token}"; fi'
)
_NO_DAEMON = ("cannot connect to the docker daemon", "is the docker daemon running")


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `docker ps`; `published` maps a port inside to an address here."""

    id: str
    directory: str
    project: str
    service: str
    state: str
    status: str
    published: dict[str, str]


class DockerError(Exception):
    """Docker did not answer, or said no."""


class Stacks(msgspec.Struct, kw_only=True):
    """What Docker told; `published_ports` are those of all containers, whosever they are."""

    found: Found
    published_ports: set[int]


async def find_stacks(
    checkout: Path | None, environ: Mapping[str, str], *, timeout_s: float | None = None
) -> Stacks:
    """The stacks of which a service runs; a note without Docker, a doubt without its answer."""
    timeout_s = DOCKER_TIMEOUT_S if timeout_s is None else timeout_s
    docker = shutil.which("docker", path=environ.get("PATH"))
    if docker is None:
        note = "Docker is not installed here, so no Compose stack was looked for"
        return Stacks(found=Found(notes=[note]), published_ports=set())
    try:
        listed = await _ask(docker, timeout_s, "ps", "--all", "--no-trunc", "--format", _row())
    except DockerError as error:
        found = Found(doubts=[f"a Compose stack may be up: Docker could not be asked ({error})"])
        if any(text in str(error).lower() for text in _NO_DAEMON):
            found = Found(notes=["Docker is not running, so no Compose stack was looked for"])
        return Stacks(found=found, published_ports=set())
    containers = [each for line in listed.splitlines() if (each := read_row(line)) is not None]
    ours = [each for each in containers if _belongs(each, checkout)]
    projects = sorted({each.project for each in ours if each.state == "running"})
    engines = await asyncio.gather(
        *(
            _engine_of(
                lambda container: _token_of(docker, timeout_s, container),
                project,
                [each for each in ours if each.project == project],
                environ.get("PM_CONTROL_TOKEN", ""),
            )
            for project in projects
        )
    )
    ports = {int(url.rpartition(":")[2]) for each in containers for url in each.published.values()}
    return Stacks(found=Found(engines=list(engines)), published_ports=ports)


def read_row(line: str) -> Container | None:
    """Read a line of our `docker ps`; None for something else."""
    columns = line.split("\t")
    if len(columns) != len(_COLUMNS):
        return None
    identity, directory, project, service, state, status, ports = columns
    published = {
        match["inner"]: f"http://{_reachable(match['host'])}:{match['port']}"
        for match in reversed(list(_PUBLISHED.finditer(ports)))
    }
    return Container(
        id=identity,
        directory=directory,
        project=project,
        service=service,
        state=state,
        status=status,
        published=published,
    )


def _row() -> str:
    return "\t".join(_COLUMNS)


def _reachable(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "[::]") else host  # noqa: S104 - read, not bound


def _belongs(container: Container, checkout: Path | None) -> bool:
    if checkout is None or not container.directory or container.service not in SERVICES:
        return False
    return Path(container.directory).resolve() == checkout.resolve()


async def _engine_of(
    read_token: Callable[[Container], Awaitable[str]],
    project: str,
    containers: list[Container],
    fallback: str,
) -> Engine:
    containers = sorted(containers, key=lambda each: SERVICES.index(each.service))
    tokens = await asyncio.gather(*(read_token(each) for each in containers))
    shared = next((token for token in tokens if token), fallback)
    services: list[ServiceAt] = []
    for container, token in zip(containers, tokens, strict=True):
        twins = sum(each.name.partition("-")[0] == container.service for each in services)
        name = f"{container.service}-{twins + 1}" if twins else container.service
        services.append(_place(name, container, token or shared))
    problem = "" if shared else "its control token could not be read from any container"
    return Engine(
        kind=EngineKind.COMPOSE,
        name=f"compose {project}",
        services=tuple(services),
        problem=problem,
        ids=(project,),
    )


def _place(name: str, container: Container, token: str) -> ServiceAt:
    url = container.published.get(str(CONTROL_PORTS[container.service]), "")
    if container.state != "running":
        absent = f"its container does not run ({container.status})"
        return ServiceAt(name=name, absent=absent, container=container.id)
    if not url:
        absent = "its control port is not published"
        return ServiceAt(name=name, absent=absent, container=container.id)
    return ServiceAt(name=name, url=url, token=token, container=container.id)


async def _token_of(docker: str, timeout_s: float, container: Container) -> str:
    if container.state != "running":
        return ""
    try:
        told = await _ask(docker, timeout_s, "exec", container.id, "sh", "-c", _TELL_KEPT)
    except DockerError:
        return ""
    return told.strip()


async def container_log(environ: Mapping[str, str], container: str, lines: int) -> str:
    """The newest lines that a container wrote. Raise `DockerError`."""
    logs = ("logs", "--tail", str(lines), container)
    return await _ask(_docker(environ), DOCKER_TIMEOUT_S, *logs, with_stderr=True)


async def container_files(
    environ: Mapping[str, str], container: str, folder: str
) -> dict[str, int]:
    """The files in a folder of a running container, and when each was written. Raise `DockerError`.

    Times are nanoseconds since 1970. A folder that is not there has no files.
    """
    find = 'cd "$0" 2>/dev/null && exec find . -maxdepth 1 -type f -printf "%f\\t%T@\\n"; exit 0'
    run = ("exec", container, "sh", "-c", find, folder)
    listed = await _ask(_docker(environ), DOCKER_TIMEOUT_S, *run)
    files = {}
    for line in listed.splitlines():
        name, _, at_s = line.partition("\t")
        whole, _, part = at_s.partition(".")
        if whole.isdecimal():
            files[name] = int(whole) * NS_PER_S + int(f"{part:0<9.9}" if part.isdecimal() else 0)
    return files


async def copy_from_container(
    environ: Mapping[str, str], container: str, folder: str, names: Sequence[str], target: Path
) -> None:
    """Copy files out of a folder of a running container, with their times. Raise `DockerError`.

    A file that grows meanwhile comes as far as it was written.
    """
    run = ("exec", container, "tar", "-C", folder, "--ignore-failed-read", "-cf", "-", *names)
    with TemporaryFile() as archive:
        await _ask(_docker(environ), COPY_TIMEOUT_S, *run, into=archive, may_end_with=(0, 1))
        archive.seek(0)
        try:
            with tarfile.open(fileobj=archive) as opened:
                opened.extractall(target, filter="data")
        except (tarfile.TarError, OSError) as error:
            raise DockerError(f"the copy of {folder} cannot be read: {error}") from error


def _docker(environ: Mapping[str, str]) -> str:
    docker = shutil.which("docker", path=environ.get("PATH"))
    if docker is None:
        raise DockerError("Docker is not installed here")
    return docker


async def _ask(
    docker: str,
    timeout_s: float,
    *arguments: str,
    with_stderr: bool = False,
    into: IO[bytes] | None = None,
    may_end_with: Sequence[int] = (0,),
) -> str:
    """What it wrote on stdout; "" when that went `into` a file. Raise `DockerError`."""
    try:
        process = await asyncio.create_subprocess_exec(
            docker,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if into is None else into,
            stderr=asyncio.subprocess.STDOUT if with_stderr else asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise DockerError(str(error)) from error
    try:
        out, err = await asyncio.wait_for(process.communicate(), timeout_s)
    except TimeoutError:
        raise DockerError(f"no answer within {timeout_s:g} s") from None
    finally:
        await _end(process)
    if process.returncode not in may_end_with:
        raise DockerError(" ".join((err or out or b"").decode("utf-8", "replace").split())[-300:])
    return (out or b"").decode("utf-8", "replace")


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill what still runs; it has a session of its own, so helpers that it started go too."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), _END_WAIT_S)
