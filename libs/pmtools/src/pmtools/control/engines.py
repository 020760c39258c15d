"""The engines of this checkout: every `pm run`, every Compose stack, and services started by hand.

`pm status`, `pm kill` and `pm resume` speak to what is found here, each engine with its own token.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec

from pmcore.shell.control_client import ControlClient
from pmtools.processes import log_path
from pmtools.run.files import FoundRun, find_runs, runs_root

HALTING = ("feed", "strategy", "executor", "userws")
"""The services that obey a halt; the simulator is the venue and does not."""
NAMED = (*HALTING, "simulator")
"""The services that PM_<SERVICE>_URL may name."""
SERVICES = (*NAMED, "console")
CONTROL_PORTS = {
    "feed": 8101,
    "strategy": 8102,
    "executor": 8103,
    "userws": 8104,
    "simulator": 8100,
    "console": 8105,
}
"""Where a service listens in its container, and without Docker unless PM_HTTP_PORT is set."""
DEFAULT_PORTS = {name: CONTROL_PORTS[name] for name in HALTING}
_KEPT_TOKEN = Path("control_token")


class EngineKind(StrEnum):
    """How an engine was found."""

    RUN = "run"
    COMPOSE = "compose"
    URLS = "urls"
    PORTS = "ports"


class ServiceAt(msgspec.Struct, frozen=True, kw_only=True):
    """One service: where it is and the token it takes; `absent` says why it has no address.

    Its log is a file of this machine, or that of a container; both are empty when nobody knows.
    """

    name: str
    url: str = ""
    token: str = ""
    absent: str = ""
    log_file: str = ""
    container: str = ""


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """Services that trade together. `ids`: the names by which `--run` may mean it."""

    kind: EngineKind
    name: str
    about: str = ""
    services: tuple[ServiceAt, ...] = ()
    problem: str = ""
    ids: tuple[str, ...] = ()
    starting: bool = False

    @property
    def halting(self) -> tuple[ServiceAt, ...]:
        """The services that obey a halt."""
        return tuple(each for each in self.services if each.name.partition("-")[0] in HALTING)

    def service(self, name: str) -> ServiceAt:
        """The one of that name; when it has no address, `absent` says why."""
        found = next((each for each in self.services if each.name == name), ServiceAt(name=name))
        if found.url or found.absent:
            return found
        return msgspec.structs.replace(found, absent=f"it has no {name}")

    @property
    def urls(self) -> set[str]:
        """The addresses of all services."""
        return {each.url for each in self.services if each.url}


class Found(msgspec.Struct, kw_only=True):
    """What a search found. A doubt: an engine may be up that could not be looked for."""

    engines: list[Engine] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)
    doubts: list[str] = msgspec.field(default_factory=list)


async def find_run_engines(
    http: httpx.AsyncClient, environ: Mapping[str, str], checkout: Path | None
) -> Found:
    """Every running `pm run`; one whose process is gone counts while a service of it answers."""
    found = Found()
    for run in find_runs(environ, checkout):
        engine = _engine_of(run)
        if run.held or await _has_survivor(http, engine):
            found.engines.append(engine)
    return found


def find_named_engine(environ: Mapping[str, str]) -> Found:
    """The engine that PM_<SERVICE>_URL names."""
    token, problem = given_token(environ)
    services = tuple(
        ServiceAt(name=name, url=url.rstrip("/"), token=token)
        for name in NAMED
        if (url := environ.get(f"PM_{name.upper()}_URL"))
    )
    if not services:
        return Found()
    engine = Engine(kind=EngineKind.URLS, name="PM_*_URL", services=services, problem=problem)
    return Found(engines=[engine])


async def find_by_hand(
    http: httpx.AsyncClient,
    environ: Mapping[str, str],
    taken: Collection[int],
    ports: Mapping[str, int] | None = None,
) -> Found:
    """Services started one by one on their default ports, except those in `taken`."""
    token, problem = given_token(environ)
    places = [
        ServiceAt(name=name, url=f"http://127.0.0.1:{port}", token=token)
        for name, port in (DEFAULT_PORTS if ports is None else ports).items()
        if port not in taken
    ]
    answers = await asyncio.gather(
        *(ControlClient(http, place.url, "").get("/healthz") for place in places)
    )
    services = [
        place
        for place, answer in zip(places, answers, strict=True)
        if answer.body.get("service") == place.name
    ]
    if not services:
        return Found()
    engine = Engine(
        kind=EngineKind.PORTS,
        name="default ports",
        about="started by hand",
        services=tuple(services),
        problem=problem,
    )
    return Found(engines=[engine])


def given_token(environ: Mapping[str, str]) -> tuple[str, str]:
    """PM_CONTROL_TOKEN, its file, or the token kept in the data directory; "" without any.

    The second text says why PM_CONTROL_TOKEN_FILE could not be read. That is no error: the other
    engines have tokens of their own and must be reached.
    """
    if token := environ.get("PM_CONTROL_TOKEN"):
        return token, ""
    named = environ.get("PM_CONTROL_TOKEN_FILE")
    path = Path(named) if named else runs_root(environ) / _KEPT_TOKEN
    try:
        return path.read_text().strip(), ""
    except (OSError, UnicodeDecodeError) as error:
        return "", f"PM_CONTROL_TOKEN_FILE cannot be read: {error}" if named else ""


def port_of(url: str) -> int:
    """The port of an address; 0 when it names none."""
    try:
        return urlsplit(url).port or 0
    except ValueError:
        return 0


def _engine_of(run: FoundRun) -> Engine:
    name = run.directory.name
    number = name.removeprefix("run-")
    if run.record is None:
        return Engine(kind=EngineKind.RUN, name=name, problem=run.problem, ids=(name, number))
    record = run.record
    died = "" if run.held else ", its `pm run` has died"
    services = tuple(
        ServiceAt(
            name=service,
            url=url,
            token=record.control_token,
            log_file=str(log_path(run.directory, service)),
        )
        for service, url in record.urls.items()
    )
    return Engine(
        kind=EngineKind.RUN,
        name=name,
        about=f"{record.mode}, process {record.pid}{died}",
        services=services,
        ids=(name, number, str(record.pid)),
        starting=run.held,
    )


async def _has_survivor(http: httpx.AsyncClient, engine: Engine) -> bool:
    clients = [ControlClient(http, each.url, each.token) for each in engine.halting]
    answers = await asyncio.gather(*(client.get("/state") for client in clients))
    return any(answer.ok for answer in answers)
