"""What a local run starts: each process with exactly the environment that it needs.

Only the executor is given a private key, only the executor and userws API credentials. In sim mode
nothing of the operator's account is passed on: the executor then signs with a throw-away key.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from pmcore.model.market import parse_series
from pmcore.shell.settings import known_variables
from pmcore.shell.settings.paper_defaults import paper_defaults
from pmtools.errors import UsageError
from pmtools.processes import ChildSpec

SERVICES = ("feed", "strategy", "executor", "userws")
PORTS = len(SERVICES) + 3
"""How many a run needs: the venue, the simulator, the services and the console."""
STOP_ORDER = ("strategy", "executor", "userws", "feed", "simulator")
_STOP_TIMEOUT_S = {"executor": 20.0}
_HOST = "127.0.0.1"
_TICKER = "{asset}usdt@bookTicker"

_KEY_VARIABLES = ("POLYMARKET_PRIVATE_KEY",)
_API_VARIABLES = (
    "POLYMARKET_API_KEY",
    "POLYMARKET_API_SECRET",
    "POLYMARKET_API_PASSPHRASE",
)
_WALLET_VARIABLES = (
    "POLYMARKET_ADDRESS",
    "POLYMARKET_FUNDER_ADDRESS",
    "POLYMARKET_SIGNATURE_TYPE",
)
_READ_BY_THE_RUN = "PM_CONTROL_TOKEN_FILE"  # its content goes to each process instead
_CREDENTIALS_FILE = "POLYMARKET_API_CREDENTIALS_FILE"
_ACCOUNT_OF: Mapping[str, tuple[str, ...]] = {
    "executor": (*_KEY_VARIABLES, *_API_VARIABLES, *_WALLET_VARIABLES),
    "userws": (*_API_VARIABLES, *_WALLET_VARIABLES),
}
_SIM_DEFAULTS = {"PM_SETTLE_GRACE_S": "30"}


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of `pm run`, checked against each other and the environment."""

    seconds: int
    venue: str
    dry_run: bool
    market: str
    seed: int | None = None
    recording: Path | None = None
    recording_begins_ns: int = 0
    speed: float = 1.0
    keep: bool = False
    as_json: bool = False

    @property
    def mode(self) -> str:
        """sim, dry or live (docs/ARCHITECTURE.md)."""
        if self.venue == "sim":
            return "sim"
        return "dry" if self.dry_run else "live"


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What the processes of a run share."""

    directory: Path
    redis_url: str
    redis_passwords: Mapping[str, str] = msgspec.field(default_factory=dict)
    """By user, of a Redis that is the run's own; empty for one that the operator named."""
    control_token: str
    clock: str
    environ: Mapping[str, str]


class RunPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The processes in the order of starting, and the variables that were set for the operator.

    The console is none of `children`: the run neither waits for it nor ends with it.
    """

    children: tuple[ChildSpec, ...]
    console: ChildSpec
    defaulted: dict[str, str]

    def urls(self) -> dict[str, str]:
        """Control address by service."""
        return {child.name: child.url for child in (*self.children, self.console)}


def default_market(venue: str, environ: Mapping[str, str], window_s: int | None) -> str:
    """The markets of a run that named none. Raise `UsageError` for a contradiction."""
    given = environ.get("POLYMARKET_MARKET_SLUG", "")
    if venue == "polymarket":
        return given or "btc-updown-15m"
    if given and window_s is not None:
        return with_window(given, window_s)
    return given or f"btc-updown-{window_s or 60}s"


def with_window(market: str, window_s: int) -> str:
    """The same series with windows of another length: `eth-updown-15m` becomes `eth-updown-30s`."""
    slugs = []
    for text in market.split(","):
        spec = parse_series(text)
        if spec.fixed_slug is not None:
            raise UsageError(f"--window does not go with the single window {text}")
        slugs.append(f"{spec.prefix.rsplit('-', 1)[0]}-{window_s}s")
    return ",".join(slugs)


def plan_run(options: RunOptions, around: Surroundings, ports: Sequence[int]) -> RunPlan:
    """Lay out the processes. `ports`: `PORTS` of them, for the venue and each process."""
    venue_port, console_port, *control_ports = ports
    names = (("simulator",) if options.venue == "sim" else ()) + SERVICES
    shared = _shared_variables(options, around, venue_port)
    defaulted = _defaults(options, around.environ)
    account = {} if options.venue == "sim" else around.environ
    children = tuple(
        ChildSpec(
            name=name,
            argv=(sys.executable, "-m", f"pm{name}"),
            env={
                **_inherited(around.environ),
                **defaulted,
                **shared,
                **_redis_variables(name, around.redis_passwords),
                **_account_variables(name, account, around.directory),
                **(_simulator_variables(options, venue_port) if name == "simulator" else {}),
                "PM_HTTP_HOST": _HOST,
                "PM_HTTP_PORT": str(port),
                "PM_DATA_DIR": str(around.directory / name),
            },
            url=f"http://{_HOST}:{port}",
            stop_timeout_s=_STOP_TIMEOUT_S.get(name, 10.0),
        )
        for name, port in zip(names, control_ports, strict=False)
    )
    console = _console(around, console_port, {child.name: child.url for child in children})
    return RunPlan(children=children, console=console, defaulted=defaulted)


def _console(around: Surroundings, port: int, urls: Mapping[str, str]) -> ChildSpec:
    """It is given the token and the services' addresses, and nothing of Redis or the venue."""
    own = known_variables.NOTIFY | {"PM_CONSOLE_HOSTS", "PM_LOG_LEVEL"}
    passed_on = {
        name: value
        for name, value in around.environ.items()
        if name not in known_variables.SERVICES or name in own
    }
    return ChildSpec(
        name="console",
        argv=(sys.executable, "-m", "pmconsole"),
        env={
            **passed_on,
            **{f"PM_{name.upper()}_URL": urls[name] for name in SERVICES},
            "PM_CONTROL_TOKEN": around.control_token,
            "PM_HTTP_HOST": _HOST,
            "PM_HTTP_PORT": str(port),
            "PM_DATA_DIR": str(around.directory / "console"),
            "PM_CLOCK": around.clock,
            "PYTHONUNBUFFERED": "1",
        },
        url=f"http://{_HOST}:{port}",
    )


