"""The laws of an engine of real processes, judged on the simulator's own records.

They are those of the simulated world (`pmtools.simulate.checkers`), as far as a process can be
seen from outside: the venue's audit, what stands in Redis, and `/state`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from redis.exceptions import RedisError

from pmcore.messages.execution import (
    CancelFailed,
    OrderAccepted,
    OrderCancelled,
    OrderFailed,
    OrderSubmitting,
)
from pmcore.messages.orders import SubmitOrder
from pmcore.messages.rotation import WindowAnnounced
from pmcore.model.errors import MalformedInputError
from pmcore.model.market import Outcome, Window
from pmcore.model.units import NS_PER_S, SHARE_U6, parse_qty_u6
from pmcore.wire import codec, keys
from support.chaos.chaos_engine import SERIES, ChaosEngine
from support.whole_engine import MAX_NET_DIFF

LOOK_EVERY_S = 0.25
KILL_GRACE_S = 3.0
OUTLIVE_S = 17.0
"""The venue's own dead-man's time, and its check's step: nobody has to be alive for it."""
ENDS = (OrderAccepted, OrderFailed, OrderCancelled, CancelFailed)


class Judge:
    """Looks at the venue all the time, and at the rest when everything is quiet."""

    def __init__(self, engine: ChaosEngine) -> None:
        self.problems: list[str] = []
        self.looks = 0
        self.orders = 0
        self.fills = 0
        self.lost_data = False
        self._engine = engine
        self._told: set[tuple[str, str]] = set()
        self._windows: dict[str, tuple[Window, Outcome]] = {}
        self._read: dict[str, str] = {}
        self._submits: set[str] = set()
        self._ends: dict[str, set[str]] = defaultdict(set)
        self._recorded: set[str] = set()
        self._known: set[str] = set()
        self._forgotten: set[str] = set()
        self._looked_s = 0.0  # when the last look began: what is new was placed after it

    def tell(self, law: str, subject: str, text: str) -> None:
        """A law did not hold; each law and subject once."""
        if (law, subject) not in self._told:
            self._told.add((law, subject))
            self.problems.append(f"{law}: {subject} {text}")

    def data_were_lost(self) -> None:
        """What stood in Redis until now cannot be asked for."""
        self.lost_data = True

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> dict[str, Any] | None:
        """What may never be seen at the venue."""
        asked_s = asyncio.get_running_loop().time()
        found = await self._engine.audit_now()
        if found is None:
            return None
        self.looks += 1
        for problem in found["unbalanced"]:
            self.tell("conserved", "venue", problem)
        for account in found["accounts"]:
            await self._judge_account(account, found["now_ns"], asked_s)
        self.orders = sum(len(account["orders"]) for account in found["accounts"])
        self.fills = found["fills"]
        return found

    async def _judge_account(self, account: dict[str, Any], now_ns: int, asked_s: float) -> None:
        tokens = {order["asset_id"] for order in account["open_orders"]}
        tokens |= set(account["positions"])
        if tokens - self._windows.keys():
            await self._learn_windows()
        self._no_taking(account)
        self._exposure(account)
        self._shares_have_trades(account)
        for order in account["open_orders"]:
            known = self._windows.get(order["asset_id"])
            if known and now_ns > known[0].close_ns + OUTLIVE_S * NS_PER_S:
                self.tell("outlives its window", order["id"][:12], f"of {known[0].slug} rests")
        self._killed(account, asked_s)

    def _no_taking(self, account: dict[str, Any]) -> None:
        for trade in account["trades"]:
            if trade["trader_side"] != "MAKER":
                self.tell("maker only", trade["id"], "an order of ours took")
        for order in account["orders"]:
            if order["side"] != "BUY":
                self.tell("buys only", order["id"][:12], "sells")

    def _exposure(self, account: dict[str, Any]) -> None:
        """Held, and held with all that rests of a side, stays below the net limit."""
        going: dict[str, int] = defaultdict(int)
        for order in account["open_orders"]:
            left_u6 = parse_qty_u6(order["original_size"]) - parse_qty_u6(order["size_matched"])
            going[order["asset_id"]] += left_u6
        held = {token: parse_qty_u6(size) for token, size in account["positions"].items()}
        for token, (window, outcome) in self._windows.items():
            net_u6 = held.get(token, 0) - held.get(window.token_id(outcome.complement), 0)
            if net_u6 >= MAX_NET_DIFF * SHARE_U6:
                self.tell("net limit", window.slug, f"holds {net_u6 / SHARE_U6:g} net")
            elif going[token] and net_u6 + going[token] >= MAX_NET_DIFF * SHARE_U6:
                most = (net_u6 + going[token]) / SHARE_U6
                self.tell("exposure", window.slug, f"{most:g} net if what rests is bought")

    def _shares_have_trades(self, account: dict[str, Any]) -> None:
        bought: dict[str, int] = defaultdict(int)
        for trade in account["trades"]:
            if not trade["status"].endswith("FAILED"):
                for maker in trade["maker_orders"]:
                    if maker["owner"] == account["owner"]:
                        bought[maker["asset_id"]] += parse_qty_u6(maker["matched_amount"])
        for token in bought.keys() | account["positions"].keys():
            held_u6 = parse_qty_u6(account["positions"].get(token, "0"))
            if held_u6 != bought[token]:
                text = f"holds {held_u6}, trades say {bought[token]}"
                self.tell("conserved", token[:12], text)

    def _killed(self, account: dict[str, Any], asked_s: float) -> None:
        """After a halt is in force nothing is placed."""
        orders = {order["id"] for order in account["orders"]}
        since_s = self._engine.killed_s
        deaf_s = self._engine.deaf_s
        new = orders - self._known
        if since_s is not None and new and self._looked_s > max(since_s, deaf_s) + KILL_GRACE_S:
            self.tell("kill", "executor", f"{len(new)} orders were taken while a halt was in force")
        self._known |= orders
        self._looked_s = asked_s

    # ---- what stands in Redis

    async def _learn_windows(self) -> None:
        for message in await self._new_entries(keys.rot(SERIES)):
            if isinstance(message, WindowAnnounced):
                window = message.window
                for outcome in Outcome:
                    self._windows[window.token_id(outcome)] = (window, outcome)

    async def _learn_commands(self) -> None:
        for message in await self._new_entries(keys.cmd(SERIES)):
            if isinstance(message, SubmitOrder):
                self._submits.add(message.client_order_id)
        for message in await self._new_entries(keys.exe(SERIES)):
            if isinstance(message, OrderSubmitting):
                self._recorded.add(message.order_hash)
            elif isinstance(message, ENDS):
                self._ends[message.client_order_id].add(type(message).__name__)

    async def _new_entries(self, stream: str) -> list[object]:
        after = self._read.get(stream, "-")
        try:
            rows: Any = await self._engine.direct.xrange(
                stream, f"({after}" if after != "-" else after
            )
        except (RedisError, OSError):
            return []
        if rows:
            self._read[stream] = rows[-1][0].decode()
        return list(_messages(rows))

    async def unended(self) -> list[str]:
        """Commands that have no end yet."""
        await self._learn_commands()
        return sorted(self._submits - self._ends.keys() - self._forgotten)

    # ---- at the end of a schedule, when everything has come to rest

    async def finish(self) -> None:
        """Judge what only quiet shows."""
        for client_id in await self.unended():
            if not self.lost_data:  # commands go with lost data
                self.tell("one end", client_id, "has none")
            self._forgotten.add(client_id)
        for client_id, ends in self._ends.items():
            if {"OrderAccepted", "OrderFailed"} <= ends:
                self.tell("one end", client_id, f"has {' and '.join(sorted(ends))}")
        found = await self.look()
        for account in (found or {"accounts": []})["accounts"]:
            for order in account["orders"]:
                if order["id"] not in self._recorded and not self.lost_data:
                    self.tell("record first", order["id"][:12], "is at the venue, never in exe")
                self._recorded.add(order["id"])
        for name in self._engine.children:
            if "InvariantError" in self._engine.log(name):
                self.tell("no crash", name, "broke an invariant")
        self.lost_data = False

    async def disagreements(self) -> list[str]:
        """What the strategy believes of its living windows, and the venue does not say."""
        state = (await self._engine.service("strategy").get("/state")).body
        found = await self._engine.audit_now()
        if not state or found is None:
            return ["nobody answers"]
        await self._learn_windows()
        held: dict[str, int] = defaultdict(int)
        for account in found["accounts"]:
            for token, size in account["positions"].items():
                held[token] += parse_qty_u6(size)
        differences = []
        views = state["windows"]
        for token, (window, outcome) in self._windows.items():
            if window.slug in views:
                believed = views[window.slug]["outcomes"][outcome.value]["qty"]
                if round(believed * SHARE_U6) != held[token]:
                    has = f"the venue has {held[token] / SHARE_U6:g}"
                    differences.append(f"{window.slug} {outcome.value}: {believed:g}, {has}")
        return differences


def _messages(rows: list[Any]) -> Iterator[object]:
    for _, fields in rows:
        try:
            yield codec.decode(fields[codec.FIELD_BODY])
        except (MalformedInputError, KeyError):
            continue
