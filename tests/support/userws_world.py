"""A userws service in this process, on a memory bus, against the tiny venue."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

from pydantic import SecretStr

from pmcore.messages.user import OrderUpdateKind, TradeStatus, UserChannelChanged, UserChannelState
from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_MS, NS_PER_S
from pmcore.shell.clock import Clock
from pmcore.shell.service.logs import configure_logs
from pmcore.shell.service.metrics import ServiceMetrics
from pmcore.shell.service.process import ServiceContext
from pmcore.venue.l2_auth import l2_signature
from pmcore.wire import keys
from pmcore.wire.codec import decode_entry
from pmsim.bus.memory_bus import MemoryBus, MemoryStore
from pmsim.venue.payloads import open_order_row, order_frame, trade_frame, trade_row
from pmsim.venue.ports import Account, MakerFill, OrderSide, TradeRecord, VenueOrder
from pmuserws.service import UserwsService
from pmuserws.settings import UserwsSettings
from support.fake_market import FakeMarket
from support.venue_peer import PeerSocket, VenuePeer, eventually

ACCOUNT = "main"
KEY, PASSPHRASE = "api-key-1", "api-phrase"
SECRET = base64.urlsafe_b64encode(b"0123456789abcdef0123456789abcdef").decode()
ADDRESS = f"0x{'a1' * 20}"
ME = Account(owner=KEY, maker_address=ADDRESS)
WINDOW = FakeMarket("btc-updown-15m-1790766900").window

MessageT = TypeVar("MessageT")


class UserwsWorld:
    def __init__(self, peer: VenuePeer, data_dir: Path) -> None:
        self.peer = peer
        self.data_dir = data_dir
        self.logs = io.StringIO()
        self.clock = Clock.starting_at(WINDOW.open_ns + 60 * NS_PER_S, 1.0)
        self.store = MemoryStore(self.clock.now_ns)
        self.open_orders: list[Any] = []
        self.trades: list[Any] = []
        self.positions: list[Any] = []
        self.page_size = 2
        self.balance_u6 = 1_000_000_000
        self.balance_asked: list[Any] = []
        peer.routes |= {
            "/data/orders": lambda *asked: self._page("/data/orders", self.open_orders, *asked),
            "/data/trades": lambda *asked: self._page("/data/trades", self.trades, *asked),
            "/v2/positions": self._positions_page,
            "/balance-allowance": self._balance,
        }

    def run_faster(self, speed: float) -> None:
        """Before `running`: the service's waits are this much shorter."""
        self.clock = Clock.starting_at(WINDOW.open_ns + 60 * NS_PER_S, speed)

    def _is_signed(self, path: str, headers: Any) -> bool:
        expected = l2_signature(SECRET, int(headers["poly_timestamp"]), "GET", path)
        who = (headers["poly_address"], headers["poly_api_key"], headers["poly_passphrase"])
        return bool(headers["poly_signature"] == expected and who == (ADDRESS, KEY, PASSPHRASE))

    def _balance(self, params: Any, headers: Any) -> tuple[int, Any]:
        if not self._is_signed("/balance-allowance", headers):
            return 401, {"error": "Unauthorized/Invalid api key"}
        self.balance_asked.append(dict(params))
        return 200, {"balance": str(self.balance_u6), "allowances": {}}

    def _page(self, path: str, rows: list[Any], params: Any, headers: Any) -> tuple[int, Any]:
        if not self._is_signed(path, headers):
            return 401, {"error": "Unauthorized/Invalid api key"}
        cursor = base64.b64decode(params["next_cursor"]).decode()
        start = 0 if params["next_cursor"] == "MA==" else int(cursor)
        end = start + self.page_size
        more = base64.b64encode(str(end).encode()).decode() if end < len(rows) else "LTE="
        return 200, {"data": rows[start:end], "next_cursor": more, "limit": self.page_size}

    def _positions_page(self, params: Any, _headers: Any) -> tuple[int, Any]:
        if params["user"] != ADDRESS:
            return 400, {"error": "invalid user"}
        start = int(params.get("cursor", 0))
        end = start + self.page_size
        more = end < len(self.positions)
        pages = {"has_more": more, "next_cursor": str(end) if more else None}
        return 200, {"data": self.positions[start:end], "pagination": pages}

    @asynccontextmanager
    async def running(self, **settings: Any) -> AsyncIterator[UserwsService]:
        values = {
            "dry_run": False,
            "api_key": SecretStr(KEY),
            "api_secret": SecretStr(SECRET),
            "api_passphrase": SecretStr(PASSPHRASE),
            "address": ADDRESS,
            "rest_url": self.peer.http_url,
            "data_url": self.peer.http_url,
            "ws_base_url": self.peer.ws_url,
            "data_dir": self.data_dir,
            **settings,
        }
        service = UserwsService(
            ServiceContext(
                settings=UserwsSettings(**values),
                clock=self.clock,
                bus=MemoryBus(self.store, source="userws", run_id="r"),
                metrics=ServiceMetrics("userws", version="1", mode="live"),
                log=configure_logs("userws", "debug", self.logs),
                run_id="r",
            )
        )
        self.task = asyncio.create_task(service.run())
        try:
            yield service
        finally:
            self.task.cancel()
            await asyncio.wait({self.task})
            await service.stop()
        if not self.task.cancelled():
            self.task.result()

    def messages(self, kind: type[MessageT]) -> list[MessageT]:
        key = keys.user(ACCOUNT)
        entries = self.store.stream(key)
        ids = entries.after((0, 0), 100_000)
        decoded = [decode_entry(key, "", entries.fields(entry_id)) for entry_id in ids]
        return [item.message for item in decoded if isinstance(item.message, kind)]

    def states(self) -> list[UserChannelState]:
        return [message.state for message in self.messages(UserChannelChanged)]

    async def state(self, *expected: UserChannelState) -> None:
        """Wait until these were the last states told; each reading of REST tells UP again."""

        def told() -> bool:
            states = [state for state, _ in groupby(self.states())]
            return states[-len(expected) :] == list(expected)

        await eventually(told, f"states {expected}")

    async def connected(self) -> PeerSocket:
        socket = await self.peer.socket()
        assert socket.path == "/ws/user"
        await socket.hello()
        await self.state(UserChannelState.RECONCILING, UserChannelState.UP)
        return socket

    def trade(self, trade_id: str, status: TradeStatus, *, age_ms: int = 0) -> TradeRecord:
        """A mint: the taker buys DOWN against our bid for UP; another maker is in it too."""
        now_ns = self.clock.now_ns() - age_ms * NS_PER_MS
        return TradeRecord(
            trade_id=trade_id,
            taker_order_hash="0xtaker",
            taker=Account(owner="taker-key", maker_address=f"0x{'bb' * 20}"),
            condition_id=WINDOW.condition_id,
            token_id=WINDOW.down_token_id,
            outcome=Outcome.DOWN,
            side=OrderSide.BUY,
            price_e4=5300,
            size_u6=12_000_000,
            status=status.value.upper(),
            matched_ns=now_ns,
            updated_ns=now_ns,
            makers=(
                _maker("0xours", ME, 5_000_000),
                _maker("0xtheirs", Account(owner="other", maker_address="0xcc"), 7_000_000),
            ),
        )

    def trade_frame(self, trade_id: str, status: TradeStatus = TradeStatus.MATCHED) -> Any:
        trade = self.trade(trade_id, status)
        return trade_frame(trade, KEY, trade.updated_ns)

    def trade_row(
        self, trade_id: str, status: TradeStatus = TradeStatus.MATCHED, *, age_ms: int = 0
    ) -> Any:
        return trade_row(self.trade(trade_id, status, age_ms=age_ms), KEY)

    def order(self, matched_u6: int = 0) -> VenueOrder:
        return VenueOrder(
            order_hash="0xours",
            account=ME,
            condition_id=WINDOW.condition_id,
            token_id=WINDOW.up_token_id,
            outcome=Outcome.UP,
            side=OrderSide.BUY,
            price_e4=4700,
            original_u6=5_000_000,
            matched_u6=matched_u6,
            created_ns=self.clock.now_ns(),
        )

    def order_frame(self, kind: OrderUpdateKind, matched_u6: int = 0) -> Any:
        return order_frame(self.order(matched_u6), kind, self.clock.now_ns())

    def order_row(self, matched_u6: int = 0) -> Any:
        return open_order_row(self.order(matched_u6))


def _maker(order_hash: str, account: Account, size_u6: int) -> MakerFill:
    return MakerFill(
        order_hash=order_hash,
        account=account,
        token_id=WINDOW.up_token_id,
        outcome=Outcome.UP,
        side=OrderSide.BUY,
        price_e4=4700,
        size_u6=size_u6,
    )
