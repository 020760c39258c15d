from __future__ import annotations

from pmcore.engine.account.io import ReadPositions
from pmcore.engine.account.positions import PositionsReading


def test_one_reading_goes_on_at_a_time() -> None:
    reading = PositionsReading(10)
    assert reading.when_due(5) == ReadPositions(1)
    assert reading.when_due(100) is None
    assert reading.answered(2) is None
    assert reading.answered(1) == 5
    assert reading.answered(1) is None
    assert reading.when_due(14) is None
    assert reading.when_due(15) == ReadPositions(2)


def test_the_answer_to_a_reading_that_was_given_up_is_not_heard() -> None:
    reading = PositionsReading(10)
    reading.when_due(0)
    reading.give_up()
    assert reading.answered(1) is None
    assert reading.when_due(9) is None
    assert reading.when_due(10) == ReadPositions(2)


def test_a_wanted_reading_takes_the_place_of_one_that_goes_on() -> None:
    reading = PositionsReading(10)
    reading.when_due(0)
    reading.want()
    assert reading.when_due(1) == ReadPositions(2)
    assert reading.answered(1) is None
    assert reading.answered(2) == 1
