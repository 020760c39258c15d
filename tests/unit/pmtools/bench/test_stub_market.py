"""The stub of the market side sends frames that a WebSocket client reads."""

from __future__ import annotations

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame
from websockets.protocol import State
from websockets.uri import parse_uri

from pmcore.messages.market_data import FeedState, FeedStatusChanged
from pmcore.wire import keys
from pmcore.wire.codec import Stamper
from pmcore.wire.ports import Outgoing
from pmtools.bench.stub_market import BARE_COUNT, published, socket_frame


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536])
def test_a_frame_of_any_length_is_read_back(length: int) -> None:
    text = "x" * length
    client = ClientProtocol(parse_uri("ws://venue/"), state=State.OPEN)
    client.receive_data(socket_frame(text) + socket_frame("next"))
    told = [event.data for event in client.events_received() if isinstance(event, Frame)]
    assert told == [text.encode(), b"next"]


def test_the_newest_entry_tells_how_many_were_published() -> None:
    md, stamper = keys.md("btc-15m"), Stamper("feed", "r")
    status = FeedStatusChanged(slug="w", state=FeedState.LIVE, ts_recv_ns=1)
    entries = [stamper.entry(Outgoing(md, status), 1) for _ in range(3)]
    assert published([(b"1-0", entries[-1])]) == 3
    assert published([(b"1-0", {BARE_COUNT: b"7"})]) == 7
    assert published([]) == 0
