"""API credentials: given, or left in a file by the executor that derived them."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from pmcore.shell.clock import monotonic_s
from pmcore.shell.service.errors import StartupError
from pmcore.shell.service.logs import Log
from pmcore.shell.settings.account import read_credentials
from pmcore.venue.l2_auth import ApiCredentials
from pmuserws.settings import UserwsSettings

POLL_S = 0.2
WATCH_S = 1.0


async def find_credentials(settings: UserwsSettings, log: Log) -> ApiCredentials:
    """Return the credentials, waiting for the file; raise `StartupError` when there are none."""
    given = settings.given_credentials(settings.address or "")
    if given is not None:
        return given
    path = settings.credentials_file
    end_s = monotonic_s() + settings.credentials_wait_s
    if not path.exists():
        log.info("waiting_for_credentials", path=path, seconds=settings.credentials_wait_s)
    while not path.exists():
        if monotonic_s() >= end_s:
            raise StartupError(
                f"no API credentials: set POLYMARKET_API_KEY, _SECRET, _PASSPHRASE and "
                f"POLYMARKET_ADDRESS, or let the executor write {path}"
            )
        await asyncio.sleep(POLL_S)
    return read_credentials(path)


async def stay_with(used: ApiCredentials, settings: UserwsSettings) -> NoReturn:
    """Watch the file; raise `StartupError` once the executor leaves others there.

    A file of an earlier account or venue is read at once, and would show no fills of ours.
    """
    path = settings.credentials_file
    while True:
        await asyncio.sleep(WATCH_S)
        if path.exists() and read_credentials(path) != used:
            raise StartupError(f"{path} holds other credentials now: start again")
