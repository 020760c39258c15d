"""Which series, wallets, Redis servers and processes stand on which host.

A wallet has one executor. So either each host has a whole engine (feed, strategy, executor, userws)
with an account and a wallet of its own; or there is one wallet, and its executor and userws stand
on a third host and serve the feeds and strategies of the others. All share one Redis Cluster; what
keeps them apart are the hash tags of their keys.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from pmcore.model.market import parse_series
from pmcore.shell.settings.common import DEFAULT_PORTS
from pmtools.processes import ChildSpec
from pmtools.run.plan import SERVICES
from pmtools.run.redis_cluster import MASTERS, shard_of

VENUE = "venue"
ENGINE_HOSTS = ("host-a", "host-b")
REDIS_HOSTS = (*ENGINE_HOSTS, "host-c")
"""Each holds one master and the replica of the master before it."""
VENUE_PORT = 8200
WINDOW = "30m"
WINDOW_OPENED_S = 1_800_000_000
"""A multiple of half an hour: where the clock of a run begins, so that no window ends meanwhile."""
_BEGIN_AFTER_S = 30
_ASSETS = (
    *("btc", "eth", "sol", "xrp", "doge", "bnb", "ada", "ltc"),
    *("link", "avax", "dot", "near", "atom", "uni", "etc", "xlm"),
    *("apt", "arb", "op", "sui", "tia", "sei", "inj", "fil"),
)
MOST_SERIES = len(_ASSETS)
_STOP_TIMEOUT_S = {"executor": 20.0}
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR")
_SETTINGS = {
    "PM_BID_SIZE": "5",
    "PM_MAX_NET_DIFF": "100",
    "PM_MAX_PORTFOLIO_COST": "1.5",
    "PM_MAX_POSITION_VALUE": "100000",
    "PM_OFI_MODE": "off",
    "PM_REPRICE_THRESHOLD": "0.001",
    "PM_TICK_SIZE": "0.001",
}
"""Every series quotes all the time and often moves: what is looked at is whether it can."""


class SeriesPlace(msgspec.Struct, frozen=True):
    """A series, its engine's host, and which master has its keys at the start."""

    series: str
    slug: str
    host: str
    shard: int


class HostEngine(msgspec.Struct, frozen=True, kw_only=True):
    """The services of one host; `private_key` is for its executor, if it has one."""

    host: str
    account: str
    private_key: str
    places: tuple[SeriesPlace, ...]
    services: tuple[str, ...] = SERVICES

    @property
    def shard(self) -> int:
        """The master of the account's keys."""
        return shard_of(self.account)


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """What all processes of a run are given."""

    directory: Path
    addresses: Mapping[str, str]
    redis_url: str
    redis_passwords: Mapping[str, str]
    control_token: str
    clock: str
    seed: int
    world: str


def place_series(number: int, hosts: Sequence[str]) -> tuple[SeriesPlace, ...]:
    """Deal series out, so that each host has series of each shard as far as that goes."""
    named = [(asset, shard_of(f"{asset}-{WINDOW}")) for asset in _ASSETS[:number]]
    named.sort(key=lambda each: each[1])  # a stable sort: the order of `_ASSETS` within a shard
    return tuple(
        SeriesPlace(
            series=f"{asset}-{WINDOW}",
            slug=f"{asset}-updown-{WINDOW}",
            host=hosts[index % len(hosts)],
            shard=shard,
        )
        for index, (asset, shard) in enumerate(named)
    )


def plan_engines(number: int, hosts: Sequence[str], *, same_shard: bool) -> list[HostEngine]:
    """A whole engine with a wallet for each host.

    `same_shard`: all accounts' keys on the first host's master; else each on its own host's.
    """
    return [
        HostEngine(
            host=host,
            account=_account(host, 0 if same_shard else index % MASTERS),
            private_key=_private_key(host),
            places=places,
        )
        for index, (host, places) in enumerate(_by_host(number, hosts).items())
    ]


def plan_one_wallet(number: int, hosts: Sequence[str], *, same_shard: bool) -> list[HostEngine]:
    """One wallet: feed and strategy on each host, its executor on the last of `REDIS_HOSTS`."""
    wallet_host = REDIS_HOSTS[-1]
    account = _account("wallet", 0 if same_shard else REDIS_HOSTS.index(wallet_host))
    by_host = _by_host(number, hosts)
    engines = [
        HostEngine(
            host=host,
            account=account,
            private_key="",
            places=places,
            services=("feed", "strategy"),
        )
        for host, places in by_host.items()
    ]
    executor = HostEngine(
        host=wallet_host,
        account=account,
        private_key=_private_key("wallet"),
        places=tuple(place for places in by_host.values() for place in places),
        services=("executor", "userws"),
    )
    return [*engines, executor]


