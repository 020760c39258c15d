"""A window engine's story: a market, an executor and a user channel that do everything they may."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pmcore.engine.strategy.engine import WindowEngine
from pmcore.machines.ofi_threshold import WarmStart
from pmcore.messages.control import Halt, Resume
from pmcore.messages.execution import (
    CancelFailed,
    FailureStage,
    OrderAccepted,
    OrderCancelled,
    OrderFailed,
    OrderSubmitting,
    OrderUnknown,
    VenueMode,
    VenueModeChanged,
    WindowFlat,
)
from pmcore.messages.market_data import FeedState, FeedStatusChanged
from pmcore.messages.notices import Notice
from pmcore.messages.orders import (
    CancelOrders,
    CancelWindow,
    CommandMessage,
    MergePairs,
    SubmitOrder,
)
from pmcore.messages.rotation import WindowAnnounced, WindowResolved
from pmcore.messages.timers import BatchEnded, Tick
from pmcore.messages.union import EngineEvent
from pmcore.messages.user import (
    FillReported,
    OrderUpdated,
    OrderUpdateKind,
    TradeStatus,
    UserChannelChanged,
    UserChannelState,
)
from pmcore.model.errors import Reason
from pmcore.model.market import Outcome
from pmcore.model.params import LimitParams, OfiMode, OfiParams, OfiScope, StrategyParams
from pmcore.model.units import NS_PER_MS, NS_PER_S
from support.stories.dice import Dice, text
from support.stories.market import StoryMarket
from support.venue_books import cent_window

SHARE = 1_000_000
LENGTH_S = 45


def strategy(seed: int) -> StrategyParams:
    """Limits loose enough for much to happen; each seed another corner."""
    ofi = OfiParams(
        threshold_u6=(200, 60, 40, 90)[seed % 4] * SHARE,
        mode=OfiMode.ADAPTIVE if seed % 3 == 2 else OfiMode.FIXED,
        scope=OfiScope.RISK_INCREASING if seed % 2 else OfiScope.GLOBAL,
        min_samples=10,
    )
    limits = LimitParams(
        max_net_diff_u6=(10, 16, 30)[seed % 3] * SHARE,
        max_position_value_u6=(20, 60, 100)[seed % 3] * SHARE,
        max_window_loss_u6=8 * SHARE if seed == 4 else None,
        max_daily_loss_u6=9 * SHARE if seed == 5 else None,
    )
    return StrategyParams(
        bid_size_u6=5 * SHARE,
        limits=limits,
        ofi=ofi,
        finest_tick_e4=25 if seed == 3 else 10,
        settle_grace_ns=20 * NS_PER_S,
        max_orders_per_window=60 if seed == 1 else 20_000,
    )


class Others:
    """The executor, the user channel, the feed and the operator."""

    def __init__(self, dice: Dice, market: StoryMarket) -> None:
        self._dice = dice
        self._market = market
        self._window = market.window
        self._orders: dict[str, SubmitOrder] = {}
        self._coming: list[tuple[int, int, EngineEvent]] = []
        self._trades: list[FillReported] = []
        self._count = 0
        self._left: dict[str, int] = {}

    def due(self, at_ns: int) -> list[EngineEvent]:
        """What arrives until now."""
        due = sorted(item[:2] for item in self._coming if item[0] <= at_ns)
        by_key = {item[:2]: item[2] for item in self._coming}
        self._coming = [item for item in self._coming if item[0] > at_ns]
        return [by_key[key] for key in due]

    def hear(self, at_ns: int, command: CommandMessage) -> None:
        """Answer a command, mostly as it should be."""
        slug = self._window.slug
        match command:
            case SubmitOrder():
                self._submit(at_ns, command)
            case CancelOrders(client_order_ids=order_ids):
                for order_id in order_ids:
                    self._cancel(at_ns, order_id)
            case MergePairs():
                raise AssertionError("no story merges")
            case CancelWindow():
                for order_id in list(self._orders)[-3:]:
                    self._cancel(at_ns, order_id)
                if self._dice.chance(80):
                    self._later(at_ns, WindowFlat(slug=slug, ts_exec_ns=at_ns), 300)

    def by_chance(self, at_ns: int) -> list[EngineEvent]:
        """Whatever else may be said."""
        dice, slug = self._dice, self._window.slug
        if dice.chance(6) and self._orders:
            self._fill(at_ns, dice.pick(list(self._orders)[-4:]))
        if dice.chance(10) and self._trades:
            self._settle(at_ns)
        roll = dice.upto(199)
        match roll:
            case 0:
                return [FeedStatusChanged(slug=slug, state=dice.pick(FeedState), ts_recv_ns=at_ns)]
            case 1 | 2 | 3 | 4:
                live = FeedStatusChanged(slug=slug, state=FeedState.LIVE, ts_recv_ns=at_ns)
                up = UserChannelChanged(state=UserChannelState.UP, ts_recv_ns=at_ns)
                return [live, up, Resume(by="x", ts_recv_ns=at_ns)]
            case 5:
                return [UserChannelChanged(state=dice.pick(UserChannelState), ts_recv_ns=at_ns)]
            case 6:
                return [Halt(reason=dice.pick(("", "drill")), by="x", ts_recv_ns=at_ns)]
            case 7 | 8:
                until_ns = dice.maybe(80, at_ns + dice.upto(3) * NS_PER_S)
                mode = dice.pick(VenueMode)
                return [VenueModeChanged(slug=slug, mode=mode, until_ns=until_ns, ts_exec_ns=at_ns)]
            case 9:
                return [WindowAnnounced(window=self._window, ts_recv_ns=at_ns)]
            case 10:
                return [WindowResolved(slug="other", winner=Outcome.UP, ts_recv_ns=at_ns)]
            case 11 | 12 | 13 if self._orders:
                return [self._update(at_ns, dice.pick(self._orders), dice.pick(OrderUpdateKind))]
            case 14:
                return [self._failure(at_ns, "never-made")]
            case _:
                return []

    def _later(self, at_ns: int, event: EngineEvent, most_ms: int = 150) -> None:
        self._count += 1
        self._coming.append((at_ns + self._dice.upto(most_ms) * NS_PER_MS, self._count, event))

    def _submit(self, at_ns: int, order: SubmitOrder) -> None:
        self._orders[order.client_order_id] = order
        named = {
            "slug": order.slug,
            "client_order_id": order.client_order_id,
            "order_hash": _hash(order.client_order_id),
            "ts_exec_ns": at_ns,
        }
        roll = self._dice.upto(99)
        if roll < 92:
            self._later(at_ns, OrderSubmitting(**named), 20)  # type: ignore[arg-type] # one dict
        if roll < 70:
            self._later(at_ns + 20 * NS_PER_MS, OrderAccepted(**named))  # type: ignore[arg-type]
        elif roll < 78:
            reason = self._dice.pick(Reason)
            self._later(at_ns, OrderUnknown(**named, reason=reason))  # type: ignore[arg-type]
        elif roll < 96:
            self._later(at_ns, self._failure(at_ns, order.client_order_id))
        if self._dice.chance(60):
            kind = OrderUpdateKind.PLACEMENT
            self._later(at_ns, self._update(at_ns, order.client_order_id, kind))

    def _failure(self, at_ns: int, order_id: str) -> OrderFailed:
        fatal_too = self._dice.chance(2)
        usual = (Reason.POST_ONLY_CROSSES, Reason.BALANCE, Reason.EXPIRED, Reason.VENUE_ERROR)
        return OrderFailed(
            slug=self._window.slug,
            client_order_id=order_id,
            stage=self._dice.pick(FailureStage),
            reason=self._dice.pick(Reason if fatal_too else usual),
            text="why",
            order_hash=self._dice.pick(("", _hash(order_id))),
            ts_exec_ns=at_ns,
        )

    def _cancel(self, at_ns: int, order_id: str) -> None:
        slug, roll = self._window.slug, self._dice.upto(99)
        if roll < 75:
            done = OrderCancelled(
                slug=slug,
                client_order_id=order_id,
                order_hash=_hash(order_id),
                filled_u6=self._dice.maybe(40, self._dice.upto(5) * SHARE),
                ts_exec_ns=at_ns,
            )
            self._later(at_ns, done)
        elif roll < 90:
            reason = self._dice.pick((Reason.ALREADY_MATCHED, Reason.NOT_FOUND, Reason.TIMEOUT))
            failed = CancelFailed(
                slug=slug, client_order_id=order_id, reason=reason, ts_exec_ns=at_ns
            )
            self._later(at_ns, failed)
        if order_id in self._orders and self._dice.chance(70):
            kind = OrderUpdateKind.CANCELLATION
            self._later(at_ns, self._update(at_ns, order_id, kind), 1_500)

    def _update(self, at_ns: int, order_id: str, kind: OrderUpdateKind) -> OrderUpdated:
        order = self._orders[order_id]
        known = self._dice.chance(95)
        return OrderUpdated(
            kind=kind,
            order_hash=_hash(order_id) if known else "0xforeign",
            condition_id=self._window.condition_id if self._dice.chance(97) else "other",
            token_id=self._window.token_id(order.outcome),
            price_e4=order.price_e4,
            original_u6=order.size_u6,
            matched_u6=self._dice.maybe(70, self._dice.pick((0, 0, 0, 2, 5)) * SHARE),
            ts_event_ns=at_ns,
            ts_recv_ns=at_ns,
        )

    def _fill(self, at_ns: int, order_id: str) -> None:
        order = self._orders[order_id]
        outcome = order.outcome
        left_u6 = self._left.get(order_id, order.size_u6)
        size_u6 = min(left_u6, self._dice.pick((1, 2, 5)) * SHARE)
        if not size_u6:
            return
        self._left[order_id] = left_u6 - size_u6
        fill = FillReported(
            trade_id=f"t{len(self._trades)}",
            order_hash=_hash(order_id),
            condition_id=self._window.condition_id if self._dice.chance(97) else "other",
            token_id=self._window.token_id(outcome) if self._dice.chance(98) else "9",
            price_e4=order.price_e4,
            size_u6=size_u6,
            status=TradeStatus.MATCHED,
            ts_event_ns=at_ns,
            ts_recv_ns=at_ns,
        )
        self._trades.append(fill)
        self._later(at_ns, fill)

    def _settle(self, at_ns: int) -> None:
        known = self._dice.pick(self._trades[-6:])
        usual = (TradeStatus.MINED, TradeStatus.CONFIRMED, TradeStatus.MATCHED)
        status = self._dice.pick(TradeStatus if self._dice.chance(20) else usual)
        size_u6 = known.size_u6 + (SHARE if self._dice.chance(3) else 0)
        told = msgspec.structs.replace(known, status=status, size_u6=size_u6)
        self._later(at_ns, told)


def _hash(order_id: str) -> str:
    return f"0x{order_id}"


def trading() -> Iterator[str]:
    """Short windows, each from before its open to its end."""
    for seed in range(12):
        yield from _one_window(seed)


def _one_window(seed: int) -> Iterator[str]:
    dice = Dice(200 + seed)
    window = msgspec.structs.replace(cent_window(), slug=f"story-{seed}")
    window = msgspec.structs.replace(window, close_ns=window.open_ns + LENGTH_S * NS_PER_S)
    market = StoryMarket(dice, window, wrong_percent=(0, 1)[seed % 2])
    others = Others(dice, market)
    warm = {outcome: WarmStart(((3, 5), (), (SHARE,))) for outcome in Outcome}
    engine = WindowEngine(window, strategy(seed), "run", warm_start=warm, prior_loss_u6=3 * SHARE)
    at_ns = window.open_ns - 2 * NS_PER_S
    start = UserChannelChanged(state=UserChannelState.UP, ts_recv_ns=at_ns)
    events: list[EngineEvent] = [start, *(market.snapshot(o, at_ns) for o in Outcome)]
    resolved = False
    for number in range(4_000):
        for event in (*(events or [Tick()]), BatchEnded()):
            for output in engine.step(at_ns, event):
                yield f"{at_ns - window.open_ns} {text(output)}"
                if not isinstance(output, Notice):
                    others.hear(at_ns, output)
        if number % 20 == 0:
            yield text(engine.view(), engine.counters)
        if engine.finished:
            break
        at_ns += dice.pick((10, 20, 40, 60, 120)) * NS_PER_MS
        ended = at_ns >= window.close_ns
        if ended:
            at_ns += NS_PER_S
        events = others.due(at_ns) + others.by_chance(at_ns)
        events += [] if ended else market.frames(at_ns)
        if ended and not resolved and at_ns > window.close_ns + 5 * NS_PER_S:
            resolved = True
            winner = dice.maybe(80, dice.pick(Outcome))
            events.append(WindowResolved(slug=window.slug, winner=winner, ts_recv_ns=at_ns))
    yield text(engine.finished, engine.fingerprint, engine.warm_start())
