"""What all messages share: frozen, keyword-only, tagged by the snake case of their name."""

from __future__ import annotations

import re

import msgspec


def _tag(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Message(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=_tag, omit_defaults=True
):
    """A value that crosses a boundary. Evolve by adding optional fields with defaults only."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who published a message, in what order, and when; stamped by the publishing shell.

    `seq` rises by one per (`source`, `run_id`, stream): lower or equal is a repeat, a jump is a
    gap. `ts_pub_ns` is the publisher's clock.
    """

    source: str
    run_id: str
    seq: int
    ts_pub_ns: int
