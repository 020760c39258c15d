from __future__ import annotations

import pytest

from pmcore.shell.clock import Clock, real_now_ns


def test_an_empty_spec_is_wall_time() -> None:
    before = real_now_ns()
    now = Clock.from_spec("").now_ns()
    assert before <= now <= real_now_ns()


def test_two_processes_with_one_spec_live_in_one_time() -> None:
    clock = Clock.starting_at(1_776_327_900_000_000_000, 5.0)
    other = Clock.from_spec(clock.spec())
    first, second, third = clock.now_ns(), other.now_ns(), clock.now_ns()
    assert 1_776_327_900_000_000_000 <= first <= second <= third


def test_a_faster_clock_needs_less_real_time() -> None:
    clock = Clock(0, 0, 5.0)
    assert clock.real_s(1000) == 0.2
    assert clock.real_s(-1) == 0.0


async def test_sleeping_until_a_past_time_returns_at_once() -> None:
    await Clock.from_spec("").sleep_until(1)


async def test_sleeping_passes_virtual_time() -> None:
    clock = Clock.starting_at(0, 1000.0)
    await clock.sleep_ms(2000)
    assert clock.now_ns() >= 1_900_000_000
    await clock.sleep_until(4_000_000_000)
    assert clock.now_ns() >= 4_000_000_000


@pytest.mark.parametrize("spec", ["1", "1,2", "a,b,c", "1,2,0", "1,2,-1", "1,2,nan", "1,2,1e9"])
def test_a_bad_spec_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Clock.from_spec(spec)
