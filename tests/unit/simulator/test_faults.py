"""Reading faults, and the refusals and random faults of requests."""

from __future__ import annotations

import pytest

from pmcore.model.errors import MalformedInputError
from pmsim.faults.plan import TradingMode, TransportFaults
from pmsimulator.answers import VenueError
from pmsimulator.faults import Dice, DoorKeeper, read_faults

ALWAYS = 1_000_000


def test_one_object_is_sorted_by_who_carries_it_out() -> None:
    wanted = read_faults(
        '{"mode":"post_only","transport":{"slow_ppm":1},"refusals":[{"text":"no"}],"banned":["0xA"]}'
    )
    assert wanted.plan.mode is TradingMode.POST_ONLY
    assert wanted.plan.transport.slow_ppm == 1
    assert wanted.door.refusals[0].text == "no"
    assert wanted.row()["banned"] == ["0xA"]
    assert read_faults(b"").row() == read_faults("{}").row()


@pytest.mark.parametrize("body", ["{", "[]", '{"nonsense":1}', '{"banned":1}', '{"mode":"odd"}'])
def test_bad_faults_say_what_is_wrong(body: str) -> None:
    with pytest.raises(MalformedInputError, match="bad_faults"):
        read_faults(body)


def test_scripted_refusals_run_out_in_order() -> None:
    script = '{"refusals":[{"text":"first {id}","count":2},{"status":500,"text":"then"}]}'
    keeper = DoorKeeper(read_faults(script).door)
    said = []
    for _ in range(3):
        with pytest.raises(VenueError) as refused:
            keeper.check_order("0x1")
        said.append((refused.value.status, str(refused.value)))
    assert said == [(400, "first 0x1"), (400, "first 0x1"), (500, "then")]
    keeper.check_order("0x1")


def test_the_dice_are_those_of_the_seed_and_strike_posts_of_orders_only() -> None:
    half = TransportFaults(lose_response_ppm=ALWAYS // 2)

    def rolls(seed: int) -> list[bool]:
        dice = Dice(seed)
        return [dice.loses_response(half, "POST", "/order") for _ in range(64)]

    assert rolls(1) == rolls(1)
    assert rolls(1) != rolls(2)
    always = TransportFaults(lose_response_ppm=ALWAYS, error_after_ppm=ALWAYS)
    assert not Dice(1).loses_response(always, "DELETE", "/order")
    assert not Dice(1).answers_late_error(always, "POST", "/v1/heartbeats")
    assert Dice(1).delay_ms(always) == 0
