"""What is remembered, for how long, and what a refusal's words mean."""

from __future__ import annotations

import pytest

from pmcore.engine.execution.records import (
    MAX_REMEMBERED_PER_WINDOW,
    backoff_ns,
    refused_cancel,
)
from pmcore.messages.execution import OrderFailed
from pmcore.model.errors import Reason
from support.executions import Bench

NOT_FOUND = "Order not found or already canceled"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Order already matched", Reason.ALREADY_MATCHED),
        ("already canceled or matched", Reason.UNKNOWN),
        (NOT_FOUND, Reason.UNKNOWN),
        ("Order not found", Reason.UNKNOWN),
        ("", Reason.UNKNOWN),
    ],
)
def test_only_an_unmistakable_refusal_is_believed(text: str, reason: Reason) -> None:
    assert refused_cancel(text) is reason


def test_ended_orders_are_forgotten_in_the_end_but_living_ones_never() -> None:
    bench = Bench()
    bench.rest("first")
    for number in range(MAX_REMEMBERED_PER_WINDOW):
        bench.place(str(number), expires_s=0)
    bench.place("0", expires_s=0)
    assert bench.one(OrderFailed).reason is Reason.EXPIRED
    bench.place("first")
    assert not bench.got(OrderFailed)


def test_retries_slow_down_to_two_seconds() -> None:
    assert [backoff_ns(attempt) // 10**6 for attempt in range(7)] == [
        *(100, 200, 400, 800, 1_600, 2_000, 2_000)
    ]
    assert backoff_ns(10**6) == 2 * 10**9
