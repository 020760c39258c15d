"""Settings of the console: where the services are, and under which names it may be reached."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from pmcore.shell.settings.common import ServedSettings
from pmcore.shell.settings.value_types import HttpUrl, split_commas

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\]")


def _check_hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    lowered = tuple(host.lower() for host in hosts)
    for host in lowered:
        if not _HOST.fullmatch(host):
            raise ValueError(f"{host!r} is no name of a host (without a port)")
    return lowered


Hosts = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(split_commas), AfterValidator(_check_hosts)
]


def _check_urls(urls: SecretStr) -> SecretStr:
    """Imported only where addresses are given: the library takes a while."""
    from pmconsole.sender import problems_of

    if problems := problems_of(urls.get_secret_value().split()):
        raise ValueError(f"{'; '.join(problems)} (docs/notify.md)")
    return urls


class ConsoleSettings(ServedSettings):
    """It needs the control token of the stack, and nothing of the account or of Redis."""

    feed_url: HttpUrl = Field("http://127.0.0.1:8101", validation_alias="PM_FEED_URL")
    strategy_url: HttpUrl = Field("http://127.0.0.1:8102", validation_alias="PM_STRATEGY_URL")
    executor_url: HttpUrl = Field("http://127.0.0.1:8103", validation_alias="PM_EXECUTOR_URL")
    userws_url: HttpUrl = Field("http://127.0.0.1:8104", validation_alias="PM_USERWS_URL")
    console_hosts: Hosts = Field((), validation_alias="PM_CONSOLE_HOSTS")
    notify: Annotated[SecretStr | None, AfterValidator(lambda v: v and _check_urls(v))] = Field(
        None, validation_alias="PM_NOTIFY_URLS"
    )
    notify_not_quoting_s: float = Field(60.0, validation_alias="PM_NOTIFY_NOT_QUOTING_S", ge=1)
    notify_residual_shares: float = Field(10.0, validation_alias="PM_NOTIFY_RESIDUAL_SHARES", ge=0)
    notify_repeat_s: float = Field(3600.0, validation_alias="PM_NOTIFY_REPEAT_S", ge=0)

    @property
    def notify_urls(self) -> tuple[str, ...]:
        """The addresses that are told of alerts; none: nobody is."""
        return tuple(self.notify.get_secret_value().split()) if self.notify else ()

    @property
    def urls(self) -> dict[str, str]:
        """Control address by service."""
        return {
            "feed": self.feed_url,
            "strategy": self.strategy_url,
            "executor": self.executor_url,
            "userws": self.userws_url,
        }
