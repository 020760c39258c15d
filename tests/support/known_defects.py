"""Six defects that an earlier release had, each put back into today's code by a patch.

Each is what that release did, no more. `python -m support.known_defects` looks for the first seed
that finds each; `tests/simulation` runs it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
import pytest

from pmcore.engine.account.engine import AccountEngine
from pmcore.engine.execution import cancelling
from pmcore.engine.execution.records import MAX_RESOLVE_ATTEMPTS, OrderRecord
from pmcore.engine.strategy import decision
from pmcore.engine.strategy.orders import OrderBookkeeper
from pmcore.engine.strategy.session import MarketSession
from pmcore.machines import risk
from pmcore.machines.order_lifecycle import OrderState, OrderTrigger, OwnOrder
from pmcore.shell.service.kill_switch import KillSwitch
from pmcore.shell.service.tasks import retry_until_answered
from pmcore.wire import keys
from pmcore.wire.ports import Ack, Outgoing
from pmcore.wire.seen import Seen
from pmstrategy.runner import WindowRunner
from pmstrategy.sequence import SequenceWatch
from pmstrategy.user_channel import UserChannelBelief
from support.defects import BELIEF, LIMITS, Defect, search

_UNSEEN_FILL_TIMEOUTS = 10


def _quotes_before_its_own_fills(patch: pytest.MonkeyPatch) -> None:
    """A start goes to the loop at once: neither the stream's tail nor REST is waited for."""

    async def join(self: Any) -> None:
        await self._queue.put(await self._from_checkpoint())
        set_id = partial(self._bus.set_group_id, self._group, self._user, "0-0")
        await retry_until_answered(set_id)
        consumer = self._context.settings.consumer
        for stream in (self._exe, self._user):
            recover = partial(self._bus.recover, self._group, consumer, [stream])
            old = await retry_until_answered(recover)
            acks = [Ack(i.stream, self._group, i.entry_id) for i in old]
            await retry_until_answered(partial(self._bus.ack, acks))

    patch.setattr(WindowRunner, "_join", join)


def _silence_closes_orders(patch: pytest.MonkeyPatch) -> None:
    """An order that left the book is forgotten after a second without news of its fills."""

    def expire(self: Any, at_ns: int) -> None:
        for order in tuple(self._alive):
            if order.state.occupies_slot:
                continue
            unseen = order.venue_filled_u6 is not None and order.exposure_u6 > 0
            patience_ns = self._params.agree_timeout_ns * (_UNSEEN_FILL_TIMEOUTS if unseen else 1)
            if order.exposure_u6 == 0 or at_ns - order.changed_ns >= patience_ns:
                self.trigger(order, OrderTrigger.AGREED, at_ns)

    def close_all(self: Any, at_ns: int) -> None:
        for order in tuple(self._alive):
            if order.exposure_u6 == 0 or order.venue_filled_u6 is None:
                self.trigger(order, OrderTrigger.AGREED, at_ns)

    def exposure_u6(order: OwnOrder) -> int:
        if order.state.is_over or order.state is OrderState.GONE_BOTH:
            return 0
        if not order.state.occupies_slot and order.venue_filled_u6 is not None:
            return max(min(order.venue_filled_u6, order.size_u6) - order.filled_u6, 0)
        return order.leaves_u6

    patch.setattr(OrderBookkeeper, "settle_accounts", expire)
    patch.setattr(OrderBookkeeper, "close_all", close_all)
    patch.setattr(OrderBookkeeper, "prove_match", lambda *_: "")
    patch.setattr(OrderBookkeeper, "to_ask", lambda *_: [])
    patch.setattr(OrderBookkeeper, "unaccounted", lambda *_: [])
    patch.setattr(OwnOrder, "exposure_u6", property(exposure_u6))
    patch.setattr(OwnOrder, "owed_u6", property(lambda _: 0))
    patch.setattr(AccountEngine, "_mind_missing", lambda _: None)


def _replay_breaks_off(patch: pytest.MonkeyPatch) -> None:
    """A replay that broke off goes on behind the newest pending entry; any first number will do.

    Nor does a missing number make it read the stream again, and REST is not waited for.
    """

    async def resync_user(self: Any, _readers: Any) -> None:
        self._user_gap = False

    patch.setattr(Seen, "forget", lambda *_: None)
    patch.setattr(WindowRunner, "_resync_user", resync_user)
    patch.setattr(UserChannelBelief, "await_reads", lambda _: None)
    patch.setattr(SequenceWatch, "expect_whole", lambda *_: None)


def _kill_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Once Redis has a halt, `halt.json` goes, and what Redis loses is not written again."""

    async def save_untold(self: Any) -> None:
        await self._file.save([h for name, h in self._held.items() if name not in self._told])

    async def agree_with_redis(self: Any) -> None:
        untold = {name: h for name, h in self._held.items() if name not in self._told}
        if not untold:
            return
        newest = list(untold.values())[-1]
        account = self._account
        await self._bus.put(keys.halt(account), msgspec.json.encode(newest))
        await self._bus.publish([Outgoing(keys.ctl(account), halt) for halt in untold.values()])
        self._told.update(dict.fromkeys(untold))
        await save_untold(self)

    patch.setattr(KillSwitch, "_save_or_say", save_untold)
    patch.setattr(KillSwitch, "_agree_with_redis", agree_with_redis)


def _given_up_soon(patch: pytest.MonkeyPatch) -> None:
    """An order whose POST was not answered is given up after a few looks that do not find it."""

    def stays_absent(_state: Any, record: OrderRecord, _event: Any) -> bool:
        return record.attempts + 1 >= MAX_RESOLVE_ATTEMPTS

    patch.setattr(cancelling, "_stays_absent", stays_absent)


def _all_or_nothing_fails(patch: pytest.MonkeyPatch) -> None:
    """Limits hold if all matched fills stay and if none does; a mixture is not looked at."""
    refuse = risk.refuse

    def without_mixtures(
        new: Any, others: Any, views: Any, limits: Any, provisional: Any = None
    ) -> Any:
        return refuse(new, others, views, limits)

    def can_open(self: MarketSession) -> bool:
        views, limits = (self.inventory.working, self.inventory.settled), self.params.limits
        return all(view.can_open(limits) for view in views)

    patch.setattr(risk, "refuse", without_mixtures)
    patch.setattr(decision, "refuse", without_mixtures)
    patch.setattr(MarketSession, "can_open", property(can_open))


KNOWN_DEFECTS: dict[str, Defect] = {
    "a restarted strategy quotes before it has read its own fills": Defect(
        _quotes_before_its_own_fills,
        ("kill-9", "redis-slow-reads"),
        BELIEF,
        42,
    ),
    "a late or silent user channel lets the net pass its limit": Defect(
        _silence_closes_orders, ("late-frames", "silent"), LIMITS, 1
    ),
    "a fill is lost when a replay of the user stream breaks off": Defect(
        _replay_breaks_off, ("kill-9-reading",), BELIEF, 2
    ),
    "a kill is forgotten when Redis comes back empty": Defect(
        _kill_is_forgotten, ("kill-switch", "redis-empty", "kill-9"), ("kill",), 4
    ),
    "a POST arrives after it was given up": Defect(_given_up_soon, ("late-requests",), BELIEF, 12),
    "a mixture of matched fills fails": Defect(
        _all_or_nothing_fails, ("failed-trades",), LIMITS, 2
    ),
}


if __name__ == "__main__":
    search(KNOWN_DEFECTS)
