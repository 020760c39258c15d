from __future__ import annotations

from pmcore.wire import keys
from pmcore.wire.ports import Ack, Outgoing
from pmcore.wire.transactions import by_group, by_hash_tag
from support.messages import ACCOUNT, SERIES, channel, command, flat

CMD, EXE, USER, OTHER = keys.cmd(SERIES), keys.exe(SERIES), keys.user(ACCOUNT), keys.cmd("eth-15m")


def test_nothing_is_no_transaction() -> None:
    assert list(by_hash_tag([], [])) == []


def test_tags_go_in_the_order_of_their_entries_and_those_that_only_acknowledge_last() -> None:
    transactions = by_hash_tag(
        [Outgoing(USER, channel(1)), Outgoing(CMD, command(1)), Outgoing(USER, channel(2))],
        [Ack(OTHER, "g", "1-1"), Ack(EXE, "g", "1-1"), Ack(USER, "g", "1-1")],
    )
    assert [transaction.tag for transaction in transactions] == [ACCOUNT, SERIES, "eth-15m"]
    assert [transaction.positions for transaction in transactions] == [[0, 2], [1], []]
    assert [item.message for item in transactions[0].outgoing] == [channel(1), channel(2)]
    assert [[ack.stream for ack in transaction.acks] for transaction in transactions] == [
        [USER],
        [EXE],
        [OTHER],
    ]


def test_entries_of_one_tag_are_one_transaction_in_their_order() -> None:
    (only,) = by_hash_tag([Outgoing(EXE, flat(1)), Outgoing(CMD, command(1))], [])
    assert [item.stream for item in only.outgoing] == [EXE, CMD]


def test_acknowledgements_of_a_group_are_one_command() -> None:
    merged = by_group([Ack(CMD, "a", "1-1"), Ack(CMD, "b", "1-2"), Ack(CMD, "a", "1-3")])
    assert merged == {(CMD, "a"): ["1-1", "1-3"], (CMD, "b"): ["1-2"]}
