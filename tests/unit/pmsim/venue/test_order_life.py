"""An executor that is gone for ever: what its orders do at a venue that nobody cancels at."""

from __future__ import annotations

import msgspec
import pytest

from pmcore.machines.order_life import OrderLife, expiration_s
from pmcore.model.units import NS_PER_S
from pmsim.venue.ports import TimeInForce
from support.sim_worlds import ME, new_order, play, synthetic

MARGIN_NS = 5 * NS_PER_S


@pytest.mark.parametrize(
    ("life", "left"), [(OrderLife.GTC, 1), (OrderLife.GTD, 0)], ids=lambda value: str(value)
)
def test_only_an_order_with_a_life_of_its_own_ends_with_the_quoting(
    life: OrderLife, left: int
) -> None:
    venue = synthetic(series="btc-updown-5m")
    market = venue.listings()[0].window
    second = expiration_s(life, venue.now_ns, market.close_ns - MARGIN_NS)
    kind = TimeInForce.GTD if second else TimeInForce.GTC
    order = new_order("0xa", market.up_token_id, 100, shares=50_000, time_in_force=kind)
    order = msgspec.structs.replace(order, expiration_s=second)
    assert not venue.place(ME.owner, order, venue.now_ns).error
    quoting_s = (market.close_ns - MARGIN_NS - venue.now_ns) / NS_PER_S
    play(venue, quoting_s - 1, step_ms=1_000)
    assert len(venue.accounts.open_orders(ME.owner)) == 1
    play(venue, 2, step_ms=1_000)
    assert len(venue.accounts.open_orders(ME.owner)) == left
