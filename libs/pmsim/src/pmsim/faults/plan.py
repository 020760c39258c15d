"""What a simulated venue is asked to do wrong: a plan that may change while it runs.

A plan is data; `edge.FaultyVenue` carries out what happens at the venue's edge, the venue itself
what happens inside (settlement, locks, resolution, sweeps after the end), and a service with
sockets the `TransportFaults`. Chance is a digest of (seed, what it is about), so that one fault
does not move another. Parts per million throughout; the default plan does nothing.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgspec

MILLION = 1_000_000
POST_ONLY_AFTER_RESTART_S = 120


class TradingMode(StrEnum):
    """Trading modes (docs/venue.md 1.7). `RESTART` answers 425; two minutes of post-only follow."""

    OPEN = "open"
    RESTART = "restart"
    POST_ONLY = "post_only"
    CANCEL_ONLY = "cancel_only"
    DISABLED = "disabled"


class StreamFaults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens to frames of one channel; PONGs are still sent.

    `reorder_ppm` swaps a frame with the next. A delayed frame comes `delay_ms` late, behind
    whatever was sent meanwhile. `unknown_ppm` sends one more frame, of a kind that no client knows.
    """

    silent: bool = False
    drop_ppm: int = 0
    duplicate_ppm: int = 0
    delay_ppm: int = 0
    delay_ms: int = 500
    reorder_ppm: int = 0
    unknown_ppm: int = 0


class TransportFaults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens to requests and sockets; the service around the venue does it.

    `lose_response_ppm` and `error_after_ppm` strike POSTs that the venue has accepted: no answer,
    or a 500. `disconnect_every_s` closes each WebSocket of that age, 0 never.
    """

    lose_response_ppm: int = 0
    error_after_ppm: int = 0
    error_after_text: str = "could not insert order"
    slow_ppm: int = 0
    slow_ms: int = 2_000
    refuse_connections: bool = False
    disconnect_every_s: int = 0


class FaultPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All faults at once. A mode begins when the plan is set and lasts `mode_s`, 0 until the next.

    `failed_ppm` of trades go RETRYING and FAILED, `retried_ppm` RETRYING and MINED. `phantom_ppm`
    of BUY fills stay locked as matched for `phantom_s` (docs/venue.md 10.1). `hydrate_lead_s`:
    the CLOB knows a window only from so long before its start (docs/venue.md 1.3).
    `end_sweep_shares`: takers of each token hit stale quotes with so much after the end.
    """

    mode: TradingMode = TradingMode.OPEN
    mode_s: int = 0
    market: StreamFaults = StreamFaults()
    user: StreamFaults = StreamFaults()
    omit_maker_side_ppm: int = 0
    empty_size_matched_ppm: int = 0
    failed_ppm: int = 0
    retried_ppm: int = 0
    phantom_ppm: int = 0
    phantom_s: int = 60
    resolve_delay_ms: int = 0
    hydrate_lead_s: int | None = None
    end_sweep_shares: int = 0
    transport: TransportFaults = TransportFaults()


def strikes(ppm: int, seed: int, *about: object) -> bool:
    """Whether a fault of a given share applies here: a function of its arguments."""
    if ppm <= 0:
        return False
    text = "|".join(str(part) for part in (seed, *about))
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8], "big") % MILLION < ppm