def _by_host(number: int, hosts: Sequence[str]) -> dict[str, tuple[SeriesPlace, ...]]:
    places = place_series(number, hosts)
    return {host: tuple(place for place in places if place.host == host) for host in hosts}


def _private_key(name: str) -> str:
    """Of a wallet of the simulator, the same in each run."""
    return "0x" + hashlib.sha256(f"pm hosts {name}".encode()).hexdigest()


def _account(host: str, shard: int) -> str:
    """A name whose slot the shard has."""
    return next(name for n in range(1_000) if shard_of(name := f"{host}-{n}") == shard)


def begin_clock_ns() -> int:
    """Where the time of a run begins."""
    return (WINDOW_OPENED_S + _BEGIN_AFTER_S) * 1_000_000_000


def window_slug(place: SeriesPlace) -> str:
    """The window of a series that a run trades."""
    return parse_series(place.slug).slug_at(begin_clock_ns())


def plan_venue(engines: Sequence[HostEngine], shared: Shared) -> ChildSpec:
    """The simulator, without Redis."""
    slugs = ",".join(dict.fromkeys(place.slug for engine in engines for place in engine.places))
    env = {
        **_common(VENUE, "simulator", slugs, shared),
        "PM_SIM_HOST": shared.addresses[VENUE],
        "PM_SIM_PORT": str(VENUE_PORT),
        "PM_SIM_SEED": str(shared.seed),
        "PM_SIM_WORLD": shared.world,
    }
    return ChildSpec(
        name=VENUE,
        argv=(sys.executable, "-m", "pmsimulator", "alone"),
        env=env,
        url=f"http://{shared.addresses[VENUE]}:{VENUE_PORT}",
    )


def plan_services(engine: HostEngine, shared: Shared) -> list[ChildSpec]:
    """The services of a host, in the order of starting."""
    slugs = ",".join(place.slug for place in engine.places)
    venue = f"{shared.addresses[VENUE]}:{VENUE_PORT}"
    credentials = shared.directory / engine.host / "api_credentials.json"
    own = {
        "executor": {
            "POLYMARKET_PRIVATE_KEY": engine.private_key,
            "POLYMARKET_API_CREDENTIALS_FILE": str(credentials),
        },
        "userws": {"POLYMARKET_API_CREDENTIALS_FILE": str(credentials)},
    }
    return [
        ChildSpec(
            name=f"{engine.host}.{name}",
            argv=(sys.executable, "-m", f"pm{name}"),
            env={
                **_common(engine.host, name, slugs, shared),
                **_SETTINGS,
                **own.get(name, {}),
                "PM_ACCOUNT": engine.account,
                "PM_REDIS_URL": shared.redis_url,
                "PM_REDIS_PASSWORD": shared.redis_passwords[name],
                "POLYMARKET_REST_URL": f"http://{venue}",
                "POLYMARKET_GAMMA_URL": f"http://{venue}",
                "POLYMARKET_DATA_URL": f"http://{venue}",
                "POLYMARKET_WS_BASE_URL": f"ws://{venue}/ws",
            },
            url=f"http://{shared.addresses[engine.host]}:{DEFAULT_PORTS[name]}",
            stop_timeout_s=_STOP_TIMEOUT_S.get(name, 10.0),
        )
        for name in engine.services
    ]


def _common(host: str, name: str, slugs: str, shared: Shared) -> dict[str, str]:
    """Nothing of the operator's own PM_ and POLYMARKET_ variables is passed on."""
    return {
        **{key: os.environ[key] for key in _PASSED_ON if key in os.environ},
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PM_VENUE": "sim",
        "PM_DRY_RUN": "false",
        "POLYMARKET_MARKET_SLUG": slugs,
        "PM_CONTROL_TOKEN": shared.control_token,
        "PM_CLOCK": shared.clock,
        "PM_HTTP_HOST": shared.addresses[host],
        "PM_HTTP_PORT": str(DEFAULT_PORTS[name]),
        "PM_DATA_DIR": str(shared.directory / host / name),
    }
