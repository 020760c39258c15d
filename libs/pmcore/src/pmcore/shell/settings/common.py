"""Settings read from the environment once, at start; every bad variable is named at once.

A secret `X` may also come from a file named by `X_FILE` (Docker secrets). Values of secrets are
never printed, not even when they are wrong. Empty variables count as unset.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn, Self, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from pydantic import (
    AfterValidator,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from pmcore.model.market import SeriesSpec, parse_series
from pmcore.shell.bus.redis_url import SENTINEL_PASSWORD, uses_sentinel, uses_tls
from pmcore.shell.clock import Clock
from pmcore.shell.settings.by_series import (
    any_series,
    overrides_in,
    problems_of_series,
    told_for,
    traded_series,
)
from pmcore.shell.settings.known_variables import OF_PRESETS, unknown_variables
from pmcore.shell.settings.problems import BrokenRule, Problem, broken_rules, rule
from pmcore.shell.settings.value_types import HttpUrl, RedisUrl, Slugs, WsUrl

DEFAULT_PORTS = {
    "simulator": 8100,
    "feed": 8101,
    "strategy": 8102,
    "executor": 8103,
    "userws": 8104,
    "console": 8105,
}
SIMULATOR_URLS = {
    "ws_base_url": "ws://127.0.0.1:8200/ws",
    "rest_url": "http://127.0.0.1:8200",
    "gamma_url": "http://127.0.0.1:8200",
    "data_url": "http://127.0.0.1:8200",
}


_RULES = "broken_rules"
_NOT_TRIED = "default_factory_not_called"
"""A default that rests on a field which is itself wrong: that one is named."""
_given_only: ContextVar[bool] = ContextVar("_given_only", default=False)


class VenueChoice(StrEnum):
    """Where the engine trades."""

    POLYMARKET = "polymarket"
    SIM = "sim"


class Mode(StrEnum):
    """The mode, by PM_VENUE and PM_DRY_RUN (docs/ARCHITECTURE.md)."""

    SIM = "sim"
    DRY = "dry"
    LIVE = "live"


def _check_clock(spec: str) -> str:
    Clock.from_spec(spec)
    return spec


class ServedSettings(BaseSettings):
    """What a process with a control port reads, also one that is not on the bus."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, populate_by_name=True
    )

    http_host: str = Field("127.0.0.1", validation_alias="PM_HTTP_HOST", min_length=1)
    http_port: int | None = Field(None, validation_alias="PM_HTTP_PORT", ge=0, le=65_535)
    control_token: SecretStr | None = Field(None, validation_alias="PM_CONTROL_TOKEN")
    data_dir: Path = Field(Path("var"), validation_alias="PM_DATA_DIR")
    log_level: str = Field(
        "info", validation_alias="PM_LOG_LEVEL", pattern="^(debug|info|warning|error)$"
    )
    clock: Annotated[str, AfterValidator(_check_clock)] = Field("", validation_alias="PM_CLOCK")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment of this process, but not while another environment is checked."""
        return (init_settings,) if _given_only.get() else (init_settings, env_settings)

    @model_validator(mode="after")
    def _rules_hold(self) -> Self:
        if broken := broken_rules(self):
            text = "; ".join(str(each.problem) for each in broken)
            raise PydanticCustomError(_RULES, "{text}", {"text": text, "broken": broken})
        return self

    def port(self, service: str) -> int:
        """Return PM_HTTP_PORT, or the service's own port when it is unset."""
        return DEFAULT_PORTS[service] if self.http_port is None else self.http_port


