"""What goes wrong in an engine of real processes, and when: a schedule, drawn by seed."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from redis.exceptions import RedisError

from pmcore.model.units import NS_PER_S
from pmtools.run.plan import SERVICES
from support.chaos.chaos_engine import WINDOW_S, ChaosEngine, NotYet

LAST_BEGIN_S = 10.0
INSIST_S = 60.0
HALF = 500_000
Act = Callable[[ChaosEngine, "Fault"], Awaitable[None]]


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Begins at `at_s` of its schedule, lasts `lasts_s`. `amount`: what the kind says."""

    at_s: float
    kind: str
    target: str
    lasts_s: float
    amount: float

    def __str__(self) -> str:
        target = f" {self.target}" if self.target else ""
        amount = f" {self.amount:g}" if self.amount else ""
        return f"{self.at_s:.2f} s: {self.kind}{target}{amount} for {self.lasts_s:.2f} s"


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """What is drawn for a seed. `at_rotation`: it begins shortly before a window ends."""

    seed: int
    at_rotation: bool
    faults: list[Fault]
    kill_at: str
    """The service at which the operator kills at the end."""

    def __str__(self) -> str:
        start = "before a rotation" if self.at_rotation else "at any time"
        return "; ".join([f"seed {self.seed}, {start}", *map(str, self.faults)])


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of fault: whom it may strike, how long and how much, how it begins and ends."""

    says: str
    begin: Act
    end: Act
    targets: Sequence[str] = ("",)
    lasts_s: tuple[float, float] = (0.5, 6.0)
    amounts: Sequence[float] = (0.0,)
    deafens: bool = False
    """A halt may not reach the executor meanwhile."""
    loses_data: bool = False


async def _nothing(_engine: ChaosEngine, _fault: Fault) -> None:
    """What is over at once has no end."""


async def _kill(engine: ChaosEngine, fault: Fault) -> None:
    await engine.kill_9(fault.target)


async def _revive(engine: ChaosEngine, fault: Fault) -> None:
    await engine.revive(fault.target)


async def _freeze(engine: ChaosEngine, fault: Fault) -> None:
    engine.signal(fault.target, signal.SIGSTOP)


async def _thaw(engine: ChaosEngine, fault: Fault) -> None:
    engine.signal(fault.target, signal.SIGCONT)


async def _redis_dies(engine: ChaosEngine, _: Fault) -> None:
    await asyncio.to_thread(engine.server.kill)


async def _redis_returns(engine: ChaosEngine, _: Fault) -> None:
    engine.server.start()


async def _redis_returns_empty(engine: ChaosEngine, _: Fault) -> None:
    engine.server.forget()
    engine.server.start()


async def _flush(engine: ChaosEngine, _: Fault) -> None:
    await engine.direct.flushall()


def _fill(limit: str) -> Act:
    async def act(engine: ChaosEngine, _: Fault) -> None:
        await engine.direct.config_set("maxmemory", limit)

    return act


def _links(engine: ChaosEngine, fault: Fault) -> Any:
    where, _, name = fault.target.partition(":")
    return (engine.to_redis if where == "redis" else engine.to_venue)[name]


async def _cut(engine: ChaosEngine, fault: Fault) -> None:
    _links(engine, fault).cut()


async def _silence(engine: ChaosEngine, fault: Fault) -> None:
    _links(engine, fault).silence()


async def _slow(engine: ChaosEngine, fault: Fault) -> None:
    _links(engine, fault).delay_s = fault.amount


async def _mend(engine: ChaosEngine, fault: Fault) -> None:
    _links(engine, fault).mend()


async def _slow_redis(engine: ChaosEngine, fault: Fault) -> None:
    for link in engine.to_redis.values():
        link.delay_s = fault.amount


async def _quick_redis(engine: ChaosEngine, _: Fault) -> None:
    for link in engine.to_redis.values():
        link.delay_s = 0.0


async def _operator_kills(engine: ChaosEngine, fault: Fault) -> None:
    await engine.kill("drill", fault.target)


async def _operator_resumes(engine: ChaosEngine, _: Fault) -> None:
    await engine.resume()


async def _disconnect(engine: ChaosEngine, fault: Fault) -> None:
    await engine.ask_simulator("/sim/disconnect", {"channel": fault.target})


async def _tick(engine: ChaosEngine, _: Fault) -> None:
    start_s = engine.clock.now_ns() // NS_PER_S // WINDOW_S * WINDOW_S
    market = f"btc-updown-{WINDOW_S}s-{start_s}"
    await engine.ask_simulator("/sim/tick", {"market": market, "tick_size": "0.001"})


async def _shut_out(engine: ChaosEngine, fault: Fault) -> None:
    found = await engine.audit_now()
    wallets = [one["maker_address"] for one in (found or {"accounts": []})["accounts"]]
    await engine.plan(fault.kind, {fault.target: wallets})


def _plan(says: str, **fields: object) -> Kind:
    """Something that the simulator does when it is asked over HTTP."""

    async def begin(engine: ChaosEngine, fault: Fault) -> None:
        await engine.plan(fault.kind, fields)

    return Kind(says=says, begin=begin, end=_end_plan)


async def _end_plan(engine: ChaosEngine, fault: Fault) -> None:
    await engine.plan(fault.kind, None)


def _frames(says: str, **fields: object) -> Mapping[str, Kind]:
    """The same fault for each of the two channels."""
    name = "-".join(says.split()[:2])
    return {
        f"{channel}-{name}": _plan(f"{channel} channel: {says}", **{channel: fields})
        for channel in ("market", "user")
    }


def _refusal(status: int, text: str, *, retry_after_s: int = 0) -> Kind:
    script = {"status": status, "text": text, "count": 3, "retry_after_s": retry_after_s}
    return _plan(f"three orders are answered {status}", refusals=[script])


_ENDS = tuple(f"{where}:{name}" for where in ("redis", "venue") for name in SERVICES)
_ENDS_USED = tuple(end for end in _ENDS if end != "venue:strategy")

KINDS: dict[str, Kind] = {
    "kill-9": Kind(
        deafens=True, says="killed, and started again", targets=SERVICES, begin=_kill, end=_revive
    ),
    "freeze": Kind(
        deafens=True,
        says="stopped and continued",
        targets=SERVICES,
        lasts_s=(0.5, 12.0),
        begin=_freeze,
        end=_thaw,
    ),
    "freeze-redis": Kind(
        deafens=True, says="Redis does not answer", targets=("redis",), begin=_freeze, end=_thaw
    ),
    "freeze-venue": Kind(
        says="the venue does not answer", targets=("simulator",), begin=_freeze, end=_thaw
    ),
    "redis-restart": Kind(
        deafens=True,
        says="Redis dies, and finds its data again",
        begin=_redis_dies,
        end=_redis_returns,
    ),
    "redis-empty": Kind(
        deafens=True,
        says="Redis dies, and comes back empty",
        begin=_redis_dies,
        end=_redis_returns_empty,
        loses_data=True,
    ),
    "redis-flush": Kind(deafens=True, says="FLUSHALL", begin=_flush, end=_nothing, loses_data=True),
    "redis-full": Kind(
        deafens=True, says="Redis writes nothing more", begin=_fill("1"), end=_fill("0")
    ),
    "redis-slow": Kind(
        deafens=True,
        says="everything to and from Redis takes long (s)",
        amounts=(0.05, 0.2, 0.6),
        begin=_slow_redis,
        end=_quick_redis,
    ),
    "cut": Kind(
        deafens=True,
        says="connections break, and none can be made",
        targets=_ENDS_USED,
        lasts_s=(0.5, 10.0),
        begin=_cut,
        end=_mend,
    ),
    "silence": Kind(
        deafens=True,
        says="connections stay, nothing passes",
        targets=_ENDS_USED,
        begin=_silence,
        end=_mend,
    ),
    "slow-link": Kind(
        deafens=True,
        says="everything takes long (s)",
        targets=_ENDS_USED,
        amounts=(0.1, 0.5, 1.5),
        begin=_slow,
        end=_mend,
    ),
    "operator": Kind(
        says="an operator kills at a service, and resumes later",
        targets=SERVICES,
        begin=_operator_kills,
        end=_operator_resumes,
    ),
    "disconnect": Kind(
        says="the venue closes WebSockets",
        targets=("market", "user", "all"),
        begin=_disconnect,
        end=_nothing,
    ),
    "tick": Kind(says="the tick becomes 0.001", begin=_tick, end=_nothing),
    "shut-out": Kind(
        says="the venue refuses the wallet's orders",
        targets=("banned", "not_allowed"),  # closed_only: nothing is quoted for 300 s, rightly
        begin=_shut_out,
        end=_end_plan,
    ),
    "mode-restart": _plan("the venue answers 425", mode="restart"),
    "mode-post-only": _plan("post-only orders only", mode="post_only"),
    "mode-cancel-only": _plan("no new orders", mode="cancel_only"),
    "mode-disabled": _plan("no trading", mode="disabled"),
    "lose-answers": _plan("answers to POSTs are lost", transport={"lose_response_ppm": HALF}),
    "late-500": _plan("a POST is taken, then answered 500", transport={"error_after_ppm": HALF}),
    "slow-venue": _plan("requests wait 2 s", transport={"slow_ppm": HALF}),
    "refuse": _plan("no connection can be made", transport={"refuse_connections": True}),
    "short-sockets": _plan("each WebSocket lives 1 s", transport={"disconnect_every_s": 1}),
    "failed-trades": _plan("a third of the trades fails", failed_ppm=330_000),
    "retried-trades": _plan("half of the trades is retried", retried_ppm=HALF),
    "phantom": _plan("bought shares stay locked", phantom_ppm=HALF, phantom_s=5),
    "no-maker-side": _plan("trades do not say the maker's side", omit_maker_side_ppm=HALF),
    "no-size-matched": _plan("orders do not say what was matched", empty_size_matched_ppm=HALF),
    "late-winner": _plan("the winner is known late", resolve_delay_ms=8_000),
    "late-listing": _plan("the CLOB knows a window late", hydrate_lead_s=1),
    "end-sweep": _plan("stale quotes are taken after the end", end_sweep_shares=50),
    "refused-400": _refusal(400, "invalid order"),
    "refused-403": _refusal(403, "<html>forbidden</html>"),
    "refused-429": _refusal(429, "too many requests", retry_after_s=120),
    "refused-503": _refusal(503, "<html>unavailable</html>"),
    **_frames("silent", silent=True),
    **_frames("lost frames", drop_ppm=200_000),
    **_frames("frames twice", duplicate_ppm=HALF),
    **_frames("frames late", delay_ppm=HALF, delay_ms=3_000),
    **_frames("frames swapped", reorder_ppm=HALF),
}


def draw_schedule(seed: int) -> Schedule:
    """One to four faults; each kind comes as often as the others."""
    chance = random.Random(f"{seed}/chaos")
    names = list(KINDS)
    first = names[seed % len(names)]  # so that so many schedules have every kind
    chosen = [first, *(chance.choice(names) for _ in range(chance.randint(0, 3)))]
    faults = []
    for name in dict.fromkeys(chosen):
        kind = KINDS[name]
        faults.append(
            Fault(
                at_s=round(chance.uniform(0.5, LAST_BEGIN_S), 2),
                kind=name,
                target=chance.choice(list(kind.targets)),
                lasts_s=round(chance.uniform(*kind.lasts_s), 2),
                amount=chance.choice(list(kind.amounts)),
            )
        )
    redis = ("redis-restart", "redis-empty")  # there is one server to kill
    if sum(fault.kind in redis for fault in faults) > 1:
        faults = [fault for fault in faults if fault.kind != redis[0]]
    return Schedule(
        seed=seed,
        at_rotation=chance.random() < 0.5,
        faults=sorted(faults, key=lambda fault: fault.at_s),
        kill_at=chance.choice(SERVICES),
    )


async def carry_out(engine: ChaosEngine, fault: Fault) -> None:
    """One fault from its beginning to its end, whatever happens."""
    kind = KINDS[fault.kind]
    await asyncio.sleep(fault.at_s)
    await _insist(partial(kind.begin, engine, fault))
    over_s = asyncio.get_running_loop().time() + fault.lasts_s
    while (now_s := asyncio.get_running_loop().time()) < over_s:
        if kind.deafens:
            engine.deaf_s = now_s
        await asyncio.sleep(min(0.1, over_s - now_s))
    await _insist(partial(kind.end, engine, fault))
    if kind.deafens:
        engine.deaf_s = asyncio.get_running_loop().time()


async def _insist(act: Callable[[], Awaitable[None]]) -> None:
    """Other faults may be in the way, such as a Redis that is away."""
    over_s = asyncio.get_running_loop().time() + INSIST_S
    while True:
        try:
            return await act()
        except (RedisError, NotYet):
            if asyncio.get_running_loop().time() > over_s:
                raise
            await asyncio.sleep(0.2)
