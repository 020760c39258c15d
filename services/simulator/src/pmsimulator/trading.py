"""What signed orders and cancels do: pay the rate limit, check, ask the venue, write the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastapi.responses import Response

from pmcore.model.units import NS_PER_S
from pmsim.venue.ports import CancelOutcome, NewOrder, PlaceResult
from pmsimulator.answers import NO_BOOK, VenueError, answer, not_found
from pmsimulator.credentials import Credentials
from pmsimulator.faults import DoorKeeper
from pmsimulator.order_entry import PLAIN_WALLET, PostOrderBody, check_batch_size, check_order
from pmsimulator.rate_limits import RateLimits
from pmsimulator.world import World

MAX_CANCELS = 1_000
_RESTARTING = 425
_WHOLE_REQUEST = (_RESTARTING, 503)


class Trading:
    """Orders and cancels of authenticated signers (docs/venue.md 1.5)."""

    def __init__(self, world: World, limits: RateLimits, keeper: DoorKeeper) -> None:
        self._world = world
        self._limits = limits
        self._keeper = keeper

    def post(self, credentials: Credentials, post: PostOrderBody) -> Response:
        """POST /order."""
        at_ns = self._world.now_ns()
        headers = self._limits.admit_orders(credentials.address, 1, at_ns)
        order = self._check(credentials, post, at_ns)
        result = self._world.venue.place(credentials.api_key, order, at_ns)
        self._world.wake()
        if result.error:
            raise _refusal(result, headers)
        self._world.accepted(credentials, result.order_hash, post.order.builder)
        return answer(_order_row(result), headers=headers)

    def post_batch(self, credentials: Credentials, batch: Sequence[PostOrderBody]) -> Response:
        """POST /orders, one engine event: 200 although entries may have been refused."""
        at_ns = self._world.now_ns()
        headers = self._limits.admit_orders(credentials.address, len(batch), at_ns)
        rows: dict[int, dict[str, object]] = {}
        orders: dict[int, NewOrder] = {}
        for index, post in enumerate(batch):
            try:
                orders[index] = self._check(credentials, post, at_ns)
            except VenueError as refusal:
                rows[index] = _refused_row(str(refusal))
        results = self._world.venue.place_batch(credentials.api_key, tuple(orders.values()), at_ns)
        self._world.wake()
        if results and all(result.http_status in _WHOLE_REQUEST for result in results):
            raise _refusal(results[0], headers)
        for index, result in zip(orders, results, strict=True):
            rows[index] = _order_row(result)
            if not result.error:
                builder = batch[index].order.builder
                self._world.accepted(credentials, result.order_hash, builder)
        return answer([rows[index] for index in range(len(batch))], headers=headers)

    def cancel(self, credentials: Credentials, order_ids: Sequence[str]) -> Response:
        """DELETE /order and /orders: costs the number of ids."""
        check_batch_size(len(order_ids), MAX_CANCELS)
        at_ns = self._world.now_ns()
        headers = self._limits.admit_cancels(credentials.address, len(order_ids), at_ns)
        result = self._world.venue.cancel(credentials.api_key, order_ids, at_ns)
        self._world.wake()
        return _cancel_answer(result, headers)

    def cancel_found(
        self, credentials: Credentials, call: Callable[[str, int], CancelOutcome]
    ) -> Response:
        """DELETE /cancel-all and /cancel-market-orders: costs 1 and what was found."""
        at_ns = self._world.now_ns()
        self._limits.admit_cancels(credentials.address, 1, at_ns)
        result = call(credentials.api_key, at_ns)
        self._world.wake()
        found = len(result.canceled)
        headers = self._limits.debit_cancels(credentials.address, found, at_ns)
        return _cancel_answer(result, headers)

    def _check(self, credentials: Credentials, post: PostOrderBody, at_ns: int) -> NewOrder:
        listing = self._world.tradable(post.order.token_id)
        if listing is None:
            raise not_found(NO_BOOK)
        order = check_order(
            post,
            credentials,
            listing.window,
            chain_id=self._world.chain_id,
            now_s=at_ns // NS_PER_S,
        )
        self._keeper.check_addresses(credentials.address, post.order.maker)
        if post.order.signature_type == PLAIN_WALLET:
            self._keeper.check_plain_wallet(post.order.maker)
        self._keeper.check_order(order.order_hash)
        self._world.admit(credentials, post.order.maker, post.order.signature_type)
        return order


def _refusal(result: PlaceResult, headers: dict[str, str]) -> VenueError:
    return _refuse(result.http_status, result.error, result.code, result.retry_after_s, headers)


def _refuse(
    status: int, text: str, code: str, retry_after_s: int, headers: dict[str, str]
) -> VenueError:
    if retry_after_s:
        headers = {**headers, "Retry-After": str(retry_after_s)}
    body: dict[str, object] = {"error": text}
    if code:
        body["code"] = code
    if code and retry_after_s:
        body["retry_after_seconds"] = retry_after_s
    return VenueError(status, text, body=body, headers=headers, plain=status == _RESTARTING)


def _order_row(result: PlaceResult) -> dict[str, object]:
    if result.error:
        return _refused_row(result.error)
    idle = "0" if result.status == "delayed" else ""
    matched = result.status == "matched"
    row: dict[str, object] = {
        "success": True,
        "errorMsg": "",
        "orderID": result.order_hash,
        "status": result.status,
        "makingAmount": str(result.making_u6) if matched else idle,
        "takingAmount": str(result.taking_u6) if matched else idle,
    }
    if result.trade_ids:
        row["tradeIDs"] = list(result.trade_ids)
    return row


def _refused_row(text: str) -> dict[str, object]:
    """An entry of a batch that failed: success is true all the same (docs/venue.md 1.5)."""
    return {
        "success": True,
        "errorMsg": text,
        "orderID": "",
        "status": "",
        "makingAmount": "",
        "takingAmount": "",
    }


def _cancel_answer(result: CancelOutcome, headers: dict[str, str]) -> Response:
    if result.error:
        raise _refuse(result.http_status, result.error, "", result.retry_after_s, headers)
    body = {"canceled": result.canceled, "not_canceled": dict(result.not_canceled)}
    return answer(body, headers=headers)
