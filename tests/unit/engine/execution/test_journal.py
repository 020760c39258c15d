from __future__ import annotations

import msgspec

from pmcore.engine.execution.engine import ExecutionEngine
from pmcore.engine.execution.io import (
    Abandoned,
    Adopted,
    AllCancelled,
    CancelAllFailed,
    CancelAnswered,
    CancelsFailed,
    Command,
    ExecutionEvent,
    LookUpResult,
    OpenOrdersAnswered,
    OpenOrdersFailed,
    OrderLookedUp,
    PlacingGate,
    Posted,
    PostRejected,
    PostUnknown,
    RateHeaders,
    Recorded,
    SeriesLease,
    Signed,
    Stop,
    WindowEnded,
)
from pmcore.engine.execution.journal import (
    EXECUTION_JOURNAL,
    ExecutionJournalEntry,
    ExecutionJournalHeader,
)
from pmcore.machines.rate_budget import RateTier
from pmcore.messages.control import Halt, Resume
from pmcore.messages.execution import OrderFailed, VenueMode
from pmcore.messages.rotation import WindowAnnounced
from pmcore.messages.timers import Tick
from pmcore.model.errors import Reason
from pmcore.model.params import OrderCaps
from support.builders import T0_NS, window
from support.executions import submit

SLUG = window().slug
HEADER = ExecutionJournalHeader(
    account="main",
    run_id="r",
    tier=RateTier.GOLD,
    cancel_reserve=7,
    caps=OrderCaps(bid_size_u6=100_000_000, max_position_value_u6=100_000_000),
    caps_by_series={"btc-5m": OrderCaps(bid_size_u6=1, max_position_value_u6=2)},
)
EVERY_KIND: list[ExecutionEvent] = [
    WindowAnnounced(window=window(), ts_recv_ns=T0_NS),
    Command("1", submit("a")),
    Signed("a", "0xa"),
    Recorded("a"),
    Posted("a", RateHeaders(3, 4)),
    Command("2", submit("b")),
    Signed("b", "0xb"),
    Recorded("b"),
    PostRejected("b", Reason.RESTARTING, "no", VenueMode.RESTARTING, 500, RateHeaders(1)),
    Adopted(SLUG, "c", "0xc", was_accepted=True, token="3"),
    Abandoned("4", submit("d")),
    CancelAnswered(("0xa",), (), {"0xa": "no"}),
    CancelsFailed(("0xa",), Reason.TIMEOUT, "late", None, 5),
    OrderLookedUp("0xc", LookUpResult.MATCHED, 5),
    OpenOrdersAnswered(SLUG, ("0xa",)),
    OpenOrdersFailed(SLUG, Reason.TIMEOUT, "late"),
    Halt(reason="why", by="me", ts_recv_ns=T0_NS),
    CancelAllFailed(1, Reason.TIMEOUT, "late"),
    AllCancelled(1, ()),
    Resume(by="me", ts_recv_ns=T0_NS),
    PlacingGate(open=False, text="shut"),
    SeriesLease("btc-15m", 3),
    Tick(),
    Stop(),
    WindowEnded(SLUG),
]


def test_every_kind_of_input_comes_back() -> None:
    events = [*EVERY_KIND, PostUnknown("a", Reason.TIMEOUT, "late")]
    for event in events:
        entry = ExecutionJournalEntry(1, event, "f")
        assert EXECUTION_JOURNAL.decode(EXECUTION_JOURNAL.encode(entry)) == entry


def test_a_journal_steps_to_the_same_fingerprint() -> None:
    line = EXECUTION_JOURNAL.decode(EXECUTION_JOURNAL.encode(HEADER))
    assert isinstance(line, ExecutionJournalHeader)
    assert (line, line.title) == (HEADER, "executor main")
    live, again = HEADER.make_engine(), line.make_engine()
    marks = []
    for step, event in enumerate(EVERY_KIND):
        marks.append(live.fingerprint)
        live.step(T0_NS + step, event)
        again.step(T0_NS + step, event)
        assert again.fingerprint == live.fingerprint
    assert len(set(marks)) > len(marks) // 2


def test_the_fingerprint_tells_outputs_and_times() -> None:
    event = Command("1", submit("of no window"))
    engines = [ExecutionEngine() for _ in range(3)]
    engines[0].step(1, event)
    engines[1].step(2, event)
    assert len({engine.fingerprint for engine in engines}) == 3


def test_a_header_without_limits_of_single_series_is_read_and_its_engine_has_them() -> None:
    older = msgspec.json.decode(EXECUTION_JOURNAL.encode(HEADER))
    del older["caps_by_series"]
    line = EXECUTION_JOURNAL.decode(msgspec.json.encode(older))
    assert line == msgspec.structs.replace(HEADER, caps_by_series={})
    engines = [
        each.make_engine() for each in (line, HEADER) if isinstance(each, ExecutionJournalHeader)
    ]
    market = msgspec.structs.replace(window(), series="btc-5m")
    for engine in engines:
        engine.step(T0_NS, WindowAnnounced(window=market, ts_recv_ns=T0_NS))
    said = [engine.step(T0_NS, Command("1", submit("a"))) for engine in engines]
    assert [any(isinstance(each, OrderFailed) for each in out) for out in said] == [False, True]
