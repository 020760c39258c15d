"""The relayer's paths (docs/venue.md 9): submit a merge, ask for a transaction."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from pmcore.model.errors import MalformedInputError
from pmcore.venue.relayer import (
    MERGE_CONTRACT,
    SUBMIT_PATH,
    TRANSACTION_PATH,
    Submission,
    parse_merge_call,
)
from pmsimulator.answers import NO_MARKET, VenueError, answer, not_found, read_body
from pmsimulator.faults import DoorKeeper
from pmsimulator.relayer import Relayer
from pmsimulator.world import World


def relayer_routes(world: World, keeper: DoorKeeper) -> APIRouter:
    """`/submit` and `/v1/account/transactions/...`. Nobody has to sign: no real money is here."""
    router, relayer = APIRouter(), Relayer()

    @router.post(SUBMIT_PATH)
    async def submit(request: Request) -> Response:
        wanted = read_body(await request.body(), Submission)
        accounts = world.accounts_of(wanted.proxy_wallet)
        if not accounts:
            raise VenueError(400, "wallet is not deployed")
        if wanted.to.lower() != MERGE_CONTRACT.lower():
            raise VenueError(400, "only merges are simulated")
        try:
            condition_id, size_u6 = parse_merge_call(wanted.data)
        except MalformedInputError as error:
            raise VenueError(400, "only merges are simulated") from error
        listing = world.listing_of(condition_id)
        if listing is None:
            raise not_found(NO_MARKET)
        at_ns, market = world.now_ns(), listing.window.condition_id

        def act() -> str:
            if keeper.fails_merge():
                return "execution reverted"
            return world.venue.merge(accounts[0].owner, market, size_u6, at_ns).error

        sticks = keeper.sticks_merge()
        transaction = relayer.submit(wanted.proxy_wallet, at_ns, act, stuck=sticks)
        world.wake()
        row = transaction.row(at_ns)
        return answer(
            {
                "transactionID": transaction.transaction_id,
                "transactionHash": row["transaction_hash"],
                "state": row["state"],
            }
        )

    @router.get(TRANSACTION_PATH + "{transaction_id}")
    async def transaction(transaction_id: str) -> Response:
        return answer(relayer.find(transaction_id).row(world.now_ns()))

    return router
