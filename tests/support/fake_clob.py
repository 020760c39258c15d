"""A small CLOB on real HTTP that does what it is told: take, refuse, hang, drop, or lose answers.

It keeps orders by id and counts every request. `faults["POST /order"]` is a queue of functions
that stand in for the normal answer, one request each. Signatures are not checked here; the
simulator's own tests do that.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from pmcore.model.market import Protocol
from pmcore.venue.contracts import OrderContent, exchange_domain
from pmexecutor.signer import OrderSigner

SIGNER = OrderSigner(b"\x11" * 32)


class Reply(NamedTuple):
    """An HTTP answer, bytes as they are; `drop` closes the connection, `hang` never answers."""

    status: int = 200
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()
    drop: bool = False
    hang: bool = False


Fault = Callable[["FakeClob", Any], Reply]


def refuse(status: int, text: str, **headers: str) -> Fault:
    """An error answer; the order is not taken."""
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return lambda clob, body: Reply(status, {"error": text}, named)


def drop(clob: FakeClob, body: Any) -> Reply:
    """The request is swallowed and the connection closed."""
    del clob, body
    return Reply(drop=True)


def hang_after_taking(clob: FakeClob, body: Any) -> Reply:
    """The order is taken; the answer never comes."""
    clob.take_order(body)
    return Reply(hang=True)


def lose_answer(clob: FakeClob, body: Any) -> Reply:
    """The order is taken and the connection closed before the answer."""
    clob.take_order(body)
    return Reply(drop=True)


def fail_after_taking(clob: FakeClob, body: Any) -> Reply:
    """The order is taken; the answer is a 500."""
    clob.take_order(body)
    return Reply(500, {"error": "could not insert order"})


class FakeClob:
    """`async with FakeClob() as clob`; `clob.url` is where it listens."""

    def __init__(self) -> None:
        self.orders: dict[str, dict[str, Any]] = {}
        self.requests: Counter[str] = Counter()
        self.posted: list[str] = []
        self.faults: dict[str, deque[Fault]] = defaultdict(deque)
        self.changed = asyncio.Event()
        self.beats: list[str] = []
        self._ending = asyncio.Event()
        self.url = ""
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> FakeClob:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self._ending.set()
        for writer in tuple(self._open):
            writer.close()
        await self._server.wait_closed()

    @property
    def open_ids(self) -> list[str]:
        return [key for key, row in self.orders.items() if row["status"] == "ORDER_STATUS_LIVE"]

    def add_order(self, order_hash: str, market: str) -> None:
        """An order that rests and that nobody here placed."""
        self.orders[order_hash] = _row(order_hash, market, "11", "0.47", "5")

    def fill(self, order_hash: str) -> None:
        """The whole order is matched."""
        row = self.orders[order_hash]
        row["status"], row["size_matched"] = "ORDER_STATUS_MATCHED", row["original_size"]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to become true of this venue; bounded by the test's own timeout."""
        while not condition():
            self.changed.clear()
            await self.changed.wait()

    def take_order(self, body: Any) -> str:
        """Put an order on the book; its id is its digest, as at the venue."""
        order = body["order"]
        content = OrderContent(
            salt=order["salt"],
            maker=order["maker"],
            signer=order["signer"],
            token_id=int(order["tokenId"]),
            maker_amount=int(order["makerAmount"]),
            taker_amount=int(order["takerAmount"]),
            side=0,
            signature_type=order["signatureType"],
            timestamp_ms=int(order["timestamp"]),
        )
        domain = exchange_domain(137, Protocol.V1, neg_risk=False)
        order_hash = SIGNER.sign(content, domain).order_hash
        assert order_hash not in self.orders, "the same order was posted twice"
        price = int(order["makerAmount"]) / int(order["takerAmount"])
        size = int(order["takerAmount"]) / 1_000_000
        self.orders[order_hash] = _row(
            order_hash, self.market, order["tokenId"], f"{price:g}", f"{size:g}"
        )
        self.posted.append(order_hash)
        return order_hash

    market = "0x" + "ab" * 32

    # ---- HTTP --------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._one_request(reader, writer):
                pass
        self._open.discard(writer)
        writer.close()

    async def _one_request(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *rest = head.split("\r\n")
        method, target, _ = line.split(" ")
        lengths = [row.split(":")[1] for row in rest if row.lower().startswith("content-length:")]
        content = await reader.readexactly(int(lengths[0])) if lengths else b""
        path, _, query = target.partition("?")
        reply = self._answer(f"{method} {path}", query, json.loads(content or b"null"))
        self.changed.set()
        if reply.hang:
            await self._ending.wait()
        if reply.drop or reply.hang:
            return False
        raw = isinstance(reply.body, bytes)
        body = reply.body if raw else json.dumps(reply.body).encode()
        headers = "".join(f"{name}: {value}\r\n" for name, value in reply.headers)
        writer.write(
            f"HTTP/1.1 {reply.status} X\r\ncontent-length: {len(body)}\r\n{headers}\r\n".encode()
            + body
        )
        await writer.drain()
        return True

    def _answer(self, route: str, query: str, body: Any) -> Reply:
        self.requests[route.rpartition("/0x")[0] or route] += 1
        if self.faults[route]:
            return self.faults[route].popleft()(self, body)
        match route.split(" "):
            case [_, "/auth/derive-api-key"]:
                return Reply(body={"apiKey": "key", "secret": "c2VjcmV0", "passphrase": "phrase"})
            case ["POST", "/order"]:
                order_hash = self.take_order(body)
                return Reply(body=_taken(order_hash))
            case ["DELETE", "/orders"]:
                return Reply(body=self._cancel(body))
            case ["DELETE", "/cancel-all"]:
                return Reply(body=self._cancel(self.open_ids))
            case ["GET", "/data/orders"]:
                rows = [self.orders[key] for key in self.open_ids if self._wanted(key, query)]
                return Reply(body={"data": rows, "next_cursor": "LTE=", "limit": 100, "count": 1})
            case ["GET", "/data/trades"]:
                return Reply(body={"data": [], "next_cursor": "LTE=", "limit": 100, "count": 0})
            case ["GET", path] if path.startswith("/data/order/"):
                row = self.orders.get(path.removeprefix("/data/order/"))
                return Reply(body=row) if row else Reply(404, {"error": "Order not found"})
            case ["POST", "/v1/heartbeats"]:
                self.beats.append(body["heartbeat_id"])
                return Reply(body={"heartbeat_id": f"beat-{len(self.beats)}"})
            case _:
                return Reply(404, {"error": f"no such route: {route}"})

    def _wanted(self, order_hash: str, query: str) -> bool:
        return "market=" not in query or self.orders[order_hash]["market"] in query

    def _cancel(self, order_hashes: list[str]) -> dict[str, Any]:
        live = [key for key in order_hashes if key in self.open_ids]
        for key in live:
            self.orders[key]["status"] = "ORDER_STATUS_CANCELED"
        texts = {
            key: "Order already matched"
            if self.orders.get(key, {}).get("status") == "ORDER_STATUS_MATCHED"
            else "Order not found or already canceled"
            for key in order_hashes
            if key not in live
        }
        return {"canceled": live, "not_canceled": texts}


def _taken(order_hash: str) -> dict[str, Any]:
    return {
        "success": True,
        "errorMsg": "",
        "orderID": order_hash,
        "status": "live",
        "makingAmount": "",
        "takingAmount": "",
    }


def _row(order_hash: str, market: str, token_id: str, price: str, size: str) -> dict[str, Any]:
    return {
        "id": order_hash,
        "status": "ORDER_STATUS_LIVE",
        "owner": "key",
        "maker_address": SIGNER.address,
        "market": market,
        "asset_id": token_id,
        "side": "BUY",
        "original_size": size,
        "size_matched": "0",
        "price": price,
        "outcome": "Up",
        "expiration": "0",
        "order_type": "GTC",
        "associate_trades": [],
        "created_at": 1_790_000_000,
    }
