from __future__ import annotations

import pytest

from pmcore.machines.settlement import SettlementState as S
from pmcore.machines.settlement import advance
from pmcore.messages.user import TradeStatus as T


@pytest.mark.parametrize(
    ("statuses", "end"),
    [
        ([T.MATCHED, T.MINED, T.CONFIRMED], S.CONFIRMED),
        ([T.MATCHED, T.RETRYING, T.MINED], S.MINED),
        ([T.MATCHED, T.RETRYING, T.FAILED], S.FAILED),
        ([T.CONFIRMED], S.CONFIRMED),
        ([T.MINED, T.MATCHED], S.MINED),
        ([T.MATCHED, T.FAILED, T.MATCHED], S.FAILED),
        ([T.RETRYING], S.MATCHED),
    ],
)
def test_a_fill_settles_in_any_order_the_venue_sends(statuses: list[T], end: S) -> None:
    state: S | None = S.UNSEEN
    for status in statuses:
        assert state is not None
        state = advance(state, status)
    assert state is end


def test_confirmed_and_failed_contradict_each_other() -> None:
    assert advance(S.CONFIRMED, T.FAILED) is None
    assert advance(S.FAILED, T.CONFIRMED) is None


def test_only_the_chain_settles() -> None:
    assert [s for s in S if s.is_working] == [S.MATCHED, S.MINED, S.CONFIRMED]
    assert [s for s in S if s.is_settled] == [S.MINED, S.CONFIRMED]