def _defaults(options: RunOptions, environ: Mapping[str, str]) -> dict[str, str]:
    """Simulated trades settle in seconds, so a simulated window need not wait for minutes."""
    if options.mode == "live":
        return {}
    settling = {} if options.mode == "dry" else _SIM_DEFAULTS
    return {
        **paper_defaults(environ),
        **{name: value for name, value in settling.items() if not environ.get(name)},
    }


def _shared_variables(options: RunOptions, around: Surroundings, venue_port: int) -> dict[str, str]:
    shared = {
        "PM_VENUE": options.venue,
        "PM_DRY_RUN": "true" if options.dry_run else "false",
        "POLYMARKET_MARKET_SLUG": options.market,
        "PM_REDIS_URL": around.redis_url,
        "PM_CONTROL_TOKEN": around.control_token,
        "PYTHONUNBUFFERED": "1",
    }
    if around.clock:
        shared["PM_CLOCK"] = around.clock
    if options.venue == "sim":
        shared |= {
            "POLYMARKET_REST_URL": f"http://{_HOST}:{venue_port}",
            "POLYMARKET_GAMMA_URL": f"http://{_HOST}:{venue_port}",
            "POLYMARKET_DATA_URL": f"http://{_HOST}:{venue_port}",
            "POLYMARKET_WS_BASE_URL": f"ws://{_HOST}:{venue_port}/ws",
        }
        if _wants_underlying(around.environ) and options.recording is None:
            shared["PM_UNDERLYING_URL"] = f"ws://{_HOST}:{venue_port}/underlying/{_TICKER}"
    return shared


def _wants_underlying(environ: Mapping[str, str]) -> bool:
    """A rule on its price is asked for, and no stream is named for it."""
    moves = environ.get("PM_UNDERLYING_MOVE_BP", "") not in ("", "0")
    asked = moves or environ.get("PM_FAIR_VALUE_MARGIN", "") != ""
    return asked and not environ.get("PM_UNDERLYING_URL")


def _redis_variables(name: str, passwords: Mapping[str, str]) -> dict[str, str]:
    """The login of one service at the run's own Redis; empty variables count as unset."""
    if not passwords:
        return {}
    others = ("PM_REDIS_PASSWORD_FILE", "PM_REDIS_CA_FILE")
    return {"PM_REDIS_PASSWORD": passwords[name], **dict.fromkeys(others, "")}


def _simulator_variables(options: RunOptions, venue_port: int) -> dict[str, str]:
    variables = {"PM_SIM_HOST": _HOST, "PM_SIM_PORT": str(venue_port)}
    if options.recording is not None:
        variables["PM_SIM_RECORDING"] = str(options.recording.resolve())
    if options.seed is not None:
        variables["PM_SIM_SEED"] = str(options.seed)
    return variables


def _account_variables(name: str, account: Mapping[str, str], directory: Path) -> dict[str, str]:
    """What a service may know of the account; derived API credentials go by a file between two."""
    wanted = _ACCOUNT_OF.get(name)
    if wanted is None:
        return {}
    handed_over = account.get(_CREDENTIALS_FILE) or str(directory / "api_credentials.json")
    return {
        _CREDENTIALS_FILE: handed_over,
        **{key: account[key] for key in _with_files(wanted) if account.get(key)},
    }


def _inherited(environ: Mapping[str, str]) -> dict[str, str]:
    hidden = {*_with_files(_ACCOUNT_OF["executor"]), _CREDENTIALS_FILE, _READ_BY_THE_RUN}
    return {key: value for key, value in environ.items() if key not in hidden}


def _with_files(names: Sequence[str]) -> list[str]:
    return [key for name in names for key in (name, f"{name}_FILE")]
