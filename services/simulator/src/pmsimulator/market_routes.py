"""Public reads of the CLOB: server, books, prices, market parameters (docs/venue.md 1.2, 1.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from pmcore.model.market import Protocol
from pmcore.model.units import (
    NS_PER_S,
    PRICE_ONE_E4,
    SHARE_U6,
    format_price,
    parse_price_e4,
)
from pmcore.venue.fields import natural_of
from pmsim.venue.ports import ListedWindow
from pmsimulator.answers import (
    NO_BOOK,
    NO_MARKET,
    VenueError,
    answer,
    not_found,
    read_body,
)
from pmsimulator.clob_market import LEGACY_FEE_BPS
from pmsimulator.history import interval_start_s
from pmsimulator.touch import touch_e4
from pmsimulator.world import World

Book = dict[str, object]
T = TypeVar("T")


class _Wanted(msgspec.Struct):
    token_id: str
    side: str = ""


class MarketReads:
    """Reads of the present book; each first brings the world to the present."""

    def __init__(self, world: World) -> None:
        self._world = world

    def book(self, token_id: str) -> Book:
        """The whole book, or 404."""
        self._world.drain()
        book = self._world.venue.book(token_id) if self._world.tradable(token_id) else None
        if book is None:
            raise not_found(NO_BOOK)
        return book

    def best_e4(self, token_id: str) -> tuple[int | None, int | None]:
        """Best bid and ask."""
        return touch_e4(self.book(token_id))

    def both_e4(self, token_id: str) -> tuple[int, int]:
        """Best bid and ask, or 404 when a side is empty."""
        bid_e4, ask_e4 = self.best_e4(token_id)
        if bid_e4 is None or ask_e4 is None:
            raise not_found(NO_BOOK)
        return bid_e4, ask_e4

    def midpoint(self, wanted: _Wanted) -> dict[str, str]:
        """`mid`, with a half tick where the spread is odd."""
        bid_e4, ask_e4 = self.both_e4(wanted.token_id)
        return {"mid": _tenths((bid_e4 + ask_e4) * 5)}

    def spread(self, wanted: _Wanted) -> dict[str, str]:
        """Ask minus bid."""
        bid_e4, ask_e4 = self.both_e4(wanted.token_id)
        return {"spread": format_price(ask_e4 - bid_e4)}

    def price(self, wanted: _Wanted) -> dict[str, str]:
        """BUY is the best bid, SELL the best ask, "0" when there is none."""
        if wanted.side.upper() not in ("BUY", "SELL"):
            raise VenueError(400, "Invalid side")
        bid_e4, ask_e4 = self.best_e4(wanted.token_id)
        price_e4 = bid_e4 if wanted.side.upper() == "BUY" else ask_e4
        return {"price": format_price(price_e4 or 0)}

    def last_trade(self, wanted: _Wanted) -> dict[str, object]:
        """The last trade in this token's terms, "0.5" and no side before the first.

        A trade of the other token counts as well, as its complement: the book is one.
        """
        self.book(wanted.token_id)
        listing = self.listing(wanted.token_id, NO_BOOK)
        last = self._world.tape.last(listing.window.condition_id)
        if last is None:
            return {"price": "0.5", "side": ""}
        price_e4, side = last.seen_from(wanted.token_id)
        return {"price": format_price(price_e4), "side": side.value}

    def traded(self, wanted: _Wanted) -> dict[str, object]:
        """The same, or 404 before the first trade: the plural form has no row without a side."""
        row = self.last_trade(wanted)
        if not row["side"]:
            raise not_found(NO_BOOK)
        return row

    def tick_e4(self, listing: ListedWindow) -> int:
        """The market's tick now: the book knows it better than the listing."""
        book = self._world.venue.book(listing.window.up_token_id)
        return parse_price_e4(str(book["tick_size"])) if book else listing.window.tick_e4

    def listing(self, market_or_token: str, text: str) -> ListedWindow:
        """The window of a condition or token id, or 404."""
        listing = self._world.tradable(market_or_token)
        if listing is None:
            raise not_found(text)
        return listing

    def each(self, body: bytes, read: Callable[[_Wanted], T]) -> list[tuple[_Wanted, T]]:
        """A read of many tokens; those without a book are left out."""
        found = []
        for wanted in read_body(body, list[_Wanted]):
            try:
                found.append((wanted, read(wanted)))
            except VenueError as refusal:
                if refusal.status != 404:
                    raise
        return found


def market_routes(world: World) -> APIRouter:
    """All public CLOB paths."""
    router = APIRouter()
    reads = MarketReads(world)
    _add_server_routes(router, world)
    _add_price_routes(router, reads)
    _add_history_route(router, world)
    _add_market_routes(router, reads)
    return router


