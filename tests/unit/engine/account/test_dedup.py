from __future__ import annotations

import pytest

from pmcore.engine.account import dedup
from pmcore.engine.account.dedup import Dedup
from pmcore.messages.user import FillReported, OrderUpdated, OrderUpdateKind, TradeStatus


def _fill(status: TradeStatus, trade_id: str = "t", order_hash: str = "0xo") -> FillReported:
    return FillReported(
        trade_id=trade_id,
        order_hash=order_hash,
        condition_id="0xc",
        token_id="1",
        price_e4=4700,
        size_u6=5_000_000,
        status=status,
        ts_event_ns=1,
        ts_recv_ns=2,
    )


def _update(matched_u6: int) -> OrderUpdated:
    return OrderUpdated(
        kind=OrderUpdateKind.UPDATE,
        order_hash="0xo",
        condition_id="0xc",
        token_id="1",
        price_e4=4700,
        original_u6=5_000_000,
        matched_u6=matched_u6,
        ts_event_ns=1,
        ts_recv_ns=2,
    )


def test_each_status_of_a_fill_is_new_once() -> None:
    memory = Dedup()
    assert memory.is_new(_fill(TradeStatus.MATCHED))
    assert memory.is_new(_fill(TradeStatus.MINED))
    assert not memory.is_new(_fill(TradeStatus.MATCHED))
    assert memory.repeats == 1


def test_one_trade_may_fill_two_orders() -> None:
    memory = Dedup()
    assert memory.is_new(_fill(TradeStatus.MATCHED, order_hash="0xa"))
    assert memory.is_new(_fill(TradeStatus.MATCHED, order_hash="0xb"))


def test_an_order_is_new_while_it_fills() -> None:
    memory = Dedup()
    assert memory.is_new(_update(0))
    assert memory.is_new(_update(1))
    assert not memory.is_new(_update(1))


@pytest.mark.parametrize(
    ("known", "told", "news"),
    [
        (TradeStatus.MATCHED, TradeStatus.MATCHED, False),
        (TradeStatus.MATCHED, TradeStatus.MINED, True),
        (TradeStatus.MATCHED, TradeStatus.FAILED, True),
        (TradeStatus.RETRYING, TradeStatus.FAILED, True),
        (TradeStatus.CONFIRMED, TradeStatus.MINED, False),
        (TradeStatus.FAILED, TradeStatus.MATCHED, False),
        (TradeStatus.CONFIRMED, TradeStatus.FAILED, False),
    ],
)
def test_rest_is_news_only_when_it_is_ahead(
    known: TradeStatus, told: TradeStatus, *, news: bool
) -> None:
    memory = Dedup()
    assert memory.is_news(_fill(told))
    assert not memory.knows_fill(_fill(told))
    memory.is_new(_fill(known))
    assert memory.is_news(_fill(told)) is news
    assert memory.knows_fill(_fill(told))


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dedup, "REMEMBERED", 2)
    memory = Dedup()
    for trade_id in ("a", "b", "c"):
        memory.is_new(_fill(TradeStatus.MATCHED, trade_id))
    assert not memory.is_new(_fill(TradeStatus.MATCHED, "c"))
    assert memory.is_new(_fill(TradeStatus.MATCHED, "a"))
