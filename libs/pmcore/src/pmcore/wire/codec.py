"""Bytes to messages and back: the three fields of an entry (docs/streams.md).

`t` is the message's tag, so that a person can filter; `d` the message as JSON, tag included;
`e` the envelope. Unknown fields are ignored; what cannot be read becomes an `Incoming` with a
`problem`, never an exception and never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import msgspec

from pmcore.messages.base import Envelope, Message
from pmcore.messages.union import StreamMessage
from pmcore.model.check import invariant
from pmcore.wire.ports import Incoming, Outgoing
from pmcore.wire.registry import spec_of

FIELD_TAG = b"t"
FIELD_BODY = b"d"
FIELD_ENVELOPE = b"e"

LOST = "lost"
UNKNOWN_TAG = "unknown_tag"
MALFORMED = "malformed"

_encoder = msgspec.json.Encoder()
_messages: msgspec.json.Decoder[StreamMessage] = msgspec.json.Decoder(StreamMessage)
_envelopes = msgspec.json.Decoder(Envelope)


def tag_of(message_type: type[Message]) -> str:
    """The tag of a message type: the snake case of its name."""
    return str(message_type.__struct_config__.tag)


MESSAGE_TYPES: Mapping[bytes, type[Message]] = {
    tag_of(message_type).encode(): message_type for message_type in get_args(StreamMessage)
}
"""Every tag that may stand in a stream."""


def encode(message: StreamMessage) -> bytes:
    """The JSON of a message; the same bytes for the same message, always."""
    return _encoder.encode(message)


def decode(body: bytes) -> StreamMessage:
    """A message from its JSON; raise `msgspec.DecodeError` for anything else."""
    return _messages.decode(body)


class Stamper:
    """The publishing end of one process: numbers the messages of each stream, from 1."""

    def __init__(self, source: str, run_id: str) -> None:
        self._source = source
        self._run_id = run_id
        self._seq: dict[str, int] = {}

    def entry(self, outgoing: Outgoing, ts_pub_ns: int) -> dict[bytes, bytes]:
        """The fields of the next entry. A number is used only once."""
        message = outgoing.message
        invariant(
            spec_of(outgoing.stream).carries(type(message)),
            f"{type(message).__name__} does not belong on {outgoing.stream}",
        )
        seq = self._seq.get(outgoing.stream, 0) + 1
        self._seq[outgoing.stream] = seq
        envelope = Envelope(source=self._source, run_id=self._run_id, seq=seq, ts_pub_ns=ts_pub_ns)
        return {
            FIELD_TAG: tag_of(type(message)).encode(),
            FIELD_BODY: encode(message),
            FIELD_ENVELOPE: _encoder.encode(envelope),
        }


def decode_entry(
    stream: str, entry_id: str, fields: Mapping[bytes, bytes], *, deliveries: int = 1
) -> Incoming:
    """An entry as read; no fields at all means that it was trimmed while pending."""
    if not fields:
        return Incoming(stream, entry_id, None, problem=LOST, deliveries=deliveries)
    tag, body = fields.get(FIELD_TAG, b""), fields.get(FIELD_BODY, b"")
    message_type = MESSAGE_TYPES.get(tag)
    if tag and (message_type is None or not spec_of(stream).carries(message_type)):
        return _unusable(stream, entry_id, fields, UNKNOWN_TAG, deliveries)
    try:
        message = _messages.decode(body)
        envelope = _envelopes.decode(fields.get(FIELD_ENVELOPE, b""))
    except msgspec.DecodeError:
        return _unusable(stream, entry_id, fields, MALFORMED, deliveries)
    if type(message) is not message_type:
        return _unusable(stream, entry_id, fields, MALFORMED, deliveries)
    return Incoming(stream, entry_id, message, envelope=envelope, deliveries=deliveries)


def _unusable(
    stream: str, entry_id: str, fields: Mapping[bytes, bytes], problem: str, deliveries: int
) -> Incoming:
    raw = b" ".join(name + b"=" + value for name, value in fields.items())
    return Incoming(stream, entry_id, None, problem=problem, raw=raw, deliveries=deliveries)
