"""Windows present and to come, page by page."""

from __future__ import annotations

from pmcore.model.market import parse_series
from pmcore.model.units import NS_PER_S
from pmsim.run.synthetic import SyntheticParams, SyntheticVenue
from pmsimulator.catalogue import Catalogue, Wanted

START_NS = 1_790_000_110 * NS_PER_S
SERIES = (parse_series("btc-updown-5m"), parse_series("eth-updown-15m"))


def catalogue(ahead_s: int = 3_600) -> Catalogue:
    venue = SyntheticVenue(SyntheticParams(series=SERIES, seed=1, start_ns=START_NS))
    return Catalogue(venue, SERIES, ahead_s)


def test_pages_go_on_where_the_last_one_ended() -> None:
    listed = catalogue()
    slugs: list[str] = []
    wanted = Wanted(series=("btc-5m",), closed=False, limit=5)
    more = True
    while more:
        shown, more = listed.page(wanted, START_NS)
        slugs += [listing.window.slug for listing in shown]
        last = shown[-1].window
        wanted = Wanted(series=("btc-5m",), closed=False, limit=5, after=(last.open_ns, last.slug))
    assert slugs == [f"btc-updown-5m-{1_790_000_100 + 300 * index}" for index in range(13)]


def test_series_stand_side_by_side_and_nothing_is_closed_yet() -> None:
    listed = catalogue()
    shown, more = listed.page(Wanted(), START_NS)
    assert not more
    assert {listing.window.series for listing in shown} == {"btc-5m", "eth-15m"}
    assert listed.page(Wanted(closed=True), START_NS) == ([], False)


def test_a_coming_window_is_found_by_its_token_once_listed() -> None:
    listed = catalogue()
    shown, _ = listed.page(Wanted(series=("btc-5m",)), START_NS)
    window = shown[-1].window
    found = listed.find(window.down_token_id)
    assert found is not None
    assert found.window == window
    assert listed.find("77") is None


def test_a_page_may_go_backwards_and_leave_out() -> None:
    listed = catalogue()
    wanted = Wanted(series=("btc-up-or-down-5m",), limit=2, newest_first=True)
    shown, more = listed.page(wanted, START_NS)
    assert more
    ends = [listing.window.open_ns // NS_PER_S for listing in shown]
    assert ends == [1_790_003_700, 1_790_003_400]
    last = shown[-1].window
    after = Wanted(series=("10684",), limit=1, newest_first=True, after=(last.open_ns, last.slug))
    assert listed.page(after, START_NS)[0][0].window.open_ns // NS_PER_S == 1_790_003_100
    third, _ = listed.page(
        Wanted(limit=1, offset=2), START_NS, lambda one: one.window.series == "btc-5m"
    )
    assert third[0].window.slug == "btc-updown-5m-1790000700"
