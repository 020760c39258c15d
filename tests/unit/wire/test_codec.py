from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmcore.messages.control import Halt
from pmcore.model.errors import InvariantError
from pmcore.wire import codec, keys
from pmcore.wire.ports import Outgoing
from support.messages import ACCOUNT, SERIES, command, halt, status

CMD, MD, CTL = keys.cmd(SERIES), keys.md(SERIES), keys.ctl(ACCOUNT)


def entry(**changed: bytes) -> dict[bytes, bytes]:
    fields = codec.Stamper("strategy", "run-1").entry(Outgoing(CMD, command(1)), 5)
    return fields | {name.encode(): value for name, value in changed.items()}


def test_what_is_stamped_is_read_back() -> None:
    stamper = codec.Stamper("strategy", "run-1")
    for seq in (1, 2):
        fields = stamper.entry(Outgoing(CMD, command(seq)), 5)
        incoming = codec.decode_entry(CMD, "1-1", fields, deliveries=3)
        assert incoming.message == command(seq)
        assert incoming.envelope is not None
        assert (incoming.envelope.source, incoming.envelope.run_id) == ("strategy", "run-1")
        assert (incoming.envelope.seq, incoming.envelope.ts_pub_ns) == (seq, 5)
        assert (incoming.problem, incoming.raw, incoming.deliveries) == ("", b"", 3)


def test_each_stream_is_numbered_by_itself() -> None:
    stamper = codec.Stamper("x", "r")
    stamper.entry(Outgoing(CMD, command(1)), 5)
    incoming = codec.decode_entry(MD, "1-1", stamper.entry(Outgoing(MD, status(1)), 5))
    assert incoming.envelope is not None
    assert incoming.envelope.seq == 1


def test_a_message_is_its_json_and_back() -> None:
    assert codec.decode(codec.encode(command(1))) == command(1)
    with pytest.raises(msgspec.DecodeError):
        codec.decode(b"{}")


def test_a_message_on_the_wrong_stream_is_refused_and_takes_no_number() -> None:
    stamper = codec.Stamper("x", "r")
    with pytest.raises(InvariantError, match="Halt does not belong"):
        stamper.entry(Outgoing(MD, halt(1)), 5)
    assert b'"seq":1' in stamper.entry(Outgoing(MD, status(1)), 5)[codec.FIELD_ENVELOPE]


def test_an_entry_without_fields_was_lost() -> None:
    incoming = codec.decode_entry(CMD, "1-1", {}, deliveries=2)
    assert (incoming.message, incoming.problem, incoming.deliveries) == (None, codec.LOST, 2)


@pytest.mark.parametrize("tag", [b"never_heard_of", b"halt", b"\xff"])
def test_a_tag_that_the_stream_does_not_carry_is_unknown(tag: bytes) -> None:
    incoming = codec.decode_entry(CMD, "1-1", entry(t=tag))
    assert (incoming.message, incoming.problem) == (None, codec.UNKNOWN_TAG)
    assert incoming.raw.startswith(b"t=" + tag + b" d={")


@pytest.mark.parametrize(
    "changed",
    [
        {"d": b""},
        {"d": b"[]"},
        {"d": b'{"type":"cancel_window"}'},
        {"d": b'{"type":"never_heard_of"}'},
        {"d": codec.encode(halt(1))},
        {"d": b"\xff"},
        {"e": b""},
        {"e": b'{"source":"x"}'},
        {"t": b""},
        {"t": b"submit_order"},
    ],
)
def test_an_entry_that_contradicts_itself_is_malformed(changed: dict[str, bytes]) -> None:
    incoming = codec.decode_entry(CMD, "1-1", entry(**changed))
    assert (incoming.message, incoming.envelope) == (None, None)
    assert incoming.problem == codec.MALFORMED
    assert incoming.raw


FIELD = st.sampled_from([b"t", b"d", b"e", b"x"])
VALUE = st.binary(max_size=40) | st.sampled_from(list(entry().values()))


@given(st.dictionaries(FIELD, VALUE))
def test_no_bytes_raise(fields: dict[bytes, bytes]) -> None:
    incoming = codec.decode_entry(CMD, "1-1", fields)
    assert (incoming.message is None) == bool(incoming.problem)


def test_the_tag_is_the_snake_case_of_the_name() -> None:
    assert codec.tag_of(Halt) == "halt"
    assert codec.MESSAGE_TYPES[b"halt"] is Halt


def test_a_message_survives_its_json() -> None:
    assert codec.decode(codec.encode(command(1))) == command(1)
