from __future__ import annotations

from pmcore.model.units import NS_PER_S
from pmsim.faults.plan import TradingMode
from pmsim.venue.ports import PlaceResult
from pmsim.venue.trading_modes import TradingModes
from support.sim_worlds import new_order

MAKER = new_order("0x1", "5", 4000)
TAKER = new_order("0x2", "5", 4000, post_only=False)


def answer(result: PlaceResult | None) -> tuple[int, str, int] | None:
    return (result.http_status, result.code, result.retry_after_s) if result else None


def test_after_a_restart_come_two_minutes_of_post_only() -> None:
    door = TradingModes()
    door.begin(TradingMode.RESTART, 20, 0)
    assert answer(door.refuses_order(MAKER, 19 * NS_PER_S)) == (425, "", 1)
    refusal = door.refuses_cancel(19 * NS_PER_S)
    assert refusal is not None
    assert (refusal.http_status, refusal.error) == (425, "Service is not ready")
    assert door.refuses_order(MAKER, 20 * NS_PER_S) is None
    assert answer(door.refuses_order(TAKER, 61 * NS_PER_S)) == (503, "post_only_mode", 79)
    assert answer(door.refuses_order(TAKER, 140 * NS_PER_S - 1)) == (503, "post_only_mode", 1)
    assert door.refuses_cancel(20 * NS_PER_S) is None
    assert door.refuses_order(TAKER, 140 * NS_PER_S) is None


def test_ending_a_restart_by_hand_leaves_post_only_behind() -> None:
    door = TradingModes()
    door.begin(TradingMode.RESTART, 0, 0)
    assert door.mode(10**15) is TradingMode.RESTART
    door.begin(TradingMode.OPEN, 0, NS_PER_S)
    assert door.mode(NS_PER_S) is TradingMode.POST_ONLY
    door.begin(TradingMode.OPEN, 0, NS_PER_S)
    assert door.mode(NS_PER_S) is TradingMode.OPEN


def test_cancel_only_and_disabled_have_their_texts() -> None:
    door = TradingModes()
    door.begin(TradingMode.CANCEL_ONLY, 0, 0)
    refusal = door.refuses_order(MAKER, 5)
    assert refusal is not None
    assert refusal.error.startswith("Trading is currently cancel-only.")
    assert door.refuses_cancel(5) is None
    door.begin(TradingMode.DISABLED, 3, 5)
    refusal = door.refuses_order(MAKER, 5)
    assert refusal is not None
    assert (refusal.http_status, refusal.error.split(".")[0]) == (
        503,
        "Trading is currently disabled",
    )
    cancel = door.refuses_cancel(5)
    assert cancel is not None
    assert cancel.http_status == 503
    assert door.mode(5 + 3 * NS_PER_S) is TradingMode.OPEN
