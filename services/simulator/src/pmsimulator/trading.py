"""What signed orders and cancels do: pay the rate limit, check, ask the venue, write the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastapi.responses import Response

from pmcore.model.units import NS_PER_S
from pmcore.sim.ports import CancelResult, PlaceResult
from pmsimulator.answers import NO_BOOK, VenueError, answer, not_found
from pmsimulator.credentials import Credentials
from pmsimulator.order_entry import PostOrder, check_batch_size, check_order
from pmsimulator.rate_limits import RateLimits
from pmsimulator.world import World

MAX_CANCELS = 1_000


class Trading:
    """Orders and cancels of authenticated signers (venue.md 1.5)."""

    def __init__(self, world: World, limits: RateLimits) -> None:
        self._world = world
        self._limits = limits

    def post(self, credentials: Credentials, post: PostOrder) -> Response:
        """POST /order."""
        headers = self._limits.admit_orders(credentials.address, 1, self._world.now_ns())
        result = self._place(credentials, post)
        if result.error:
            raise VenueError(result.http_status, result.error, headers=headers)
        return answer(_order_row(result), headers=headers)

    def post_batch(self, credentials: Credentials, batch: Sequence[PostOrder]) -> Response:
        """POST /orders: 200 although entries may have been refused."""
        at_ns = self._world.now_ns()
        headers = self._limits.admit_orders(credentials.address, len(batch), at_ns)
        rows = []
        for post in batch:
            try:
                rows.append(_order_row(self._place(credentials, post)))
            except VenueError as refusal:
                rows.append(_refused_row(str(refusal)))
        return answer(rows, headers=headers)

    def cancel(self, credentials: Credentials, order_ids: Sequence[str]) -> Response:
        """DELETE /order and /orders: costs the number of ids."""
        check_batch_size(len(order_ids), MAX_CANCELS)
        at_ns = self._world.now_ns()
        headers = self._limits.admit_cancels(credentials.address, len(order_ids), at_ns)
        result = self._world.venue.cancel(credentials.api_key, order_ids, at_ns)
        self._world.wake()
        return _cancel_answer(result, headers)

    def cancel_found(
        self, credentials: Credentials, call: Callable[[str, int], CancelResult]
    ) -> Response:
        """DELETE /cancel-all and /cancel-market-orders: costs 1 and what was found."""
        at_ns = self._world.now_ns()
        self._limits.admit_cancels(credentials.address, 1, at_ns)
        result = call(credentials.api_key, at_ns)
        self._world.wake()
        found = len(result.canceled)
        headers = self._limits.debit_cancels(credentials.address, found, at_ns)
        return _cancel_answer(result, headers)

    def _place(self, credentials: Credentials, post: PostOrder) -> PlaceResult:
        listing = self._world.listing_of(post.order.token_id)
        if listing is None:
            raise not_found(NO_BOOK)
        at_ns = self._world.now_ns()
        order = check_order(
            post,
            credentials,
            listing.window,
            chain_id=self._world.chain_id,
            now_s=at_ns // NS_PER_S,
        )
        self._world.admit(credentials, post.order.maker)
        result = self._world.venue.place(credentials.api_key, order, at_ns)
        self._world.wake()
        return result


def _order_row(result: PlaceResult) -> dict[str, object]:
    if result.error:
        return _refused_row(result.error)
    matched = result.status == "matched"
    row: dict[str, object] = {
        "success": True,
        "errorMsg": "",
        "orderID": result.order_hash,
        "status": result.status,
        "makingAmount": str(result.making_u6) if matched else "",
        "takingAmount": str(result.taking_u6) if matched else "",
    }
    if result.trade_ids:
        row["tradeIDs"] = list(result.trade_ids)
    return row


def _refused_row(text: str) -> dict[str, object]:
    """An entry of a batch that failed: success is true all the same (venue.md 1.5)."""
    return {
        "success": True,
        "errorMsg": text,
        "orderID": "",
        "status": "",
        "makingAmount": "",
        "takingAmount": "",
    }


def _cancel_answer(result: CancelResult, headers: dict[str, str]) -> Response:
    body = {"canceled": result.canceled, "not_canceled": dict(result.not_canceled)}
    return answer(body, headers=headers)
