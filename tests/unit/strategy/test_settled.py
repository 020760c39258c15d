"""Windows that were settled: all are counted, the late ones are forgotten."""

from __future__ import annotations

from pmcore.model.units import NS_PER_S
from pmstrategy.settled import FINGERPRINTS_KEPT, FORGET_AFTER_NS, SettledWindows, is_long_over

WINDOW_NS = 300 * NS_PER_S


def test_a_day_of_windows_is_counted_and_the_last_hour_remembered() -> None:
    settled = SettledWindows()
    for number in range(288):
        close_ns = (number + 1) * WINDOW_NS
        settled.add(f"w{number}", close_ns, f"print{number}", close_ns)
    assert settled.count == 288
    assert len(settled) == FORGET_AFTER_NS // WINDOW_NS + 1
    assert "w287" in settled
    assert "w275" in settled
    assert "w274" not in settled
    assert list(settled.fingerprints) == [f"print{n}" for n in range(284, 288)]
    assert settled.fingerprints.maxlen == FINGERPRINTS_KEPT


def test_what_is_forgotten_is_too_old_to_be_joined() -> None:
    assert not is_long_over(0, FORGET_AFTER_NS)
    assert is_long_over(0, FORGET_AFTER_NS + 1)
