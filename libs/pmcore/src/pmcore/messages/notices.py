"""Notices of a machine for a person. Shells log and count notices; tests assert on them."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class NoticeKind(StrEnum):
    """Closed list; a shell counts each as `pm_<service>_notices_total{kind}`."""

    QUOTES_REFUSED = "quotes_refused"
    TOXIC_ENTERED = "toxic_entered"
    TOXIC_LEFT = "toxic_left"
    BOOK_GAP = "book_gap"
    ORDER_DENIED = "order_denied"
    ORDER_REJECTED = "order_rejected"
    INVALID_TRANSITION = "invalid_transition"
    UNKNOWN_ORDER = "unknown_order"
    ORDER_VANISHED = "order_vanished"
    FILL_REVERSED = "fill_reversed"
    UNSETTLED = "unsettled"
    UNACCOUNTED = "unaccounted"
    POSITIONS_DIFFER = "positions_differ"
    MERGE = "merge"
    LIMIT_REACHED = "limit_reached"
    LOSS_LIMIT = "loss_limit"
    WINDOW_STATE = "window_state"
    COMMAND_REFUSED = "command_refused"
    CANCEL_ALL_REPEATED = "cancel_all_repeated"
    HALTED = "halted"
    RESUMED = "resumed"
    INPUT_DROPPED = "input_dropped"


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something worth a log line. `detail` is text for a person; never parsed."""

    kind: NoticeKind
    slug: str = ""
    reason: str = ""
    detail: str = ""
