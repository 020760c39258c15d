"""The balance's check against a naive chain: each fill is paid once, shown late."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from pmcore.machines.balance_check import TOLERANCE_U6, BalanceCheck
from pmcore.messages.user import FillReported, TradeStatus

STAYS_NS, LAG_NS = 60, 180
START_U6 = 1_000_000_000


class Spent:
    """One fill: matched, then settled or failed; its money goes and comes at times of the chain."""

    def __init__(self, name: str, price_e4: int, size_u6: int, times: tuple[int, int, int]) -> None:
        self.name, self.price_e4, self.size_u6 = name, price_e4, size_u6
        self.matched_ns, waits_ns, self.shown_late_ns = times
        self.ends_ns = self.matched_ns + waits_ns
        self.fails = waits_ns % 5 == 0
        self.paid_ns = self.matched_ns + waits_ns // 2 + self.shown_late_ns

    def paid_u6(self, at_ns: int) -> int:
        gone = at_ns >= self.paid_ns and not self.fails
        return round(self.price_e4 * self.size_u6 / 10_000) if gone else 0

    def said(self) -> list[tuple[int, FillReported]]:
        end = TradeStatus.FAILED if self.fails else TradeStatus.CONFIRMED
        told = [(self.matched_ns, TradeStatus.MATCHED), (self.ends_ns, end)]
        return [(at_ns, self._fill(status)) for at_ns, status in told]

    def _fill(self, status: TradeStatus) -> FillReported:
        return FillReported(
            trade_id=self.name,
            order_hash="0xo",
            condition_id="0xc",
            token_id="1",
            price_e4=self.price_e4,
            size_u6=self.size_u6,
            status=status,
            ts_event_ns=0,
            ts_recv_ns=0,
        )


_TIMES = st.tuples(st.integers(0, 2_000), st.integers(0, 400), st.integers(0, LAG_NS - 1))
_FILLS = st.lists(
    st.tuples(st.integers(100, 9_900), st.integers(5_000_000, 50_000_000), _TIMES), max_size=20
)


def _falls(fills: list[Spent], taken: dict[int, int], every_ns: int) -> list[int]:
    """What the check tells; `taken`: amounts that leave by another hand, by time."""
    check = BalanceCheck(STAYS_NS, LAG_NS)
    told = sorted((item for one in fills for item in one.said()), key=lambda item: item[0])
    falls = []
    for at_ns in range(0, 4_000, every_ns):
        while told and told[0][0] <= at_ns:
            check.hear(*told.pop(0))
        gone_u6 = sum(one.paid_u6(at_ns) for one in fills)
        gone_u6 += sum(u6 for when_ns, u6 in taken.items() if when_ns <= at_ns)
        falls.append(check.read(at_ns, START_U6 - gone_u6))
    return [fall for fall in falls if fall]


@given(rows=_FILLS, every_ns=st.integers(1, 120))
def test_what_our_fills_cost_is_never_told_as_a_fall(
    rows: list[tuple[int, int, tuple[int, int, int]]], every_ns: int
) -> None:
    fills = [Spent(str(n), *row) for n, row in enumerate(rows)]
    assert _falls(fills, {}, every_ns) == []


@given(rows=_FILLS, every_ns=st.integers(1, 120), more_u6=st.integers(1, 10**7))
def test_more_than_all_fills_may_cost_is_always_told(
    rows: list[tuple[int, int, tuple[int, int, int]]], every_ns: int, more_u6: int
) -> None:
    fills = [Spent(str(n), *row) for n, row in enumerate(rows)]
    bills_u6 = sum(-(-one.price_e4 * one.size_u6 // 10_000) for one in fills)
    taken_u6 = bills_u6 + TOLERANCE_U6 + len(fills) + more_u6
    assume(taken_u6 < START_U6)
    falls = _falls(fills, {2_500: taken_u6}, every_ns)
    assert sum(falls) >= taken_u6 - bills_u6 - len(fills)
