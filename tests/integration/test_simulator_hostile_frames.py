"""Whatever a client writes to the simulator's WebSockets, nothing breaks and the rest goes on.

A message that the WebSocket protocol allows leaves its connection usable. A violation of the
protocol ends the connection with the protocol's own close code.
"""

from __future__ import annotations

import json
import logging
import socket as socket_module
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect

from pmsimulator.credentials import Credentials, credentials_for
from support.running_venue import RunningVenue, synthetic_venue

pytestmark = pytest.mark.connected

PATIENCE_S = 20.0
EXAMPLES = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ACCOUNT = credentials_for("0x" + "5a" * 20, 0)
CHANNELS = ("market", "user")


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with synthetic_venue() as running:
        yield running


@pytest.fixture(autouse=True)
def no_traceback(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The server runs in this process: what it logs is seen here."""
    caplog.set_level(logging.ERROR)
    yield
    assert [record.getMessage() for record in caplog.records] == []


def hello(channel: str, account: Credentials = ACCOUNT) -> str:
    if channel == "market":
        return json.dumps({"type": "market", "assets_ids": []})
    return json.dumps({"type": "user", "auth": account.row()})


def usable(socket: ClientConnection) -> bool:
    """Whether a PING is still answered; other frames may come first."""
    socket.send("PING")
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if socket.recv(timeout=PATIENCE_S) == "PONG":
            return True
    return False


def close_code(closed: ConnectionClosed) -> int:
    assert closed.rcvd is not None
    return closed.rcvd.code


@contextmanager
def joined(venue: RunningVenue, channel: str) -> Iterator[ClientConnection]:
    with connect(f"ws://{venue.address}/ws/{channel}", max_size=None, max_queue=None) as socket:
        socket.send(hello(channel))
        yield socket


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)
FIELDS = (
    "type",
    "operation",
    "assets_ids",
    "markets",
    "initial_dump",
    "level",
    "custom_feature_enabled",
)
REQUESTS = st.dictionaries(
    st.sampled_from(FIELDS),
    JSON
    | st.sampled_from(["market", "user", "subscribe", "unsubscribe"])
    | st.lists(st.text(max_size=80), max_size=5),
)
TEXTS = st.one_of(
    st.text(max_size=200),
    JSON.map(json.dumps),
    REQUESTS.map(json.dumps),
    REQUESTS.map(lambda request: json.dumps(request)[:-3]),
    st.sampled_from(
        [
            "",
            "ping",
            "PONG",
            " PING",
            "[" * 100_000,
            '{"a":' * 20_000,
            '{"type":"\\ud800"}',
            '{"type":"market","assets_ids":["\\ud800"]}',
            '{"operation":"subscribe","assets_ids":["' + "9" * 100_000 + '"]}',
            json.dumps({"type": "market", "level": 10**400}),
            "\N{BYTE ORDER MARK}{}",
            "\0",
        ]
    ),
)
MESSAGES = st.lists(TEXTS | st.binary(max_size=200), min_size=1, max_size=6)


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_binary_frame_leaves_the_connection_usable(venue: RunningVenue, channel: str) -> None:
    before = venue.world.subscriptions.unusable_requests
    with joined(venue, channel) as socket:
        for raw in (b"\x00\xff", b"PING", hello(channel).encode(), b""):
            socket.send(raw)
        assert usable(socket)
    assert venue.world.subscriptions.unusable_requests == before + 4


@pytest.mark.parametrize("channel", CHANNELS)
@EXAMPLES
@given(messages=MESSAGES)
def test_any_message_leaves_the_connection_usable(
    venue: RunningVenue, channel: str, messages: list[str | bytes]
) -> None:
    with joined(venue, channel) as socket:
        for message in messages:
            socket.send(message)
        assert usable(socket)


@EXAMPLES
@given(messages=MESSAGES)
def test_before_its_subscription_a_user_channel_is_ended_politely_or_waits(
    venue: RunningVenue, messages: list[str | bytes]
) -> None:
    """A JSON object without the right credentials is refused with 1008; all else is ignored."""
    refused: ConnectionClosed | None = None
    with connect(f"ws://{venue.address}/ws/user", max_queue=None) as socket:
        try:
            for message in messages:
                socket.send(message)
            assert usable(socket)
        except ConnectionClosed as closed:
            refused = closed
    assert refused is None or close_code(refused) == 1008


@pytest.mark.parametrize("channel", CHANNELS)
@EXAMPLES
@given(text=TEXTS, cuts=st.lists(st.integers(0, 200), max_size=4), ping=st.binary(max_size=125))
def test_a_message_in_pieces_with_pings_between_is_one_message(
    venue: RunningVenue, channel: str, text: str, cuts: list[int], ping: bytes
) -> None:
    with joined(venue, channel) as socket:
        data = text.encode()
        ends = [*sorted(cut for cut in cuts if cut < len(data)), len(data)]
        begin, wire = 0, b""
        for number, end in enumerate(ends):
            opcode = Opcode.CONT if number else Opcode.TEXT
            last = number == len(ends) - 1
            wire += Frame(opcode, data[begin:end], fin=last).serialize(mask=True)
            if not last:
                wire += Frame(Opcode.PING, ping).serialize(mask=True)
                wire += Frame(Opcode.PONG, ping).serialize(mask=True)
            begin = end
        socket.socket.sendall(wire)
        assert usable(socket)


def test_a_character_cut_in_two_by_fragments_is_read(venue: RunningVenue) -> None:
    with joined(venue, "market") as socket:
        data = '{"type":"\N{EURO SIGN}"}'.encode()
        cut = data.index(b"\xe2") + 1
        first = Frame(Opcode.TEXT, data[:cut], fin=False).serialize(mask=True)
        socket.socket.sendall(first + Frame(Opcode.CONT, data[cut:]).serialize(mask=True))
        assert usable(socket)


VIOLATIONS = {
    "text that is not UTF-8": (Frame(Opcode.TEXT, b"\xff\xfe").serialize(mask=True), 1007),
    "a surrogate in UTF-8": (Frame(Opcode.TEXT, b"\xed\xa0\x80").serialize(mask=True), 1007),
    "pieces that are not UTF-8": (
        Frame(Opcode.TEXT, b"\xff", fin=False).serialize(mask=True)
        + Frame(Opcode.CONT, b"\xfe").serialize(mask=True),
        1007,
    ),
    "a frame without a mask": (Frame(Opcode.TEXT, b"{}").serialize(mask=False), 1002),
    "an unknown opcode": (b"\x83\x80\x00\x00\x00\x00", 1002),
    "reserved bits": (b"\xc1\x82\0\0\0\0{}", 1002),
    "a continuation of nothing": (Frame(Opcode.CONT, b"{}").serialize(mask=True), 1002),
    "a new message within another": (
        Frame(Opcode.TEXT, b"{", fin=False).serialize(mask=True)
        + Frame(Opcode.TEXT, b"}").serialize(mask=True),
        1002,
    ),
    "more than a message may be": (b"\x81\xff" + (1 << 40).to_bytes(8, "big") + b"\0" * 4, 1009),
}


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("violation", VIOLATIONS)
def test_a_violation_of_the_protocol_ends_its_own_connection_only(
    venue: RunningVenue, channel: str, violation: str
) -> None:
    wire, code = VIOLATIONS[violation]
    with joined(venue, channel) as other, joined(venue, channel) as socket:
        assert usable(socket)
        socket.socket.sendall(wire)
        with pytest.raises(ConnectionClosed) as closed:
            usable(socket)
        assert close_code(closed.value) == code
        assert usable(other)


@pytest.mark.parametrize(
    "half", [b"", b"\x81", b"\x81\xfe\x10", b"\x81\x85abcd{", bytes(range(64))]
)
@pytest.mark.parametrize("channel", CHANNELS)
def test_a_client_that_leaves_in_the_middle_of_a_frame_is_forgotten(
    venue: RunningVenue, channel: str, half: bytes
) -> None:
    with joined(venue, channel) as socket:
        assert usable(socket)
        socket.socket.sendall(half)
        with suppress(OSError):  # the venue may have closed it already
            socket.socket.shutdown(socket_module.SHUT_RDWR)
        with joined(venue, channel) as other:
            assert usable(other)


def test_subscriptions_of_one_connection_have_a_limit(venue: RunningVenue) -> None:
    """A connection that asks for ever more assets is sent away as one that asks at once."""
    with joined(venue, "market") as socket:
        for part in range(4):
            ids = [f"{part}{number:04d}" for number in range(600)]
            socket.send(json.dumps({"operation": "subscribe", "assets_ids": ids}))
        with pytest.raises(ConnectionClosed) as closed:
            usable(socket)
    assert close_code(closed.value) == 1009
