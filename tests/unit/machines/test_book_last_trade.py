"""The last trade price that nobody told us."""

from __future__ import annotations

from pmcore.machines.book_last_trade import LastTrade, prices_from
from pmcore.model.market import Outcome


def test_the_search_tries_every_three_decimal_price_once_nearest_first() -> None:
    prices = list(prices_from([4905, 5100]))
    assert prices[:6] == [4900, 5100, 4890, 4910, 5090, 5110]
    assert sorted(prices) == list(range(10, 10_000, 10))
    assert next(prices_from([])) == 5000


def test_candidates_are_the_known_price_then_the_newest_prints_both_ways() -> None:
    last = LastTrade()
    assert last.candidates() == ()
    last.text = "0.400"
    for price_e4 in (1000, 4000, 5000, 5200, 5300):
        last.printed(price_e4)
    assert last.candidates() == ("0.400", "0.530", "0.470", "0.520", "0.480", "0.500", "0.600")
    last.text = "0.410"
    assert last.candidates()[0] == "0.410"
    last.printed(1500)
    assert last.candidates()[1] == "0.150"


def test_a_trade_without_a_print_is_news_once() -> None:
    last = LastTrade()
    assert last.traded(Outcome.UP, 10, "") is None  # nobody traded yet
    assert last.traded(Outcome.UP, 10, "0.400") == 4000
    assert last.traded(Outcome.DOWN, 10, "0.400") is None  # the twin frame
    assert last.traded(Outcome.UP, 9, "0.400") is None  # from before
    assert last.traded(Outcome.DOWN, 11, "0.410") == 4100
    last.printed(4200)
    assert last.traded(Outcome.UP, 12, "0.420") is None  # prints tell it
