"""Why another machine could not be reached or did not serve us, as one of `model.errors.Cause`."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator

from pmcore.model.errors import Cause

_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL)
_FORBIDDEN, _UNAUTHORIZED, _TOO_MANY, _FOR_LEGAL_REASONS = 403, 401, 429, 451
MOST_CAUSES = 30


def cause_of(error: BaseException) -> Cause:
    """Look through an error and what led to it; the most telling one wins."""
    chain = list(_chain(error))
    for kind, cause in (
        (socket.gaierror, Cause.NAME_RESOLUTION),
        (ssl.SSLError, Cause.TLS),
        (ConnectionRefusedError, Cause.CONNECTION_REFUSED),
    ):
        if any(isinstance(one, kind) for one in chain):
            return cause
    for one in chain:
        status = getattr(getattr(one, "response", None), "status_code", None)
        if isinstance(status, int):  # websockets' and httpx' errors; not every image has both
            return cause_of_status(status)
        if isinstance(one, OSError) and one.errno in _UNREACHABLE:
            return Cause.UNREACHABLE
    if any(isinstance(one, TimeoutError) for one in chain):
        return Cause.TIMEOUT
    return Cause.CONNECTION_LOST


def cause_of_status(status: int) -> Cause:
    """What an HTTP status other than 200 means to us."""
    if status in (_FORBIDDEN, _FOR_LEGAL_REASONS):
        return Cause.BLOCKED
    if status == _UNAUTHORIZED:
        return Cause.AUTH
    return Cause.RATE_LIMITED if status == _TOO_MANY else Cause.SERVER_ERROR


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, its members when it is a group, and what led to each."""
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < MOST_CAUSES:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, BaseExceptionGroup):
            waiting.extend(one.exceptions)
        waiting.extend(led for led in (one.__cause__, one.__context__) if led is not None)
