"""The CLOB adapter on real HTTP: what each answer, and each missing one, means."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pmcore.engine.execution.io import (
    CancelAnswered,
    CancelsFailed,
    LookUpResult,
    OpenOrdersAnswered,
    OpenOrdersFailed,
    Posted,
    PostRejected,
    PostUnknown,
    RateHeaders,
)
from pmcore.messages.execution import VenueMode
from pmcore.model.errors import Reason, Sent, TransportError
from pmcore.model.units import NS_PER_S
from pmexecutor.clob import ClobVenue, Timeouts
from pmexecutor.clob_http import ClobHttp
from pmexecutor.credentials import derive_credentials
from pmexecutor.ports import PreparedOrder
from pmexecutor.signer import OrderSigner
from support.builders import T0_NS, window
from support.executions import submit
from support.fake_clob import FakeClob, Fault, Reply, drop, fail_after_taking, lose_answer, refuse

pytestmark = pytest.mark.connected
KEY = b"\x11" * 32


@pytest.fixture
async def clob() -> AsyncIterator[FakeClob]:
    async with FakeClob() as fake:
        yield fake


@pytest.fixture
async def venue(clob: FakeClob) -> AsyncIterator[ClobVenue]:
    signer = OrderSigner(KEY)
    http = ClobHttp(clob.url, lambda: T0_NS)
    credentials = await derive_credentials(http, KEY, signer.address, 137)
    adapter = ClobVenue(
        http, signer, credentials, chain_id=137, timeouts=Timeouts(post_s=2.0, read_s=2.0)
    )
    yield adapter
    await adapter.close()


def edge_page(status: int) -> Fault:
    """What stands in front of the venue answers, with a web page."""
    page = b"<!DOCTYPE html><html><head><title>Access check</title></head><body>later</body></html>"
    return lambda clob, body: Reply(status, page)


def take_and_say(status: int, answer: object) -> Fault:
    """The order rests; the answer is not the documented one."""

    def fault(clob: FakeClob, body: object) -> Reply:
        clob.take_order(body)
        return Reply(status, answer)

    return fault


def _prepared(venue: ClobVenue, order: str = "a") -> PreparedOrder:
    return venue.sign(submit(order), window())


async def test_an_order_rests_under_the_id_that_was_known_before(
    clob: FakeClob, venue: ClobVenue
) -> None:
    prepared = _prepared(venue)
    assert isinstance(await venue.post(prepared), Posted)
    assert clob.open_ids == [prepared.order_hash]
    assert await venue.all_open_orders() == (prepared.order_hash,)
    answer = await venue.delete((prepared.order_hash, "0xfe"))
    assert answer == CancelAnswered(
        (prepared.order_hash, "0xfe"),
        (prepared.order_hash,),
        {"0xfe": "Order not found or already canceled"},
    )


@pytest.mark.parametrize(
    ("fault", "reason", "mode", "retry_after_ms"),
    [
        (
            refuse(400, "invalid post-only order: order crosses book"),
            Reason.POST_ONLY_CROSSES,
            None,
            None,
        ),
        (refuse(400, "not enough balance / allowance"), Reason.BALANCE, None, None),
        (
            refuse(400, "order 0x1 is invalid. Size (1) lower than the minimum: 5"),
            Reason.MIN_SIZE,
            None,
            None,
        ),
        (refuse(400, "order_version_mismatch"), Reason.VERSION_MISMATCH, None, None),
        (refuse(401, "Unauthorized/Invalid api key"), Reason.AUTH, None, None),
        (refuse(403, "Trading restricted in your region"), Reason.REGION_BLOCKED, None, None),
        (refuse(400, "the market takes a rest"), Reason.REFUSED, None, None),
        (refuse(425, "Service is not ready"), Reason.RESTARTING, VenueMode.RESTARTING, None),
        (
            refuse(425, "Service is not ready", retry_after="3"),
            Reason.RESTARTING,
            VenueMode.RESTARTING,
            3_000,
        ),
        (refuse(429, "slow down", retry_after="2"), Reason.RATE_LIMITED, None, 2_000),
        (
            refuse(503, "Trading is currently cancel-only. New orders are not accepted"),
            Reason.CANCEL_ONLY,
            VenueMode.CANCEL_ONLY,
            None,
        ),
        (
            refuse(503, "Trading is currently disabled. Check polymarket.com for updates"),
            Reason.TRADING_DISABLED,
            VenueMode.DISABLED,
            None,
        ),
        (
            refuse(400, "address in closed only mode"),
            Reason.CLOSED_ONLY,
            VenueMode.CLOSED_ONLY,
            None,
        ),
        (
            lambda clob, body: Reply(
                body={"success": True, "errorMsg": "not enough balance / allowance", "orderID": ""}
            ),
            Reason.BALANCE,
            None,
            None,
        ),
    ],
)
async def test_refusals_name_their_reason(
    clob: FakeClob,
    venue: ClobVenue,
    fault: Fault,
    reason: Reason,
    mode: VenueMode | None,
    retry_after_ms: int | None,
) -> None:
    clob.faults["POST /order"].append(fault)
    answer = await venue.post(_prepared(venue))
    assert isinstance(answer, PostRejected)
    assert (answer.reason, answer.mode, answer.retry_after_ms) == (reason, mode, retry_after_ms)
    assert clob.requests["POST /order"] == 1


@pytest.mark.parametrize(
    "fault",
    [
        drop,
        lose_answer,
        fail_after_taking,
        refuse(500, "could not run the execution"),
        refuse(502, "bad gateway"),
        refuse(503, "upstream connect error"),
        refuse(408, "time-out"),
        edge_page(403),
        edge_page(400),
        edge_page(404),
        edge_page(200),
        edge_page(302),
        take_and_say(202, {}),
        take_and_say(202, {"success": False, "errorMsg": "not enough balance"}),
        take_and_say(204, b""),
        lambda clob, body: Reply(body="not an object"),
        lambda clob, body: Reply(body={"success": False, "errorMsg": "words nobody knows"}),
    ],
)
async def test_answers_that_leave_it_open_are_unknown_and_never_repeated(
    clob: FakeClob, venue: ClobVenue, fault: Fault
) -> None:
    clob.faults["POST /order"].append(fault)
    assert isinstance(await venue.post(_prepared(venue)), PostUnknown)
    assert clob.requests["POST /order"] == 1


async def test_a_page_in_front_of_the_venue_is_named_so(clob: FakeClob, venue: ClobVenue) -> None:
    clob.faults["POST /order"].append(edge_page(403))
    answer = await venue.post(_prepared(venue))
    assert isinstance(answer, PostUnknown)
    assert (answer.reason, "Access check" in answer.text) == (Reason.EDGE_PAGE, True)


async def test_an_order_that_was_taken_under_another_status_of_success_rests(
    clob: FakeClob, venue: ClobVenue
) -> None:
    def accepted(clob: FakeClob, body: object) -> Reply:
        order_hash = clob.take_order(body)
        row = {"success": True, "errorMsg": "", "orderID": order_hash, "status": "live"}
        return Reply(202, row)

    clob.faults["POST /order"].append(accepted)
    assert isinstance(await venue.post(_prepared(venue)), Posted)


async def test_a_connection_never_made_is_a_certain_no() -> None:
    signer = OrderSigner(KEY)
    async with FakeClob() as gone:
        http = ClobHttp(gone.url, lambda: T0_NS)
        credentials = await derive_credentials(http, KEY, signer.address, 137)
        venue = ClobVenue(http, signer, credentials, chain_id=137, timeouts=Timeouts(1.0, 1.0))
        await venue.close()
    http = ClobHttp(gone.url, lambda: T0_NS)
    venue = ClobVenue(http, signer, credentials, chain_id=137, timeouts=Timeouts(1.0, 1.0))
    answer = await venue.post(_prepared(venue))
    assert isinstance(answer, PostRejected)
    assert answer.reason is Reason.TRANSPORT
    with pytest.raises(TransportError) as raised:
        await venue.delete_all()
    assert raised.value.sent is Sent.NO
    await venue.close()


async def test_rate_headers_come_along(clob: FakeClob, venue: ClobVenue) -> None:
    headers = (("Poly-RateLimit-Remaining", "-3"), ("Poly-RateLimit-Reset", "1790766905"))

    def taken(clob: FakeClob, body: object) -> Reply:
        order_hash = clob.take_order(body)
        row = {"success": True, "errorMsg": "", "orderID": order_hash, "status": "live"}
        return Reply(200, row, headers)

    clob.faults["POST /order"].append(taken)
    answer = await venue.post(_prepared(venue))
    assert isinstance(answer, Posted)
    assert answer.rate == RateHeaders(-3, 1_790_766_905 * NS_PER_S)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (drop, Reason.TRANSPORT),
        (refuse(429, "slow down", retry_after="1"), Reason.RATE_LIMITED),
        (refuse(500, "no"), Reason.VENUE_ERROR),
        (lambda clob, body: Reply(body=[]), Reason.VENUE_ERROR),
    ],
)
async def test_a_cancel_that_is_not_answered_may_be_repeated(
    clob: FakeClob, venue: ClobVenue, fault: Fault, reason: Reason
) -> None:
    clob.faults["DELETE /orders"].append(fault)
    answer = await venue.delete(("0x1",))
    assert isinstance(answer, CancelsFailed)
    assert answer.reason is reason


async def test_the_list_is_of_one_market(clob: FakeClob, venue: ClobVenue) -> None:
    clob.add_order("0x1", window().condition_id)
    clob.add_order("0x2", "0x" + "cd" * 32)
    assert await venue.open_orders(window()) == OpenOrdersAnswered(window().slug, ("0x1",))
    clob.faults["GET /data/orders"].append(refuse(500, "no"))
    assert isinstance(await venue.open_orders(window()), OpenOrdersFailed)
    clob.faults["GET /data/orders"].append(lambda clob, body: Reply(body={}))
    assert isinstance(await venue.open_orders(window()), OpenOrdersFailed)


async def test_an_order_is_looked_up_by_id_then_in_the_list_then_in_the_trades(
    clob: FakeClob, venue: ClobVenue
) -> None:
    prepared = _prepared(venue)
    route = f"GET /data/order/{prepared.order_hash}"
    await venue.post(prepared)
    assert (await venue.look_up(window(), prepared.order_hash)).finding is LookUpResult.LIVE
    clob.faults[route].append(refuse(404, "Order not found"))
    assert (await venue.look_up(window(), prepared.order_hash)).finding is LookUpResult.LIVE
    clob.fill(prepared.order_hash)
    assert (await venue.look_up(window(), prepared.order_hash)).filled_u6 == 5_000_000
    clob.faults[route].append(lambda clob, body: Reply())
    part = {"order_id": prepared.order_hash, "matched_amount": "2.5"}
    page = {"data": [{"maker_orders": [part]}], "next_cursor": "LTE="}
    clob.faults["GET /data/trades"].append(lambda clob, body: Reply(body=page))
    found = await venue.look_up(window(), prepared.order_hash)
    assert (found.finding, found.filled_u6) == (LookUpResult.ABSENT, 2_500_000)  # a part: no end
    clob.faults[route].append(edge_page(404))
    assert (await venue.look_up(window(), prepared.order_hash)).finding is LookUpResult.UNANSWERED
    assert (await venue.look_up(window(), "0xfe")).finding is LookUpResult.ABSENT
    clob.faults[route].append(drop)
    assert (await venue.look_up(window(), prepared.order_hash)).finding is LookUpResult.UNANSWERED


async def test_heartbeats_are_chained_and_name_the_expected_id(
    clob: FakeClob, venue: ClobVenue
) -> None:
    answer = await venue.beat("")
    assert answer.accepted
    body = {"error_msg": "Invalid Heartbeat ID", "heartbeat_id": "want"}
    clob.faults["POST /v1/heartbeats"].append(lambda clob, _: Reply(400, body))
    refused = await venue.beat(answer.heartbeat_id)
    assert (refused.accepted, refused.heartbeat_id) == (False, "want")
    for fault in (refuse(500, "no"), refuse(400, "bad request"), edge_page(403), edge_page(200)):
        clob.faults["POST /v1/heartbeats"].append(fault)
        with pytest.raises(TransportError):
            await venue.beat("x")


@pytest.mark.parametrize(
    "body",
    [
        {"error_msg": "Invalid Heartbeat ID", "heartbeat_id": ""},
        {"error": "Invalid Heartbeat ID", "heartbeat_id": None},
        {"error": "Invalid Heartbeat ID"},
    ],
)
async def test_a_venue_that_dropped_the_chain_expects_the_empty_id(
    clob: FakeClob, venue: ClobVenue, body: object
) -> None:
    clob.faults["POST /v1/heartbeats"].append(lambda clob, _: Reply(400, body))
    refused = await venue.beat("old")
    assert (refused.accepted, refused.heartbeat_id) == (False, "")
