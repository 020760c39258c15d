"""Entries that could not be handled, on `{series}:dlq`, for a person to look at."""

from __future__ import annotations

from pmcore.messages.base import Message


class DeadLetter(Message, frozen=True, kw_only=True):
    """An entry that is not tried again: undecodable, or delivered too often.

    `problem` is `unknown_tag`, `malformed` or `deliveries`; `raw` is what there was, as text.
    """

    stream: str
    entry_id: str
    group: str
    problem: str
    raw: str = ""
    ts_recv_ns: int
