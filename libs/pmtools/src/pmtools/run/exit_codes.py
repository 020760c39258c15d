"""The exit code of `pm run` when its services could not do their work: one for each cause.

A trouble counts when it was still there at the end and had lasted `LASTING_S`, or when no market
data came at all. The feed's counts first: without market data nobody else can work.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pmcore.model.errors import Cause
from pmtools.errors import EXIT_FAILED

LASTING_S = 10.0
EXIT_NO_DATA = 3
EXIT_CODES: dict[Cause, int] = {
    Cause.NO_DATA: EXIT_NO_DATA,
    Cause.NO_WINDOW: EXIT_NO_DATA,
    Cause.NAME_RESOLUTION: 10,
    Cause.CONNECTION_REFUSED: 11,
    Cause.UNREACHABLE: 12,
    Cause.TIMEOUT: 13,
    Cause.TLS: 14,
    Cause.CONNECTION_LOST: 15,
    Cause.BLOCKED: 16,
    Cause.AUTH: 17,
    Cause.RATE_LIMITED: 18,
    Cause.SERVER_ERROR: 19,
    Cause.HEARTBEAT_REFUSED: 20,
    Cause.REDIS: 21,
    Cause.WAITING: EXIT_FAILED,
    Cause.HALTED: 0,
}
_FOLLOWS = (Cause.WAITING, Cause.HALTED)
_ORDER = ("feed", "executor", "userws", "strategy")

EXIT_CODES_HELP = """exit codes:
  0   done; also when halted         1   failed, or orders may be left at the venue
  2   wrong argument or setting      130 interrupted
  3   no market data, no window      15  connection lost
  10  name resolution                16  blocked: 403 or 451, mostly for a country
  11  connection refused             17  credentials refused (401)
  12  network unreachable            18  rate limited (429)
  13  no answer in time              19  the server failed, or answered nonsense
  14  TLS                            20  heartbeat refused          21  Redis away
  Codes from 3 on: what was in the way at the end, for 10 seconds or more, or all the time.
"""


def trouble_at_end(
    states: Mapping[str, Mapping[str, Any]], *, least_s: float = LASTING_S
) -> tuple[Cause, str] | None:
    """The trouble that decides, and a sentence about it; None when all could work."""
    for name in _ORDER:
        for trouble in states.get(name, {}).get("troubles") or ():
            if not isinstance(trouble, Mapping) or trouble.get("cause") not in set(Cause):
                continue
            cause = Cause(trouble["cause"])
            if cause not in _FOLLOWS and trouble.get("seconds", 0.0) >= least_s:
                words = cause.value.replace("_", " ")
                return cause, f"{name}: {trouble.get('what')}: {words}: {trouble.get('text')}"
    return None
