from __future__ import annotations

from pmcore.engine.account.engine import AccountParams
from pmcore.engine.account.io import (
    AccountEvent,
    AccountRead,
    AccountReadFailed,
    ChannelAnswered,
    ChannelConnected,
    ChannelHeard,
    ChannelLost,
    OperatorResumed,
)
from pmcore.engine.account.journal import (
    ACCOUNT_JOURNAL,
    AccountJournalEntry,
    AccountJournalHeader,
)
from pmcore.messages.timers import Tick
from pmcore.messages.user import FillReported, TradeStatus

HEADER = AccountJournalHeader(
    account="main", run_id="r", params=AccountParams(lookback_s=60, reconcile_ns=1)
)
FILL = FillReported(
    trade_id="t",
    order_hash="0xo",
    condition_id="0xc",
    token_id="1",
    price_e4=4700,
    size_u6=5_000_000,
    status=TradeStatus.MATCHED,
    ts_event_ns=1,
    ts_recv_ns=2,
)
EVENTS: list[AccountEvent] = [
    Tick(),
    ChannelConnected(),
    ChannelAnswered(),
    AccountRead(1, (), (FILL,)),
    ChannelHeard((FILL,), unusable=1, doubts=1, taken=("0xo",)),
    AccountReadFailed(2, "no"),
    OperatorResumed(),
    ChannelLost("closed"),
]


def test_a_journal_steps_to_the_same_fingerprint() -> None:
    live = HEADER.make_engine()
    lines = [ACCOUNT_JOURNAL.encode(HEADER)]
    for at_ns, event in enumerate(EVENTS):
        live.step(at_ns, event)
        lines.append(ACCOUNT_JOURNAL.encode(AccountJournalEntry(at_ns, event)))
    header = ACCOUNT_JOURNAL.decode(lines[0])
    assert isinstance(header, AccountJournalHeader)
    assert header == HEADER
    assert header.title == "account main"
    again = header.make_engine()
    for line in lines[1:]:
        entry = ACCOUNT_JOURNAL.decode(line)
        assert isinstance(entry, AccountJournalEntry)
        again.step(entry.at_ns, entry.event)
    assert again.fingerprint == live.fingerprint
    assert again.counters == live.counters
