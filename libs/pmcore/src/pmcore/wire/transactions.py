"""Which entries and acknowledgements go together: one transaction per hash tag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from pmcore.wire.keys import hash_tag
from pmcore.wire.ports import Ack, Outgoing


class Transaction(msgspec.Struct):
    """What one MULTI/EXEC does; `positions` are the outgoing entries' places in the request."""

    tag: str
    positions: list[int] = msgspec.field(default_factory=list)
    outgoing: list[Outgoing] = msgspec.field(default_factory=list)
    acks: list[Ack] = msgspec.field(default_factory=list)


def by_hash_tag(outgoing: Sequence[Outgoing], acks: Sequence[Ack]) -> Sequence[Transaction]:
    """Tags in the order of their first entry, then those that only acknowledge."""
    transactions: dict[str, Transaction] = {}
    for position, item in enumerate(outgoing):
        tag = hash_tag(item.stream)
        transaction = transactions.setdefault(tag, Transaction(tag))
        transaction.positions.append(position)
        transaction.outgoing.append(item)
    for ack in acks:
        tag = hash_tag(ack.stream)
        transactions.setdefault(tag, Transaction(tag)).acks.append(ack)
    return list(transactions.values())


def by_group(acks: Sequence[Ack]) -> Mapping[tuple[str, str], Sequence[str]]:
    """(stream, group) -> entry ids: one XACK each."""
    merged: dict[tuple[str, str], list[str]] = {}
    for ack in acks:
        merged.setdefault((ack.stream, ack.group), []).append(ack.entry_id)
    return merged
