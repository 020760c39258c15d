"""Orders that expire by themselves, judged by the simulator's rules for them."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pmcore.machines.order_life import OrderLife, expiration_s
from pmcore.model.units import NS_PER_MS, NS_PER_S
from pmsim.venue.checks import content_refusal, inactive_ns
from pmsim.venue.ports import TimeInForce
from support.builders import window
from support.sim_worlds import new_order

MARGIN_NS = 5 * NS_PER_S
SHORTEST_LIFE_NS = 136 * NS_PER_S


@given(
    length_s=st.sampled_from([300, 900, 3_600, 14_400]),
    sent_ms=st.integers(0, 14_400_000),
    behind_ms=st.integers(0, 10_000),
    on_the_way_ms=st.integers(0, 4_000),
)
def test_the_venue_takes_it_and_ends_it_with_the_quoting(
    length_s: int, sent_ms: int, behind_ms: int, on_the_way_ms: int
) -> None:
    """Our clock may be behind by as much as is allowed, and the POST takes its time."""
    market = window(length_s=length_s)
    quoting_end_ns = market.close_ns - MARGIN_NS
    at_ns = market.open_ns + sent_ms * NS_PER_MS % (length_s * NS_PER_S)
    order = msgspec.structs.replace(
        new_order("0xa", market.up_token_id, 4_700, time_in_force=TimeInForce.GTD),
        expiration_s=expiration_s(OrderLife.GTD, at_ns, quoting_end_ns),
    )
    arrives_ns = at_ns + (behind_ms + on_the_way_ms) * NS_PER_MS
    assert content_refusal(order, market, 10, arrives_ns) == ""
    assert inactive_ns(order) >= quoting_end_ns
    assert inactive_ns(order) <= max(quoting_end_ns + NS_PER_S, at_ns + SHORTEST_LIFE_NS)
