"""What an error carries."""

from __future__ import annotations

from pmcore.model.errors import MalformedInputError, Sent, TransportError


def test_malformed_input_has_a_reason_to_count_and_a_detail_to_read() -> None:
    assert str(MalformedInputError("bad_price")) == "bad_price"
    error = MalformedInputError("bad_price", "1.5")
    assert (error.reason, error.detail, str(error)) == ("bad_price", "1.5", "bad_price: 1.5")


def test_a_failure_of_the_road_says_whether_to_try_again_and_whether_it_was_sent() -> None:
    error = TransportError("timeout", retryable=True, sent=Sent.UNKNOWN)
    assert (error.retryable, error.sent, error.retry_after_ms) == (True, Sent.UNKNOWN, None)
    late = TransportError("429", retryable=True, sent=Sent.YES, retry_after_ms=500)
    assert (str(late), late.retry_after_ms) == ("429", 500)
