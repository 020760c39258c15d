from __future__ import annotations

import pytest

from pmcore.messages.control import Halt
from pmcore.messages.market_data import BookDelta
from pmcore.messages.union import StreamMessage
from pmcore.model.errors import InvariantError
from pmcore.wire import keys
from pmcore.wire.registry import STREAMS, ReadMode, Scope, spec_of


def test_every_message_stands_in_exactly_one_stream() -> None:
    standing = [message for spec in STREAMS.values() for message in spec.messages]
    assert len(standing) == len(set(standing))
    assert set(standing) == set(StreamMessage.__args__)


def test_every_stream_has_a_key_of_its_scope() -> None:
    made = {
        "md": keys.md("x"),
        "rot": keys.rot("x"),
        "cmd": keys.cmd("x"),
        "exe": keys.exe("x"),
        "dlq": keys.dlq("x"),
        "user": keys.user("x"),
        "ctl": keys.ctl("x"),
    }
    assert made.keys() == STREAMS.keys()
    assert all(spec_of(key) is STREAMS[kind] for kind, key in made.items())
    account = {kind for kind, spec in STREAMS.items() if spec.scope is Scope.ACCOUNT}
    assert account == {"user", "ctl"}


def test_only_state_is_read_without_acknowledgement_and_trimmed_on_add() -> None:
    for kind, spec in STREAMS.items():
        assert (spec.read is ReadMode.NOACK) == (kind == "md") == (spec.max_len is not None)
        assert spec.max_len is None or spec.keep_ms is None


def test_what_a_stream_carries() -> None:
    assert spec_of(keys.md("x")).carries(BookDelta)
    assert not spec_of(keys.md("x")).carries(Halt)


def test_a_key_that_is_no_stream_is_our_mistake() -> None:
    with pytest.raises(InvariantError, match="not a stream"):
        spec_of(keys.halt("acct"))
