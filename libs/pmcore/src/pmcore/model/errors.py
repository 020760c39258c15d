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


class Cause(StrEnum):
    """Why a service cannot do its work. Closed: each has an exit code of `pm run`."""

    # the connection to another machine
    NAME_RESOLUTION = "name_resolution"
    CONNECTION_REFUSED = "connection_refused"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    TLS = "tls"
    CONNECTION_LOST = "connection_lost"
    # what it answered
    BLOCKED = "blocked"
    AUTH = "auth"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    HEARTBEAT_REFUSED = "heartbeat_refused"
    NO_WINDOW = "no_window"
    NO_DATA = "no_data"
    # our own side
    REDIS = "redis"
    WAITING = "waiting"
    HALTED = "halted"


class TransportError(Exception):
    """The transport failed: timeout, 429, 5xx, closed socket, Redis away."""

    def __init__(
        self,
        text: str,
        *,
        retryable: bool,
        sent: Sent,
        retry_after_ms: int | None = None,
        cause: Cause = Cause.CONNECTION_LOST,
    ) -> None:
        super().__init__(text)
        self.retryable = retryable
        self.sent = sent
        self.retry_after_ms = retry_after_ms
        self.cause = cause


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
    REGION_BLOCKED = "region_blocked"
    CLOSED_ONLY = "closed_only"
    VERSION_MISMATCH = "version_mismatch"
    INVALID_ORDER = "invalid_order"
    RATE_LIMITED = "rate_limited"
    RESTARTING = "restarting"
    POST_ONLY_MODE = "post_only_mode"
    CANCEL_ONLY = "cancel_only"
    TRADING_DISABLED = "trading_disabled"
    VENUE_ERROR = "venue_error"
    REFUSED = "refused"  # this request, in words that we do not know
    # the connection
    TIMEOUT = "timeout"
    TRANSPORT = "transport"
    EDGE_PAGE = "edge_page"  # a page of whatever stands in front of the venue
    # we refused before sending
    EXPIRED = "expired"
    HALTED = "halted"
    NO_HEARTBEAT = "no_heartbeat"
    NO_LEASE = "no_lease"  # the command's sender does not hold the lease of its series
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
