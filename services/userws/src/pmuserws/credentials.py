"""API credentials: given, or left in a file by the executor that derived them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from pmcore.model.errors import MalformedInputError
from pmcore.shell.clock import monotonic_s
from pmcore.shell.errors import StartupError
from pmcore.shell.logs import Log
from pmcore.venue.l2_auth import ApiCredentials
from pmuserws.settings import UserwsSettings

POLL_S = 0.2


class _File(msgspec.Struct):
    api_key: str
    secret: str
    passphrase: str
    address: str


async def find_credentials(settings: UserwsSettings, log: Log) -> ApiCredentials:
    """Return the credentials, waiting for the file; raise `StartupError` when there are none."""
    given = _given(settings)
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
    return _read(path)


def _given(settings: UserwsSettings) -> ApiCredentials | None:
    parts = (settings.api_key, settings.api_secret, settings.api_passphrase)
    key, secret, passphrase = (part.get_secret_value() if part else "" for part in parts)
    if not key or settings.address is None:
        return None
    try:
        return ApiCredentials(settings.address, key, secret, passphrase)
    except MalformedInputError as error:
        raise StartupError(f"POLYMARKET_API_SECRET: {error.detail}") from None


def _read(path: Path) -> ApiCredentials:
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
        return ApiCredentials(file.address, file.api_key, file.secret, file.passphrase)
    except OSError as error:
        raise StartupError(f"cannot read {path}: {error.strerror}") from None
    except (msgspec.MsgspecError, MalformedInputError):
        raise StartupError(
            f"{path} is not a JSON object of api_key, secret (base64), passphrase, address"
        ) from None