class CommonSettings(ServedSettings):
    """What every service on the bus reads. A service's own settings inherit from this."""

    venue: VenueChoice = Field(VenueChoice.POLYMARKET, validation_alias="PM_VENUE")
    dry_run: bool = Field(default=True, validation_alias="PM_DRY_RUN")
    market_slugs: Slugs = Field(("btc-updown-15m",), validation_alias="POLYMARKET_MARKET_SLUG")
    # the addresses of the venue: docs/venue.md 1.1
    ws_base_url: WsUrl = Field(
        "wss://ws-subscriptions-clob.polymarket.com/ws", validation_alias="POLYMARKET_WS_BASE_URL"
    )
    rest_url: HttpUrl = Field("https://clob.polymarket.com", validation_alias="POLYMARKET_REST_URL")
    gamma_url: HttpUrl = Field(
        "https://gamma-api.polymarket.com", validation_alias="POLYMARKET_GAMMA_URL"
    )
    data_url: HttpUrl = Field(
        "https://data-api.polymarket.com", validation_alias="POLYMARKET_DATA_URL"
    )
    redis_url: RedisUrl = Field(
        "redis://127.0.0.1:6379/0", validation_alias="PM_REDIS_URL", repr=False
    )
    redis_password: SecretStr | None = Field(None, validation_alias="PM_REDIS_PASSWORD")
    redis_ca_file: Path | None = Field(None, validation_alias="PM_REDIS_CA_FILE")
    redis_sentinel_password: SecretStr | None = Field(
        None, validation_alias="PM_REDIS_SENTINEL_PASSWORD"
    )
    redis_lease_replicas: int | None = Field(
        None, validation_alias="PM_REDIS_LEASE_REPLICAS", ge=0, le=5
    )
    account: str = Field("main", validation_alias="PM_ACCOUNT", pattern=r"^[a-z0-9_-]{1,32}$")
    consumer: str = Field("one", validation_alias="PM_CONSUMER", pattern=r"^[a-z0-9_-]{1,32}$")

    @model_validator(mode="before")
    @classmethod
    def _sim_has_its_own_addresses(cls, data: dict[str, Any]) -> dict[str, Any]:
        if str(data.get("PM_VENUE", data.get("venue"))).lower() != VenueChoice.SIM:
            return data
        missing = {
            name: url
            for name, url in SIMULATOR_URLS.items()
            if name not in data and variable_of(cls, name) not in data
        }
        return {**data, **missing}

    @rule("venue", "ws_base_url", "rest_url", "gamma_url", "data_url")
    def _sim_stays_away_from_the_real_venue(self) -> Problem | None:
        if self.venue is not VenueChoice.SIM:
            return None
        for name in SIMULATOR_URLS:
            url = getattr(self, name)
            host = urlsplit(url).hostname or ""
            if host == "polymarket.com" or host.endswith(".polymarket.com"):
                return Problem(
                    variable=variable_of(type(self), name),
                    value=url,
                    reason="PM_VENUE=sim, but this names the real venue",
                    remedy="unset it, or set PM_VENUE=polymarket",
                )
        return None

    @rule("redis_url", "redis_password")
    def _one_password_for_redis(self) -> Problem | None:
        if self.redis_password is None or urlsplit(self.redis_url).password is None:
            return None
        return Problem(
            variable="PM_REDIS_PASSWORD",
            reason="PM_REDIS_URL holds a password too",
            remedy="leave it out of one of them",
        )

    @rule("redis_url", "redis_ca_file")
    def _the_ca_file_can_be_used(self) -> Problem | None:
        path = self.redis_ca_file
        if path is None:
            return None
        encrypted = uses_tls(self.redis_url)
        if encrypted and path.is_file() and os.access(path, os.R_OK):
            return None
        return Problem(
            variable="PM_REDIS_CA_FILE",
            value=str(path),
            reason="cannot be read" if encrypted else "PM_REDIS_URL does not begin with rediss://",
            remedy="name a PEM file that this user may read, and use TLS; or unset it",
        )

    @rule("redis_url", "redis_sentinel_password")
    def _the_password_of_sentinels_has_sentinels(self) -> Problem | None:
        if self.redis_sentinel_password is None or uses_sentinel(self.redis_url):
            return None
        return Problem(
            variable="PM_REDIS_SENTINEL_PASSWORD",
            reason="PM_REDIS_URL names no Sentinels",
            remedy="unset it, or use redis+sentinel://",
        )

    def redis_login(self, user: str) -> str:
        """PM_REDIS_URL with the passwords and the CA file in it: as secret as the passwords.

        `user` counts where the URL names nobody.
        """
        options = []
        if self.redis_ca_file is not None:
            options.append(("ssl_ca_certs", str(self.redis_ca_file)))
        if self.redis_sentinel_password is not None:
            secret = self.redis_sentinel_password.get_secret_value()
            options.append((SENTINEL_PASSWORD, secret))
        if self.redis_password is None and not options:
            return self.redis_url
        parts = urlsplit(self.redis_url)
        if self.redis_password is not None:
            password = quote(self.redis_password.get_secret_value(), safe="")
            host = parts.netloc.rpartition("@")[2]
            parts = parts._replace(netloc=f"{parts.username or user}:{password}@{host}")
        if options:
            parts = parts._replace(query=urlencode([*parse_qsl(parts.query), *options]))
        return urlunsplit(parts)

    @property
    def lease_replicas(self) -> int:
        """How many replicas must have a lease before it counts: one with Sentinels, unless told."""
        if self.redis_lease_replicas is not None:
            return self.redis_lease_replicas
        return int(uses_sentinel(self.redis_url))

    @property
    def mode(self) -> Mode:
        """Sim, dry or live."""
        if self.venue is VenueChoice.SIM:
            return Mode.SIM
        return Mode.DRY if self.dry_run else Mode.LIVE

    @property
    def series(self) -> tuple[SeriesSpec, ...]:
        """What POLYMARKET_MARKET_SLUG names."""
        return tuple(parse_series(slug) for slug in self.market_slugs)

    _by_series: dict[str, Self] = PrivateAttr(default_factory=dict)

    @property
    def by_series(self) -> dict[str, Self]:
        """The settings of each series (`btc-5m`) for which some were overridden."""
        return self._by_series

    def of_series(self, series: str) -> Self:
        """The settings that hold for the windows of a series (`btc-5m`)."""
        return self._by_series.get(series, self)


