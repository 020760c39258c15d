"""What the venue's answers mean, without a socket."""

from __future__ import annotations

import json

import httpx
import pytest

from pmcore.engine.execution.io import RateHeaders
from pmcore.model.errors import Reason
from pmcore.model.units import NS_PER_S
from pmcore.venue.l2_auth import ApiCredentials
from pmexecutor import clob, clob_http
from pmexecutor.clob import ClobVenue, Timeouts
from pmexecutor.clob_http import ClobAnswer, ClobHttp
from pmexecutor.ports import PostAnswer
from pmexecutor.signer import OrderSigner
from support.builders import T0_NS, window
from support.executions import submit


def refused(status: int, body: object) -> PostAnswer:
    judge = vars(clob)["_judge_refused"]
    answer: PostAnswer = judge("a", ClobAnswer(status, body, None, None))
    return answer


@pytest.mark.parametrize(
    ("body", "text"), [({"error": "not enough balance"}, "not enough balance"), ({}, "HTTP 400")]
)
def test_a_refusal_carries_the_venues_words_or_the_status(body: object, text: str) -> None:
    answer = refused(400, body)
    assert type(answer).__name__ == "PostRejected"
    assert getattr(answer, "text") == text  # noqa: B009 - of each kind of answer


def test_above_500_an_order_may_be_there_unless_the_venue_names_a_mode() -> None:
    assert type(refused(500, {"error": "internal"})).__name__ == "PostUnknown"
    certain = refused(503, {"error": "Trading is currently cancel-only"})
    assert type(certain).__name__ == "PostRejected"
    assert getattr(certain, "reason") is Reason.CANCEL_ONLY  # noqa: B009


@pytest.mark.parametrize("value", [None, "text", {"a": 1}])
def test_what_should_be_a_list_and_is_none_counts_as_empty(value: object) -> None:
    as_list = vars(clob)["_list"]
    assert as_list(value) == []
    assert as_list([1]) == [1]


async def test_closing_the_venue_closes_its_connections() -> None:
    http = ClobHttp("http://127.0.0.1:1", lambda: T0_NS)
    venue = ClobVenue(
        http,
        OrderSigner(b"\x11" * 32),
        ApiCredentials("0x1", "k", "", ""),
        chain_id=137,
        timeouts=Timeouts(post_s=1.0, read_s=1.0),
    )
    prepared = venue.sign(submit("a"), window())
    assert json.loads(prepared.body)["order"]["timestamp"] == str(T0_NS // 1_000_000)
    await venue.close()
    assert vars(http)["_closed"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"poly-ratelimit-remaining": "7"}, RateHeaders(7, None)),
        (
            {"poly-ratelimit-remaining": "-3", "poly-ratelimit-reset": "5"},
            RateHeaders(-3, 5 * NS_PER_S),
        ),
    ],
)
def test_the_rate_budget_is_read_with_and_without_its_reset(
    headers: dict[str, str], expected: RateHeaders | None
) -> None:
    assert vars(clob_http)["_rate"](httpx.Headers(headers)) == expected
