"""Which contract an order is for."""

from __future__ import annotations

import pytest

from pmcore.model.market import Protocol
from pmcore.venue.contracts import (
    EXCHANGE,
    EXCHANGE_V3,
    NEG_RISK_EXCHANGE,
    Domain,
    exchange_domain,
)


@pytest.mark.parametrize("chain_id", [137, 80002])
def test_the_domain_follows_protocol_and_risk(chain_id: int) -> None:
    plain = exchange_domain(chain_id, Protocol.V1, neg_risk=False)
    assert plain == Domain(chain_id, "2", EXCHANGE)
    assert exchange_domain(chain_id, Protocol.V1, neg_risk=True).contract == NEG_RISK_EXCHANGE
    combined = exchange_domain(chain_id, Protocol.V2, neg_risk=True)
    assert combined == Domain(chain_id, "3", EXCHANGE_V3[chain_id])