def variable_of(cls: type[BaseSettings], field: str) -> str:
    """Return the environment variable of a field."""
    alias = cls.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else field.upper()


def variables(cls: type[BaseSettings]) -> dict[str, str]:
    """Map each variable that a settings class reads to its field, `*_FILE` ones included."""
    names: dict[str, str] = {}
    for field in cls.model_fields:
        name = variable_of(cls, field)
        names[name] = field
        if _is_secret(cls, field):
            names[f"{name}_FILE"] = field
    return names


def _is_secret(cls: type[BaseSettings], field: str) -> bool:
    return "SecretStr" in repr(cls.model_fields[field].annotation)


SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def load_settings(cls: type[SettingsT]) -> SettingsT:
    """Read settings, or name every bad variable on stderr, one line each, and exit with 2."""
    settings, problems = try_settings(cls)
    if os.environ.get("PM_PRESET") and variables(cls).keys() & OF_PRESETS:
        problems.append(str(_preset_is_not_expanded(os.environ["PM_PRESET"])))
    if settings is None or problems:
        _exit_with(problems)
    return settings


def _preset_is_not_expanded(name: str) -> Problem:
    return Problem(
        variable="PM_PRESET",
        value=name[:60],
        reason="a service that is started alone does not read presets",
        remedy="start it with `pm run` or Compose, or unset it and set the preset's variables",
    )


def try_settings(
    cls: type[SettingsT], given: Mapping[str, str] | None = None
) -> tuple[SettingsT | None, list[str]]:
    """Read settings; return them, if they could be made, and every problem, one line each.

    `given` maps variables to values that win over the environment.
    """
    settings, problems = check_settings(cls, {**os.environ, **(given or {})})
    return settings, [str(problem) for problem in problems]


def check_settings(
    cls: type[SettingsT], environ: Mapping[str, str], *, series_of_recordings: bool = False
) -> tuple[SettingsT | None, list[Problem]]:
    """Read settings out of an environment; return them, if they could be made, and all problems.

    Every value is looked at by itself, every rule whose fields can be read, and every name with our
    prefix. This is the one check: services, `pm doctor` and the other tools all call it.
    `series_of_recordings`: settings may be overridden for any series, not only for those traded.
    """
    values = {name: environ[name] for name in variables(cls).keys() & environ.keys()}
    values = {name: value for name, value in values.items() if value}
    problems = _read_secret_files(cls, values)
    unusable = {variables(cls)[problem.variable] for problem in problems}
    settings, more = _build(cls, values, unusable)
    problems += [*more, *unknown_variables(environ)]
    overrides = overrides_in(environ) if issubclass(cls, CommonSettings) else {}
    known = any_series(overrides) if series_of_recordings else _traded(values)
    if known or series_of_recordings:
        problems += problems_of_series(overrides, known)
    for name, series in known.items():
        own = {v: text for v, text in overrides.get(name, {}).items() if v in variables(cls)}
        if not own:
            continue
        changed, wrong = _build(cls, {**values, **own}, unusable)
        problems += [told_for(each, name, own) for each in wrong if each not in more]
        if isinstance(settings, CommonSettings) and isinstance(changed, CommonSettings):
            settings.by_series[series] = changed
    return settings, problems


