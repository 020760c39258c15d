"""The CLOB as a venue: what goes out on the wire, and what each answer makes of an order."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from pmcore.engine.execution.io import (
    CancelAnswered,
    CancelsFailed,
    LookUpResult,
    OpenOrdersAnswered,
    OpenOrdersFailed,
    OrderLookedUp,
    Posted,
    PostRejected,
    PostUnknown,
    RateHeaders,
)
from pmcore.messages.execution import VenueMode
from pmcore.model.errors import Cause, InvariantError, Reason, Sent, TransportError
from pmcore.model.units import NS_PER_S
from pmcore.venue.l2_auth import ApiCredentials, l2_headers
from pmexecutor.clob import MAX_PAGES, MAX_TRADE_PAGES, ClobVenue, Timeouts
from pmexecutor.clob_http import ClobHttp
from pmexecutor.ports import PreparedOrder
from pmexecutor.signer import OrderSigner
from support.builders import T0_NS, window
from support.executions import submit
from support.scripted_http import ScriptedHttp, scripted_http

CREDENTIALS = ApiCredentials("0x1", "key", "c2VjcmV0", "phrase")
MARKET = window().condition_id
LAST = "LTE="


@pytest.fixture
async def wire() -> AsyncIterator[ScriptedHttp]:
    async with scripted_http() as scripted:
        yield scripted


@pytest.fixture
async def venue(wire: ScriptedHttp) -> AsyncIterator[ClobVenue]:
    adapter = ClobVenue(
        ClobHttp(wire.url, lambda: T0_NS),
        OrderSigner(b"\x11" * 32),
        CREDENTIALS,
        chain_id=137,
        timeouts=Timeouts(post_s=30.0, read_s=30.0),
    )
    yield adapter
    await adapter.close()


def prepared(venue: ClobVenue) -> PreparedOrder:
    return venue.sign(submit("a"), window())


def row(order_hash: str, status: str = "LIVE", matched: str = "0") -> dict[str, str]:
    return {
        "id": order_hash,
        "market": MARKET,
        "asset_id": "1",
        "side": "BUY",
        "price": "0.47",
        "original_size": "5",
        "size_matched": matched,
        "status": f"ORDER_STATUS_{status}",
    }


def page(*rows: object, cursor: str = LAST) -> tuple[int, Any]:
    return 200, {"data": list(rows), "next_cursor": cursor}


def taken(order_hash: str) -> dict[str, object]:
    return {"success": True, "errorMsg": "", "orderID": order_hash, "status": "live"}


# ---- what goes out -------------------------------------------------------------------------


async def test_a_request_carries_the_time_the_signature_and_exactly_the_signed_body(
    wire: ScriptedHttp, venue: ClobVenue
) -> None:
    order = prepared(venue)
    wire.answers.append((200, taken(order.order_hash)))
    assert await venue.post(order) == Posted("a")
    (request,) = wire.requests
    assert (request.line, request.body) == ("POST /order", order.body)
    signed = l2_headers(CREDENTIALS, T0_NS // NS_PER_S, "POST", "/order", order.body)
    assert {name.lower(): value for name, value in signed.items()}.items() <= (
        request.headers.items()
    )
    assert request.headers["content-type"] == request.headers["accept"] == "application/json"
    assert json.loads(request.body)["owner"] == "key"


async def test_an_order_states_when_it_dies(wire: ScriptedHttp) -> None:
    adapter = ClobVenue(
        ClobHttp(wire.url, lambda: T0_NS),
        OrderSigner(b"\x11" * 32),
        CREDENTIALS,
        chain_id=137,
        timeouts=Timeouts(post_s=30.0, read_s=30.0),
        expiration_s=lambda market: market.close_ns // NS_PER_S,
    )
    body = json.loads(prepared(adapter).body)
    assert body["orderType"] == "GTD"
    assert body["order"]["expiration"] == str(window().close_ns // NS_PER_S)
    await adapter.close()


async def test_a_query_goes_out_and_is_not_signed(wire: ScriptedHttp, venue: ClobVenue) -> None:
    wire.answers.append(page())
    await venue.open_orders(window())
    (request,) = wire.requests
    assert request.line == "GET /data/orders"
    assert request.query == {"market": MARKET, "next_cursor": "MA=="}
    assert request.body == b""
    signed = l2_headers(CREDENTIALS, T0_NS // NS_PER_S, "GET", "/data/orders")
    assert request.headers["poly_signature"] == signed["POLY_SIGNATURE"]


def test_every_order_has_a_salt_of_its_own(venue: ClobVenue) -> None:
    assert prepared(venue).order_hash != prepared(venue).order_hash


def test_the_venue_cancels_without_heartbeats(venue: ClobVenue) -> None:
    assert venue.has_heartbeat


# ---- POST ----------------------------------------------------------------------------------


async def test_the_rate_budget_comes_with_a_yes_and_with_a_no(
    wire: ScriptedHttp, venue: ClobVenue
) -> None:
    wire.headers = {"Poly-RateLimit-Remaining": "7", "Poly-RateLimit-Reset": "5"}
    rate = RateHeaders(7, 5 * NS_PER_S)
    order = prepared(venue)
    wire.answers.append((200, taken(order.order_hash.upper().replace("0X", "0x"))))
    assert await venue.post(order) == Posted("a", rate)
    wire.answers.append((400, {"error": "order crosses book"}))
    assert await venue.post(order) == PostRejected(
        "a", Reason.POST_ONLY_CROSSES, "order crosses book", rate=rate
    )
    refused = {"success": False, "errorMsg": "not enough balance", "orderID": ""}
    wire.answers.append((200, refused))
    assert await venue.post(order) == PostRejected(
        "a", Reason.BALANCE, "not enough balance", rate=rate
    )


async def test_a_venue_that_names_another_order_is_a_fault_of_ours(
    wire: ScriptedHttp, venue: ClobVenue
) -> None:
    wire.answers.append((200, taken("0xother")))
    with pytest.raises(InvariantError, match="0xother"):
        await venue.post(prepared(venue))


@pytest.mark.parametrize(
    ("status", "words", "reason"),
    [
        (500, "internal", Reason.VENUE_ERROR),
        (499, "internal", None),
        (408, "slow", Reason.TIMEOUT),
        (399, "elsewhere", Reason.VENUE_ERROR),
        (300, "elsewhere", Reason.VENUE_ERROR),
    ],
)
async def test_which_refusals_are_certain(
    wire: ScriptedHttp, venue: ClobVenue, status: int, words: str, reason: Reason | None
) -> None:
    wire.answers.append((status, {"error": words}))
    answer = await venue.post(prepared(venue))
    if reason is None:
        assert answer == PostRejected("a", Reason.REFUSED, words)
    else:
        assert isinstance(answer, PostUnknown)
        assert (answer.client_order_id, answer.text) == ("a", words)


@pytest.mark.parametrize(
    ("words", "reason", "mode"),
    [
        ("post-only mode", Reason.POST_ONLY_MODE, VenueMode.POST_ONLY),
        ("Trading is currently cancel-only", Reason.CANCEL_ONLY, VenueMode.CANCEL_ONLY),
        ("Trading is currently disabled", Reason.TRADING_DISABLED, VenueMode.DISABLED),
        ("address in closed only mode", Reason.CLOSED_ONLY, VenueMode.CLOSED_ONLY),
    ],
)
async def test_a_mode_of_the_venue_is_certain_above_500_too(
    wire: ScriptedHttp, venue: ClobVenue, words: str, reason: Reason, mode: VenueMode
) -> None:
    wire.headers = {"Retry-After": "3"}
    wire.answers.append((503, {"error": words}))
    answer = await venue.post(prepared(venue))
    assert answer == PostRejected("a", reason, words, mode, 3_000)


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, {"success": False, "errorMsg": "words nobody knows"}),
        (201, {"success": False, "errorMsg": "not enough balance"}),
        (299, {}),
        (200, []),
        (200, b"no json"),
    ],
)
async def test_a_success_that_says_neither_yes_nor_no_is_unknown(
    wire: ScriptedHttp, venue: ClobVenue, status: int, answer: object
) -> None:
    wire.answers.append((status, answer))
    unknown = await venue.post(prepared(venue))
    assert isinstance(unknown, PostUnknown)
    assert unknown.reason is Reason.VENUE_ERROR


async def test_a_lost_answer_is_unknown_and_names_the_request(
    wire: ScriptedHttp, venue: ClobVenue
) -> None:
    answer = await venue.post(prepared(venue))
    assert isinstance(answer, PostUnknown)
    assert answer.reason is Reason.TIMEOUT
    assert answer.text.startswith("POST /order: the connection broke")
    assert wire.lines == ["POST /order"]


@pytest.mark.parametrize("what", ["post", "delete", "look_up"])
async def test_orders_and_questions_have_a_time_limit_each(wire: ScriptedHttp, what: str) -> None:
    """The other limit is so long that the test would end by its own."""
    limits = Timeouts(0.25, 3_600.0) if what == "post" else Timeouts(3_600.0, 0.25)
    adapter = ClobVenue(
        ClobHttp(wire.url, lambda: T0_NS),
        OrderSigner(b"\x11" * 32),
        CREDENTIALS,
        chain_id=137,
        timeouts=limits,
    )
    wire.hangs = True
    if what == "post":
        assert isinstance(await adapter.post(prepared(adapter)), PostUnknown | PostRejected)
    elif what == "delete":
        assert isinstance(await adapter.delete(("0x1",)), CancelsFailed)
    else:
        assert (await adapter.look_up(window(), "0x1")).finding is LookUpResult.UNANSWERED
    await adapter.close()


# ---- DELETE --------------------------------------------------------------------------------


async def test_a_cancel_names_its_orders_and_tells_what_was_not_cancelled(
    wire: ScriptedHttp, venue: ClobVenue
) -> None:
    wire.headers = {"Poly-RateLimit-Remaining": "7"}
    wire.answers.append((200, {"canceled": ["0x1"], "not_canceled": {"0x2": "already matched"}}))
    assert await venue.delete(("0x1", "0x2")) == CancelAnswered(
        ("0x1", "0x2"), ("0x1",), {"0x2": "already matched"}, RateHeaders(7, None)
    )
    (request,) = wire.requests
    assert (request.line, json.loads(request.body)) == ("DELETE /orders", ["0x1", "0x2"])


async def test_a_cancel_that_failed_says_why(wire: ScriptedHttp, venue: ClobVenue) -> None:
    wire.headers = {"Retry-After": "2"}
    wire.answers.append((429, {"error": "slow down"}))
    assert await venue.delete(("0x1",)) == CancelsFailed(
        ("0x1",), Reason.RATE_LIMITED, "slow down", None, 2_000
    )
    wire.answers.append((503, {"error": "Trading is currently disabled"}))
    answer = await venue.delete(("0x1",))
    assert isinstance(answer, CancelsFailed)
    assert (answer.reason, answer.mode) == (Reason.TRADING_DISABLED, VenueMode.DISABLED)
    wire.answers.append((200, []))
    answer = await venue.delete(("0x1",))
    assert isinstance(answer, CancelsFailed)
    assert answer.reason is Reason.VENUE_ERROR
    lost = await venue.delete(("0x1",))
    assert isinstance(lost, CancelsFailed)
    assert (lost.order_hashes, lost.reason) == (("0x1",), Reason.TRANSPORT)


@pytest.mark.parametrize(
    ("status", "words", "cause", "text"),
    [
        (401, "Unauthorized", Cause.AUTH, "DELETE /cancel-all: 401 Unauthorized"),
        (500, "", Cause.SERVER_ERROR, "DELETE /cancel-all: 500"),
        (302, "there", Cause.SERVER_ERROR, "DELETE /cancel-all: 302 there"),
    ],
)
async def test_a_cancel_of_all_that_failed_raises(
    wire: ScriptedHttp, venue: ClobVenue, status: int, words: str, cause: Cause, text: str
) -> None:
    wire.headers = {"Retry-After": "2"}
    wire.answers.append((status, {"error": words}))
    with pytest.raises(TransportError) as raised:
        await venue.delete_all()
    error = raised.value
    assert (str(error), error.cause, error.sent) == (text, cause, Sent.YES)
    assert error.retryable
    assert error.retry_after_ms == 2_000
    assert wire.lines == ["DELETE /cancel-all"]


async def test_a_cancel_of_all_that_worked_is_silent(wire: ScriptedHttp, venue: ClobVenue) -> None:
    wire.answers.append((200, {"canceled": []}))
    await venue.delete_all()
    assert wire.lines == ["DELETE /cancel-all"]


# ---- lists ---------------------------------------------------------------------------------


async def test_a_list_is_read_to_its_last_page(wire: ScriptedHttp, venue: ClobVenue) -> None:
    wire.answers.extend([page(row("0x1"), cursor="MTAw"), page(row("0x2"), row("0x3"))])
    expected = ("0x1", "0x2", "0x3")
    assert await venue.open_orders(window()) == OpenOrdersAnswered(window().slug, expected)
    assert [request.query["next_cursor"] for request in wire.requests] == ["MA==", "MTAw"]
    assert [request.query["market"] for request in wire.requests] == [MARKET] * 2
    wire.answers.append(page(row("0x4")))
    assert await venue.all_open_orders() == ("0x4",)
    assert wire.requests[-1].query == {"next_cursor": "MA=="}


async def test_a_list_without_an_end_is_given_up(wire: ScriptedHttp, venue: ClobVenue) -> None:
    wire.answers.extend([page(row("0x1"), cursor="MTAw")] * MAX_PAGES)
    answer = await venue.open_orders(window())
    assert isinstance(answer, OpenOrdersFailed)
    assert (answer.slug, answer.reason) == (window().slug, Reason.VENUE_ERROR)
    assert len(wire.requests) == MAX_PAGES


@pytest.mark.parametrize(
    ("answer", "reason"), [((500, {"error": "no"}), Reason.TRANSPORT), ((200, {}), None)]
)
async def test_a_list_that_cannot_be_had_says_why(
    wire: ScriptedHttp, venue: ClobVenue, answer: tuple[int, Any], reason: Reason | None
) -> None:
    wire.answers.extend([answer] * 2)
    failed = await venue.open_orders(window())
    assert isinstance(failed, OpenOrdersFailed)
    assert failed.reason is (reason or Reason.VENUE_ERROR)
    with pytest.raises(TransportError, match=r"^GET /data/orders: ") as raised:
        await venue.all_open_orders()
    assert raised.value.retryable
    assert raised.value.sent is Sent.YES


# ---- looking up ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "finding"),
    [
        ("LIVE", LookUpResult.LIVE),
        ("DELAYED", LookUpResult.LIVE),
        ("MATCHED", LookUpResult.MATCHED),
        ("CANCELED", LookUpResult.CANCELED),
        ("CANCELED_MARKET_RESOLVED", LookUpResult.CANCELED),
        ("CANCELLED", LookUpResult.CANCELED),
        ("INVALID", LookUpResult.INVALID),
        ("UNMATCHED", LookUpResult.INVALID),
        ("SOMETHING", LookUpResult.ABSENT),
    ],
)
async def test_the_status_of_an_order_by_id(
    wire: ScriptedHttp, venue: ClobVenue, status: str, finding: LookUpResult
) -> None:
    wire.answers.append((200, row("0x1", status, "2.5")))
    found = await venue.look_up(window(), "0x1")
    assert found == OrderLookedUp("0x1", finding, 2_500_000)
    assert wire.lines == ["GET /data/order/0x1"]


@pytest.mark.parametrize("unknown", [(404, {"error": "Order not found"}), (200, None), (200, {})])
async def test_an_order_without_an_id_is_sought_in_the_list_then_in_the_trades(
    wire: ScriptedHttp, venue: ClobVenue, unknown: tuple[int, Any]
) -> None:
    wire.answers.extend([unknown, page(row("0x2"), row("0x1", matched="1"))])
    assert await venue.look_up(window(), "0x1") == OrderLookedUp(
        "0x1", LookUpResult.LIVE, 1_000_000
    )
    wire.answers.extend([unknown, page(row("0x2")), page()])
    assert await venue.look_up(window(), "0x1") == OrderLookedUp("0x1", LookUpResult.ABSENT)
    assert wire.lines[2:] == ["GET /data/order/0x1", "GET /data/orders", "GET /data/trades"]
    assert wire.requests[-2].query["market"] == MARKET
    assert wire.requests[-1].query == {"market": MARKET, "next_cursor": "MA=="}


async def test_the_fills_of_an_order_are_added_up_over_all_pages(
    wire: ScriptedHttp, venue: ClobVenue
) -> None:
    mine = {"order_id": "0x1", "matched_amount": "1.5"}
    other = {"order_id": "0x2", "matched_amount": "4"}
    wire.answers.extend(
        [
            (404, {"error": "Order not found"}),
            page(),
            page({"maker_orders": [other, mine, "text"]}, {"maker_orders": None}, cursor="MTAw"),
            page({"maker_orders": [mine]}, {}),
        ]
    )
    found = await venue.look_up(window(), "0x1")
    assert found == OrderLookedUp("0x1", LookUpResult.ABSENT, 3_000_000)
    assert wire.requests[-1].query["next_cursor"] == "MTAw"


async def test_trades_without_an_end_are_given_up(wire: ScriptedHttp, venue: ClobVenue) -> None:
    wire.answers.extend([(404, {"error": "Order not found"}), page()])
    wire.answers.extend([page(cursor="MTAw")] * MAX_TRADE_PAGES)
    assert await venue.look_up(window(), "0x1") == OrderLookedUp("0x1", LookUpResult.ABSENT)
    assert len(wire.requests) == 2 + MAX_TRADE_PAGES


@pytest.mark.parametrize(
    "answers",
    [
        [],
        [(500, {"error": "no"})],
        [(403, {"error": "not found"})],
        [(404, b"<html>elsewhere</html>")],
        [(200, {"id": "0x1"})],
        [(404, {}), (500, {})],
        [(404, {}), page(), (500, {})],
        [(404, {}), page(), (200, {})],
        [(404, {}), (500, page()[1])],
        [(404, {}), page(), (500, page()[1])],
    ],
)
async def test_a_search_that_is_not_answered_says_so(
    wire: ScriptedHttp, venue: ClobVenue, answers: list[tuple[int, Any]]
) -> None:
    wire.answers.extend(answers)
    assert await venue.look_up(window(), "0x1") == OrderLookedUp("0x1", LookUpResult.UNANSWERED)
    assert len(wire.requests) == max(1, len(answers))


# ---- heartbeats ----------------------------------------------------------------------------


async def test_a_beat_names_its_id_and_brings_the_next(
    wire: ScriptedHttp, venue: ClobVenue
) -> None:
    wire.answers.extend(
        [
            (200, {"heartbeat_id": "next"}),
            (400, {"error_msg": "Invalid Heartbeat ID", "heartbeat_id": "want"}),
        ]
    )
    first, second = await venue.beat("one"), await venue.beat("two")
    assert (first.accepted, first.heartbeat_id) == (True, "next")
    assert (second.accepted, second.heartbeat_id) == (False, "want")
    assert wire.lines == ["POST /v1/heartbeats"] * 2
    bodies = [json.loads(request.body) for request in wire.requests]
    assert bodies == [{"heartbeat_id": "one"}, {"heartbeat_id": "two"}]


@pytest.mark.parametrize(
    ("status", "answer", "cause"),
    [
        (400, {"error": "bad request"}, Cause.HEARTBEAT_REFUSED),
        (401, {"error": "bad request"}, Cause.AUTH),
        (403, {"error": "bad request", "heartbeat_id": "want"}, Cause.BLOCKED),
        (200, {"error": "bad request"}, Cause.SERVER_ERROR),
    ],
)
async def test_a_beat_that_failed_names_its_cause(
    wire: ScriptedHttp, venue: ClobVenue, status: int, answer: object, cause: Cause
) -> None:
    wire.answers.append((status, answer))
    with pytest.raises(TransportError) as raised:
        await venue.beat("one")
    error = raised.value
    assert str(error) == f"POST /v1/heartbeats: {status} bad request"
    assert (error.cause, error.sent, error.retryable) == (cause, Sent.YES, True)


async def test_windows_need_no_telling(wire: ScriptedHttp, venue: ClobVenue) -> None:
    venue.add_window(window())
    venue.drop_window(window().slug)
    negative = msgspec.structs.replace(window(), neg_risk=True)
    assert venue.sign(submit("a"), negative).command == submit("a")
    assert not wire.requests
