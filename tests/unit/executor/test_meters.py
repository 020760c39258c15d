"""What the executor remembers to time its orders."""

from __future__ import annotations

from pmcore.messages.execution import FailureStage, OrderFailed
from pmcore.model.errors import Reason
from pmcore.shell.metrics import ServiceMetrics
from pmexecutor.meters import MAX_UNDER_WAY, Meters
from support.builders import T0_NS
from support.executions import SLUG, submit


def test_orders_under_way_are_forgotten_when_they_are_answered_and_bounded_before() -> None:
    meters = Meters(ServiceMetrics("executor", version="1", mode="dry"))
    for number in range(MAX_UNDER_WAY + 1):
        meters.received(submit(str(number)), T0_NS)
    under_way = vars(meters)["_received_ns"]
    assert len(under_way) == MAX_UNDER_WAY
    meters.answered("0", T0_NS + 1)
    failed = OrderFailed(
        slug=SLUG,
        client_order_id="1",
        stage=FailureStage.DENIED,
        reason=Reason.EXPIRED,
        text="",
        ts_exec_ns=T0_NS,
    )
    meters.message(failed)
    assert len(under_way) == MAX_UNDER_WAY - 2
    assert meters.rejections == {"expired": 1}
