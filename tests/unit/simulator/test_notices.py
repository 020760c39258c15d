"""Which user frames become notifications, and how they are dropped."""

from __future__ import annotations

from pmcore.sim.ports import UserFrame
from pmsimulator.notices import KEPT, Notices


def frame(**fields: object) -> UserFrame:
    return UserFrame(at_ns=5_000_000_000, owner="key", condition_id="0xc", frame=fields)


def test_types_follow_the_frames() -> None:
    notices = Notices()
    notices.hear(frame(event_type="order", type="PLACEMENT", status="LIVE"))
    notices.hear(frame(event_type="order", type="CANCELLATION", status="CANCELED"))
    notices.hear(frame(event_type="order", type="CANCELLATION", status="CANCELED_MARKET_RESOLVED"))
    for status in ("MATCHED", "MINED", "FAILED"):
        notices.hear(frame(event_type="trade", status=status))
    rows = notices.of("key")
    assert [row["type"] for row in rows] == [8, 2, 4, 1]
    assert {row["timestamp"] for row in rows} == {5}
    assert notices.of("other") == []


def test_they_are_dropped_by_id_or_all_and_kept_in_bounds() -> None:
    notices = Notices()
    for _ in range(KEPT + 5):
        notices.hear(frame(event_type="trade", status="MATCHED"))
    rows = notices.of("key")
    assert len(rows) == KEPT
    notices.drop("key", {str(rows[0]["id"])})
    assert notices.of("key") == rows[1:]
    notices.drop("key", set())
    assert notices.of("key") == []
