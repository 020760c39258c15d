"""API credentials derived from the key, when the environment gives none (docs/venue.md 3.1)."""

from __future__ import annotations

import msgspec

from pmcore.model.errors import MalformedInputError, TransportError
from pmcore.model.units import NS_PER_S
from pmcore.shell.service.errors import StartupError
from pmcore.venue.l2_auth import ApiCredentials
from pmcore.venue.rest_models import error_text
from pmexecutor.clob_http import ClobAnswer, ClobHttp
from pmexecutor.official import l1_headers

TIMEOUT_S = 10.0
_ROUTES = (("GET", "/auth/derive-api-key"), ("POST", "/auth/api-key"))


class _Row(msgspec.Struct, rename={"api_key": "apiKey"}):
    api_key: str
    secret: str
    passphrase: str


async def derive_credentials(
    http: ClobHttp, key: bytes, address: str, chain_id: int
) -> ApiCredentials:
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
        return ApiCredentials(address, row.api_key, row.secret, row.passphrase)
    except (msgspec.ValidationError, MalformedInputError) as error:
        raise StartupError(f"no API credentials: the venue's answer has {error}") from None
