"""The three kinds of error (docs/ARCHITECTURE.md): our mistakes, bad input, transport."""

from __future__ import annotations

from enum import StrEnum


class InvariantError(Exception):
    """Our own mistake. No code catches it: the process ends, and the next start reconciles."""


class MalformedInputError(ValueError):
    """An input that cannot be used; `reason` is a short, countable word such as `bad_price`."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class Sent(StrEnum):
    """Did a request reach the venue? After UNKNOWN the venue must be asked."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class TransportError(Exception):
    """The transport failed: timeout, 429, 5xx, closed socket, Redis away."""

    def __init__(
        self, text: str, *, retryable: bool, sent: Sent, retry_after_ms: int | None = None
    ) -> None:
        super().__init__(text)
        self.retryable = retryable
        self.sent = sent
        self.retry_after_ms = retry_after_ms


class Reason(StrEnum):
    """Why an order failed, was denied or could not be cancelled. Closed: each is handled."""

    # the venue refused (docs/venue.md 1.6, 1.7)
    POST_ONLY_CROSSES = "post_only_crosses"
    TICK = "tick"
    MIN_SIZE = "min_size"
    DUPLICATE = "duplicate"
    BALANCE = "balance"
    MARKET_CLOSED = "market_closed"
    MARKET_NOT_READY = "market_not_ready"
    AUTH = "auth"
    BANNED = "banned"
    CLOSED_ONLY = "closed_only"
    VERSION_MISMATCH = "version_mismatch"
    INVALID_ORDER = "invalid_order"
    RATE_LIMITED = "rate_limited"
    RESTARTING = "restarting"
    POST_ONLY_MODE = "post_only_mode"
    CANCEL_ONLY = "cancel_only"
    TRADING_DISABLED = "trading_disabled"
    VENUE_ERROR = "venue_error"
    # transport
    TIMEOUT = "timeout"
    TRANSPORT = "transport"
    # we refused before sending
    EXPIRED = "expired"
    HALTED = "halted"
    NO_HEARTBEAT = "no_heartbeat"
    BUDGET = "budget"
    RISK = "risk"
    DUPLICATE_COMMAND = "duplicate_command"
    NOT_FLAT = "not_flat"
    SHUTTING_DOWN = "shutting_down"
    LOST = "lost"
    # cancels
    ALREADY_MATCHED = "already_matched"
    NOT_FOUND = "not_found"
    UNKNOWN = "unknown"