def _add_server_routes(router: APIRouter, world: World) -> None:
    @router.get("/ok")
    async def ok() -> Response:
        return answer("OK")

    @router.get("/version")
    async def version() -> Response:
        return answer({"version": 2})

    @router.get("/time")
    async def server_time() -> Response:
        return answer(world.now_ns() // NS_PER_S)


def _add_price_routes(router: APIRouter, reads: MarketReads) -> None:
    @router.get("/book")
    async def book(token_id: str) -> Response:
        return answer(reads.book(token_id))

    @router.post("/books")
    async def books(request: Request) -> Response:
        found = reads.each(await request.body(), lambda wanted: reads.book(wanted.token_id))
        return answer([book for _, book in found])

    def single(path: str, read: Callable[[_Wanted], object]) -> None:
        async def route(token_id: str, side: str = "") -> Response:
            return answer(read(_Wanted(token_id, side)))

        router.add_api_route(path, route, methods=["GET"])

    single("/midpoint", reads.midpoint)
    single("/spread", reads.spread)
    single("/price", reads.price)
    single("/last-trade-price", reads.last_trade)
    _add_plural_routes(router, reads)


def _add_plural_routes(router: APIRouter, reads: MarketReads) -> None:
    """The same prices for many tokens at once, by token id."""

    @router.post("/midpoints")
    async def midpoints(request: Request) -> Response:
        found = reads.each(await request.body(), reads.midpoint)
        return answer({wanted.token_id: row["mid"] for wanted, row in found})

    @router.post("/spreads")
    async def spreads(request: Request) -> Response:
        found = reads.each(await request.body(), reads.spread)
        return answer({wanted.token_id: row["spread"] for wanted, row in found})

    @router.post("/prices")
    async def prices(request: Request) -> Response:
        by_token: dict[str, dict[str, str]] = {}
        for wanted, row in reads.each(await request.body(), reads.price):
            by_token.setdefault(wanted.token_id, {})[wanted.side.upper()] = row["price"]
        return answer(by_token)

    @router.post("/last-trades-prices")
    async def last_trades(request: Request) -> Response:
        found = reads.each(await request.body(), reads.traded)
        return answer([{"token_id": wanted.token_id, **row} for wanted, row in found])


def _add_history_route(router: APIRouter, world: World) -> None:
    @router.get("/prices-history")
    async def prices_history(request: Request, market: str, fidelity: int = 1) -> Response:
        world.drain()
        now_s = world.now_ns() // NS_PER_S
        query = request.query_params
        start_s: int | None = 0
        end_s: int | None = now_s
        if "interval" in query:
            start_s = interval_start_s(query["interval"], now_s)
        elif "startTs" in query and "endTs" in query:
            start_s, end_s = (natural_of(query[name]) for name in ("startTs", "endTs"))
        else:
            start_s = None
        if start_s is None or end_s is None:
            raise VenueError(400, "invalid filters: interval, or startTs and endTs")
        return answer({"history": world.history.rows(market, start_s, end_s, max(fidelity, 0))})


def _add_market_routes(router: APIRouter, reads: MarketReads) -> None:
    @router.get("/tick-size")
    async def tick_size(token_id: str) -> Response:
        listing = reads.listing(token_id, NO_MARKET)
        return answer({"minimum_tick_size": reads.tick_e4(listing) / PRICE_ONE_E4})

    @router.get("/neg-risk")
    async def neg_risk(token_id: str) -> Response:
        return answer({"neg_risk": reads.listing(token_id, NO_MARKET).window.neg_risk})

    @router.get("/fee-rate")
    async def fee_rate(token_id: str) -> Response:
        reads.listing(token_id, "fee rate not found for market")
        return answer({"base_fee": LEGACY_FEE_BPS})

    @router.get("/clob-markets/{condition_id}")
    async def clob_market(condition_id: str) -> Response:
        listing = reads.listing(condition_id, NO_MARKET)
        return answer(_market_info(listing, reads.tick_e4(listing)))

    @router.get("/markets-by-token/{token_id}")
    async def market_by_token(token_id: str) -> Response:
        window = reads.listing(token_id, NO_MARKET).window
        first, second = sorted((window.up_token_id, window.down_token_id), key=int)
        return answer(
            {
                "condition_id": window.condition_id,
                "primary_token_id": first,
                "secondary_token_id": second,
            }
        )


def _market_info(listing: ListedWindow, tick_e4: int) -> dict[str, object]:
    window = listing.window
    return {
        "c": window.condition_id,
        "gst": None,
        "r": {"mi": 50, "ma": 4.5, "moas": 30},
        "t": [
            {"t": window.up_token_id, "o": "Up"},
            {"t": window.down_token_id, "o": "Down"},
        ],
        "mos": window.min_size_u6 // SHARE_U6,
        "mts": tick_e4 / PRICE_ONE_E4,
        "mbf": LEGACY_FEE_BPS,
        "tbf": LEGACY_FEE_BPS,
        "ao": listing.accepting_orders,
        "rfqe": False,
        "itode": True,
        "ibce": False,
        **({"v": "v2"} if window.protocol is Protocol.V2 else {}),
        "nr": window.neg_risk,
        "fd": {"r": 0.07, "e": 1, "to": True},
        "oas": 0,
    }


def _tenths(price_e5: int) -> str:
    return f"{price_e5 / (PRICE_ONE_E4 * 10):.5f}".rstrip("0")
