"""What an order event proves."""

from __future__ import annotations

import pytest

from pmcore.machines.order_evidence import Evidence, evidence_of
from pmcore.messages.user import OrderUpdated, OrderUpdateKind
from pmcore.model.units import SHARE_U6

SIZE_U6 = 5 * SHARE_U6
PLACED, UPDATED, CANCELLED = OrderUpdateKind


@pytest.mark.parametrize(
    ("kind", "status", "matched_u6", "said"),
    [
        (PLACED, "live", 0, Evidence(gone=False, matched_u6=0, final=False)),
        (UPDATED, "live", SHARE_U6, Evidence(gone=False, matched_u6=SHARE_U6, final=False)),
        (UPDATED, "matched", SIZE_U6, Evidence(gone=True, matched_u6=SIZE_U6, final=True)),
        (
            UPDATED,
            "matched",
            SIZE_U6 - 2_286,
            Evidence(gone=True, matched_u6=SIZE_U6 - 2_286, final=True),
        ),
        (UPDATED, "matched", SHARE_U6, Evidence(gone=True, matched_u6=SHARE_U6, final=False)),
        (
            UPDATED,
            "matched",
            None,
            Evidence(gone=True, matched_u6=None, final=False, proved=True),
        ),
        (CANCELLED, "", SHARE_U6, Evidence(gone=True, matched_u6=SHARE_U6, final=True)),
        (CANCELLED, "", SIZE_U6, Evidence(gone=True, matched_u6=None, final=False)),
        (CANCELLED, "", None, Evidence(gone=True, matched_u6=None, final=False)),
        (UPDATED, "canceled_expired", 0, Evidence(gone=True, matched_u6=0, final=True)),
    ],
)
def test_what_an_event_proves(
    kind: OrderUpdateKind, status: str, matched_u6: int | None, said: Evidence
) -> None:
    event = OrderUpdated(
        kind=kind,
        order_hash="0xa",
        condition_id="0xc",
        token_id="1",
        price_e4=4_700,
        original_u6=SIZE_U6,
        matched_u6=matched_u6,
        status=status,
        ts_event_ns=0,
        ts_recv_ns=0,
    )
    assert evidence_of(event, SIZE_U6) == said
