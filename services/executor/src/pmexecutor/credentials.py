"""API credentials: given, or derived from the key, and left where userws finds them.

userws never sees the private key; it reads the file, which only this user may read.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from pmcore.model.errors import TransportError
from pmcore.model.units import NS_PER_S
from pmcore.shell.errors import StartupError
from pmcore.shell.files import write_file_atomically
from pmcore.venue.rest_models import error_text
from pmexecutor.authentication import ApiCredentials
from pmexecutor.clob_http import ClobAnswer, ClobHttp
from pmexecutor.official import l1_headers

TIMEOUT_S = 10.0
_ROUTES = (("GET", "/auth/derive-api-key"), ("POST", "/auth/api-key"))


class _Row(msgspec.Struct, rename={"api_key": "apiKey"}):
    api_key: str
    secret: str
    passphrase: str


async def derive(http: ClobHttp, key: bytes, address: str, chain_id: int) -> ApiCredentials:
    """The key's credentials, made if there are none; `StartupError` has the venue's words."""
    refusal = ""
    for method, path in _ROUTES:
        headers = l1_headers(key, chain_id, http.now_ns() // NS_PER_S)
        try:
            answer = await http.request(method, path, headers=headers, timeout_s=TIMEOUT_S)
        except TransportError as error:
            raise StartupError(f"no API credentials: {error}") from error
        if answer.ok:
            return _read(answer, address)
        refusal = f"{method} {path}: {answer.status} {error_text(answer.body)}".rstrip()
    raise StartupError(f"no API credentials for {address}: {refusal}")


def _read(answer: ClobAnswer, address: str) -> ApiCredentials:
    try:
        row = msgspec.convert(answer.body, _Row)
    except msgspec.ValidationError as error:
        raise StartupError(f"no API credentials: the venue's answer has {error}") from None
    return ApiCredentials(address, row.api_key, row.secret, row.passphrase)


def write(path: Path, credentials: ApiCredentials) -> None:
    """Leave them for userws: mode 0600, whole or not at all."""
    content = {
        "api_key": credentials.api_key,
        "secret": credentials.secret,
        "passphrase": credentials.passphrase,
        "address": credentials.address,
    }
    try:
        write_file_atomically(path, msgspec.json.encode(content))
    except OSError as error:
        raise StartupError(
            f"POLYMARKET_API_CREDENTIALS_FILE: cannot write {path}: {error.strerror}"
        ) from None