def _traded(values: Mapping[str, str]) -> dict[str, str]:
    """The series of POLYMARKET_MARKET_SLUG by their form in names; none when it is wrong itself."""
    name = variable_of(CommonSettings, "market_slugs")
    given = {name: values[name]} if name in values else {}
    settings, _ = _build(CommonSettings, given, set())
    return {} if settings is None else traded_series(settings.market_slugs)


def _exit_with(problems: Sequence[str]) -> NoReturn:
    for line in problems:
        print(line, file=sys.stderr)
    raise SystemExit(2)


def _build(
    cls: type[SettingsT], values: Mapping[str, str], unusable: set[str]
) -> tuple[SettingsT | None, list[Problem]]:
    """Make settings. With bad values, make them again without those, to look at the rules."""
    settings, errors = _try(cls, values)
    ours = {_RULES, _NOT_TRIED}
    problems = [_of_a_field(cls, error) for error in errors if error["type"] not in ours]
    bad = {variables(cls).get(problem.variable, "") for problem in problems}
    if problems:
        usable = {name: v for name, v in values.items() if variables(cls)[name] not in bad}
        _, errors = _try(cls, usable)
    rules: list[BrokenRule] = [
        broken for error in errors if error["type"] == _RULES for broken in error["ctx"]["broken"]
    ]
    problems += [each.problem for each in rules if not each.fields & (bad | unusable)]
    return settings, problems


def _try(
    cls: type[SettingsT], values: Mapping[str, str]
) -> tuple[SettingsT | None, list[ErrorDetails]]:
    with _nothing_else_is_read():
        try:
            return cls(**values), []  # type: ignore[arg-type]  # checked at run time
        except ValidationError as error:
            return None, error.errors(include_url=False)


@contextmanager
def _nothing_else_is_read() -> Iterator[None]:
    token = _given_only.set(True)
    try:
        yield
    finally:
        _given_only.reset(token)


def _read_secret_files(cls: type[BaseSettings], values: dict[str, str]) -> list[Problem]:
    """Put the content of each `*_FILE` in the place of its variable."""
    problems = []
    for field in cls.model_fields:
        name = variable_of(cls, field)
        if not _is_secret(cls, field):
            continue
        path = values.pop(f"{name}_FILE", "")
        if not path:
            continue
        if name in values:
            both = f"set {name} or {name}_FILE, not both"
            problems.append(Problem(variable=name, reason=both, remedy="unset one of them"))
            continue
        try:
            values[name] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            problems.append(
                Problem(
                    variable=f"{name}_FILE",
                    value=path,
                    reason=f"cannot be read: {reason}",
                    remedy="name a file that this user may read",
                )
            )
    return problems


def _of_a_field(cls: type[BaseSettings], error: ErrorDetails) -> Problem:
    name = str(error["loc"][0])
    field = name if name in cls.model_fields else variables(cls)[name]
    info = cls.model_fields[field]
    hidden = _is_secret(cls, field) or not info.repr
    return Problem(
        variable=variable_of(cls, field),
        value="" if hidden else str(error["input"]),
        reason=error["msg"].removeprefix("Value error, "),
        remedy="correct it (its value is not shown)" if hidden else _remedy(info),
    )


def _remedy(info: FieldInfo) -> str:
    default = info.default
    if default is None or info.is_required() or info.default_factory is not None:
        return "correct it or unset it"
    if isinstance(default, tuple):
        default = ",".join(map(str, default))
    if isinstance(default, bool):
        default = str(default).lower()
    return f"correct it, or unset it for {default}" if str(default) else "correct it or unset it"
