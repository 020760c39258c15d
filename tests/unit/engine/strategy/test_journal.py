from __future__ import annotations

import msgspec
import pytest

from pmcore.engine.journal import JournalEnd
from pmcore.engine.strategy.journal import (
    JournalEntry,
    JournalHeader,
    decode_line,
    encode_line,
)
from pmcore.machines.ofi_threshold import WarmStart
from pmcore.messages.gate import PlacingGateChanged
from pmcore.messages.timers import BatchEnded
from pmcore.messages.union import EngineEvent
from pmcore.messages.user import UserChannelChanged, UserChannelState
from pmcore.model.market import Outcome
from support.builders import at, book, params, window

HEADER = JournalHeader(
    window=window(),
    params=params(),
    run_id="r1",
    warm_start={Outcome.UP: WarmStart(((1, 2), (), (3,)))},
    prior_loss_u6=-5,
)


def test_a_journal_is_shown_by_its_windows_slug() -> None:
    assert HEADER.title == window().slug


def test_a_journal_steps_to_the_same_fingerprint() -> None:
    live = HEADER.make_engine()
    lines = [encode_line(HEADER)]
    events: list[EngineEvent] = [
        UserChannelChanged(state=UserChannelState.UP, ts_recv_ns=at(1)),
        book(Outcome.UP, "0.46", "0.48", at_ns=at(1)),
        BatchEnded(),
    ]
    for n, event in enumerate(events):
        lines.append(encode_line(JournalEntry(at(n), event)))
        live.step(at(n), event)
    lines.append(encode_line(JournalEnd(live.fingerprint)))

    header = decode_line(lines[0])
    assert isinstance(header, JournalHeader)
    assert header == HEADER
    again = header.make_engine()
    for line in lines[1:]:
        match decode_line(line):
            case JournalEntry(at_ns=at_ns, event=event):
                again.step(at_ns, event)
            case JournalEnd(fingerprint=fingerprint):
                assert again.fingerprint == fingerprint
            case JournalHeader():
                raise AssertionError


def test_anything_else_is_an_error() -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_line(b'{"type":"header"')


def test_the_gates_line_is_the_one_ever_written() -> None:
    golden = (
        b'["in",5,{"type":"placing_gate_changed","open":false,"reason":"no key","ts_recv_ns":4}]'
    )
    event = PlacingGateChanged(open=False, reason="no key", ts_recv_ns=4)
    assert encode_line(JournalEntry(5, event)) == golden
    assert decode_line(golden) == JournalEntry(5, event)


def test_a_journal_of_before_the_gate_is_stepped_without_one() -> None:
    old = msgspec.json.decode(encode_line(HEADER))
    del old["gated"]
    header = decode_line(msgspec.json.encode(old))
    assert isinstance(header, JournalHeader)
    assert header.make_engine().session.gate.open
    gated = msgspec.structs.replace(header, gated=True)
    assert not gated.make_engine().session.gate.open
