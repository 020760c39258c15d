from __future__ import annotations

import pytest

from pmcore.model.check import invariant
from pmcore.model.errors import InvariantError, MalformedInputError, Sent, TransportError


def test_a_broken_promise_raises() -> None:
    invariant(True, "fine")
    with pytest.raises(InvariantError, match="broken"):
        invariant(False, "broken")


def test_errors_carry_what_a_caller_needs() -> None:
    bad = MalformedInputError("bad_price", "x")
    assert (bad.reason, str(bad), str(MalformedInputError("empty"))) == (
        "bad_price",
        "bad_price: x",
        "empty",
    )
    road = TransportError("timeout", retryable=True, sent=Sent.UNKNOWN, retry_after_ms=5)
    assert (road.retryable, road.sent, road.retry_after_ms) == (True, Sent.UNKNOWN, 5)
