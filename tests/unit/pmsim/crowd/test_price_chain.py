"""The price that a stream shows goes on from window to window, and its moves are the windows'."""

from __future__ import annotations

from pmcore.model.units import NS_PER_S
from pmsim.crowd.price_chain import KEPT_LINKS, PriceChain
from pmsim.crowd.underlying import STEP_NS
from support.sim_worlds import WORLD_START_NS, play, synthetic


def test_a_chain_without_windows_has_no_price() -> None:
    assert PriceChain().price_e8(0) is None
    assert synthetic().underlying_e8("eth", WORLD_START_NS) is None


def test_no_jump_stands_between_two_windows_and_moves_stay_what_they_are() -> None:
    venue = synthetic(series="btc-updown-30s")
    play(venue, 95)
    slugs = [one.window for one in venue.listings()]
    assert len(slugs) > 3
    for window in slugs[1:4]:
        path = venue.path_of(window.slug)
        before = venue.underlying_e8("btc", window.open_ns - 1)
        after = venue.underlying_e8("btc", window.open_ns)
        assert before is not None
        assert after is not None
        assert abs(after - before) <= before // 10**4, "one step of the path at the most"
        at_ns = window.open_ns + 7 * NS_PER_S
        now, then = venue.underlying_e8("btc", at_ns), venue.underlying_e8("btc", at_ns + STEP_NS)
        assert now is not None
        assert then is not None
        ratio = path.price_e8(at_ns + STEP_NS) / path.price_e8(at_ns)
        assert abs(then / now - ratio) < 1e-9


def test_two_series_of_an_asset_show_one_price() -> None:
    venue = synthetic(series="btc-updown-30s,btc-updown-60s,eth-updown-30s")
    play(venue, 1)
    first = next(one.window for one in venue.listings() if one.window.series == "btc-30s")
    at_ns = first.open_ns + NS_PER_S
    assert venue.underlying_e8("btc", at_ns) == venue.path_of(first.slug).price_e8(at_ns)
    assert venue.underlying_e8("eth", at_ns) not in (None, venue.underlying_e8("btc", at_ns))


def test_the_memory_of_windows_is_bounded() -> None:
    venue = synthetic(series="btc-updown-5s")
    play(venue, 60)
    assert len(venue._prices["btc"]._links) == KEPT_LINKS
