"""What goes wrong in a simulated world, and when: a schedule, drawn by seed or given as JSON."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from pmcore.model.units import NS_PER_S, SHARE_U6
from pmsim.faults.plan import TradingMode
from pmtools.simulate.bus import ROUND_TRIP_S
from pmtools.simulate.checkers import PHANTOM_U6
from pmtools.simulate.host import RESTART_S
from pmtools.simulate.network import LinkFaults, PostMoment
from pmtools.simulate.world import SeededWorld

SERVICES = ("feed", "userws", "executor", "strategy")
TRADERS = ("executor", "userws")
HALF = 500_000
POSITIONS = "/v2/positions"
STRIKES_WITHIN_S = 12.0
"""A fault that waits for its moment is gone when none came: nothing strikes a world at rest."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Begins at `at_s` (virtual seconds), lasts `lasts_s`. `amount`: what the kind says."""

    at_s: float
    kind: str
    target: str = ""
    lasts_s: float = 0.0
    amount: float = 0.0

    def __str__(self) -> str:
        target = f" {self.target}" if self.target else ""
        amount = f" {self.amount:g}" if self.amount else ""
        return f"{self.at_s:.3f} s: {self.kind}{target}{amount} for {self.lasts_s:g} s"


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of fault: whom it may strike, how long and how much, and how it begins and ends."""

    begin: Callable[[SeededWorld, Fault], None]
    end: Callable[[SeededWorld, Fault], None] = lambda *_: None
    targets: Sequence[str] = ("",)
    lasts_s: tuple[float, float] = (1.0, 12.0)
    amounts: Sequence[float] = (0.0,)
    says: str


def _link(
    says: str, targets: Sequence[str], amounts: Sequence[float] = (0.0,), **fields: object
) -> Kind:
    """A fault of one process' way to the venue; a field given as "amount" takes the amount."""

    def begin(world: SeededWorld, fault: Fault) -> None:
        link = world.network.faults(fault.target)
        for name, value in fields.items():
            setattr(link, name, fault.amount if value == "amount" else value)

    def end(world: SeededWorld, fault: Fault) -> None:
        link, sound = world.network.faults(fault.target), LinkFaults()
        for name in fields:
            setattr(link, name, getattr(sound, name))

    return Kind(says=says, begin=begin, end=end, targets=targets, amounts=amounts)


def _plan(says: str, amounts: Sequence[float] = (0.0,), **fields: object) -> Kind:
    """A fault inside the venue."""

    def change(world: SeededWorld, fields: dict[str, object]) -> None:
        plan = msgspec.structs.replace(world.venue.faults, **fields)
        world.venue.set_faults(plan, world.now_ns)
        world.world.wake()

    def begin(world: SeededWorld, fault: Fault) -> None:
        change(world, dict(fields))

    def end(world: SeededWorld, fault: Fault) -> None:
        sound = type(world.venue.faults)()
        change(world, {name: getattr(sound, name) for name in fields})

    return Kind(says=says, begin=begin, end=end, amounts=amounts)


def _clock_step(world: SeededWorld, fault: Fault) -> None:
    world.hosts[fault.target].machine.offset_ns += int(fault.amount * NS_PER_S)


def _clock_drift(world: SeededWorld, fault: Fault) -> None:
    world.hosts[fault.target].machine.drift_ppm = int(fault.amount)


def _clock_true(world: SeededWorld, fault: Fault) -> None:
    world.hosts[fault.target].machine.drift_ppm = 0


def _kill_in_post(world: SeededWorld, fault: Fault) -> None:
    moment = PostMoment.ANSWERED if fault.amount else PostMoment.SENT
    world.network.next_post[moment] = world.hosts["executor"].kill


def _after_post(world: SeededWorld, _: Fault) -> None:
    world.network.next_post.clear()
    world.hosts["executor"].start()


def _positions_disagree(world: SeededWorld, _: Fault) -> None:
    """The Data API shows shares that no trade ever bought."""

    def rewrite(body: bytes) -> bytes:
        page = msgspec.json.decode(body)
        for window in (listing.window for listing in world.venue.listings()):
            if window.open_ns <= world.now_ns < window.close_ns:
                token = window.up_token_id
                rows = [row for row in page["data"] if row["token_id"] == token]
                if not rows:
                    rows = [{"token_id": token, "current_size": 0}]
                    page["data"] += rows
                rows[0]["current_size"] += PHANTOM_U6 // SHARE_U6
        return msgspec.json.encode(page)

    world.network.rewrite[POSITIONS] = rewrite


def _positions_lag(world: SeededWorld, _: Fault) -> None:
    """The Data API tells again and again what it told first."""
    first: list[bytes] = []

    def rewrite(body: bytes) -> bytes:
        first.append(body)
        return first[0]

    world.network.rewrite[POSITIONS] = rewrite


def _positions_true(world: SeededWorld, _: Fault) -> None:
    world.network.rewrite.pop(POSITIONS, None)


def _redis_stop(world: SeededWorld, fault: Fault) -> None:
    world.redis.stop()
    world.say("redis", "stopped")


def _redis_start(world: SeededWorld, fault: Fault) -> None:
    world.redis.start()
    world.say("redis", "answers again")


def _redis_back_in_time(world: SeededWorld, fault: Fault) -> None:
    world.redis.go_back()
    _redis_start(world, fault)


def _redis_empty(world: SeededWorld, fault: Fault) -> None:
    world.redis.lose_all()
    _redis_start(world, fault)


def _redis(
    says: str, name: str, value: object, sound: object, amounts: Sequence[float] = (0.0,)
) -> Kind:
    """A fault of the Redis server; "amount" takes the amount."""

    def begin(world: SeededWorld, fault: Fault) -> None:
        setattr(world.redis, name, fault.amount if value == "amount" else value)

    def end(world: SeededWorld, fault: Fault) -> None:
        setattr(world.redis, name, sound)

    return Kind(says=says, begin=begin, end=end, amounts=amounts)


def _tick(world: SeededWorld, fault: Fault) -> None:
    for listing in world.venue.listings():
        if listing.window.open_ns <= world.now_ns < listing.window.close_ns:
            world.venue.change_tick(listing.window.condition_id, 10, world.now_ns)
            world.world.wake()


def _kill_switch(world: SeededWorld, fault: Fault) -> None:
    host = world.hosts[fault.target]

    async def halt() -> None:
        if host.process is not None:
            await host.process.kill_switch.halt("drill", "operator")
            world.killed(by=fault.target)

    host.do(halt)


def _kill_at_work(world: SeededWorld, fault: Fault) -> None:
    """Kill it as soon as it holds own events that it did not acknowledge, or not at all."""

    def look() -> None:
        if world.loop.time() > fault.at_s + STRIKES_WITHIN_S:
            world.on_step.remove(look)
        elif any(group.pending for group in world.user_groups(fault.target)):
            world.on_step.remove(look)
            world.hosts[fault.target].restart_later(fault.lasts_s)
            world.store.faults_of(fault.target).lost_reads = int(fault.amount)

    world.on_step.append(look)


def _kill_leaving(world: SeededWorld, fault: Fault) -> None:
    """Kill it when it has destroyed so many more groups of the windows that it leaves."""

    def kill() -> None:
        world.hosts[fault.target].restart_later(RESTART_S)

    world.redis.after_destroying[fault.target] = (int(fault.amount), kill)


def _leave_alone(world: SeededWorld, fault: Fault) -> None:
    world.redis.after_destroying.pop(fault.target, None)


def _resume(world: SeededWorld, _: Fault) -> None:
    world.resume()


KINDS: dict[str, Kind] = {
    "slow-link": _link("every message takes long", TRADERS, (50, 400, 1_500), delay_ms="amount"),
    "lose-requests": _link("half of the requests are lost", TRADERS, lose_request_ppm=HALF),
    "lose-answers": _link("half of the answers are lost", TRADERS, lose_answer_ppm=HALF),
    "repeat-requests": _link("half of the requests arrive twice", TRADERS, repeat_ppm=HALF),
    "late-requests": _link(
        "half of the requests arrive late",
        ("executor",),
        (2_000, 4_000, 8_000),
        late_ms="amount",
        late_ppm=HALF,
    ),
    "refuse": _link("no connection can be made", TRADERS, refuse=True),
    "edge-429": _link("429 with Retry-After: 120", TRADERS, edge="429", edge_ppm=HALF),
    "edge-403": _link("a web page with 403", TRADERS, edge="403", edge_ppm=HALF),
    "edge-503": _link("a web page with 503", TRADERS, edge="503", edge_ppm=HALF),
    "edge-202": _link("202 instead of 200", ("executor",), edge="202", edge_ppm=HALF),
    "lose-frames": _link(
        "a fifth of the frames is lost", ("feed", "userws"), lose_frame_ppm=200_000
    ),
    "repeat-frames": _link(
        "half of the frames come twice", ("feed", "userws"), repeat_frame_ppm=HALF
    ),
    "silent": _link("frames stop; the connection stays", ("feed", "userws"), silent_frames=True),
    "late-frames": _link(
        "frames come late", ("feed", "userws"), (2_000, 6_000, 15_000), frame_delay_ms="amount"
    ),
    "restart-mode": _plan("the venue answers 425", mode=TradingMode.RESTART),
    "post-only-mode": _plan("the venue takes post-only orders only", mode=TradingMode.POST_ONLY),
    "cancel-only": _plan("the venue takes no orders", mode=TradingMode.CANCEL_ONLY),
    "failed-trades": _plan("a third of the trades fails after being matched", failed_ppm=330_000),
    "retried-trades": _plan("half of the trades is retried", retried_ppm=HALF),
    "positions-disagree": Kind(
        says="the positions show shares that no trade bought",
        begin=_positions_disagree,
        end=_positions_true,
        lasts_s=(15.0, 40.0),
    ),
    "positions-lag": Kind(
        says="the positions stay as they were",
        begin=_positions_lag,
        end=_positions_true,
        lasts_s=(5.0, 40.0),
    ),
    "tick": Kind(says="the tick becomes 0.001", begin=_tick, lasts_s=(0, 0)),
    "clock-step": Kind(
        says="the wall clock is stepped (seconds)",
        begin=_clock_step,
        targets=SERVICES,
        amounts=(-3600, -2, 2, 3600),
        lasts_s=(0, 0),
    ),
    "clock-drift": Kind(
        says="the wall clock drifts (ppm)",
        begin=_clock_drift,
        end=_clock_true,
        targets=SERVICES,
        amounts=(-20_000, 20_000),
    ),
    "kill-9": Kind(
        says="killed, and started again after a while",
        targets=SERVICES,
        lasts_s=(0.1, 8.0),
        begin=lambda world, fault: world.hosts[fault.target].kill(),
        end=lambda world, fault: world.hosts[fault.target].start(),
    ),
    "kill-in-post": Kind(
        says="the executor dies inside its next POST: before (0) or after (1) it arrived",
        amounts=(0, 1),
        lasts_s=(3.0, 8.0),
        begin=_kill_in_post,
        end=_after_post,
    ),
    "kill-9-reading": Kind(
        says="killed with own events unacknowledged; so many answers to its next reads are lost",
        targets=("strategy",),
        lasts_s=(0.1, 2.0),
        amounts=(1, 3, 6),
        begin=_kill_at_work,
    ),
    "kill-9-leaving": Kind(
        says="killed when it has destroyed so many groups of a window that it leaves",
        targets=("executor", "strategy"),
        lasts_s=(5.0, 40.0),
        amounts=(1, 2, 3),
        begin=_kill_leaving,
        end=_leave_alone,
    ),
    "freeze": Kind(
        says="stopped and continued (SIGSTOP, SIGCONT)",
        targets=SERVICES,
        lasts_s=(0.5, 15.0),
        begin=lambda world, fault: world.hosts[fault.target].freeze(),
        end=lambda world, fault: world.hosts[fault.target].thaw(),
    ),
    "redis-away": Kind(says="Redis restarts, nothing is lost", begin=_redis_stop, end=_redis_start),
    "redis-last-second": Kind(
        says="Redis restarts without its last second", begin=_redis_stop, end=_redis_back_in_time
    ),
    "redis-stale": Kind(
        says="a replica that is 10 s behind takes over",
        begin=_redis_stop,
        end=_redis_back_in_time,
        lasts_s=(0.2, 3.0),
    ),
    "redis-empty": Kind(says="Redis comes back empty", begin=_redis_stop, end=_redis_empty),
    "redis-full": _redis("Redis is full", "full", value=True, sound=False),
    "redis-slow": _redis(
        "each call takes long (s)", "delay_s", "amount", ROUND_TRIP_S, amounts=(0.05, 0.4)
    ),
    "redis-lost-answers": _redis(
        "a third of what is written is not answered", "lose_answer_ppm", value=300_000, sound=0
    ),
    "redis-slow-reads": _redis(
        "each entry that is read takes long (s), as in a long history",
        "entry_delay_s",
        "amount",
        0.0,
        amounts=(0.1, 0.3),
    ),
    "redis-lost-reads": _redis(
        "half of what is read is handed out and does not arrive",
        "lose_read_ppm",
        value=HALF,
        sound=0,
    ),
    "redis-cut-off": Kind(
        says="one process cannot reach Redis",
        targets=SERVICES,
        begin=lambda world, fault: world.redis.cut(fault.target),
        end=lambda world, fault: world.redis.mend(fault.target),
    ),
    "kill-switch": Kind(
        says="an operator halts, and resumes after a while",
        targets=SERVICES,
        begin=_kill_switch,
        end=_resume,
        lasts_s=(5.0, 30.0),
    ),
}
REMEMBERED_BEFORE_S = {"redis-last-second": 1.0, "redis-stale": 10.0}


def draw_schedule(seed: int, kinds: Sequence[str], seconds: float) -> list[Fault]:
    """One to six faults, at times that leave the world some seconds to start."""
    if not kinds:
        return []
    chance = random.Random(f"{seed}/schedule")  # noqa: S311 - not a secret
    faults = []
    for _ in range(chance.randint(1, 6)):
        name = chance.choice(list(kinds))
        kind = KINDS[name]
        faults.append(
            Fault(
                at_s=round(chance.uniform(4.0, seconds * 0.8), 3),
                kind=name,
                target=chance.choice(list(kind.targets)),
                lasts_s=round(chance.uniform(*kind.lasts_s), 3),
                amount=chance.choice(list(kind.amounts)),
            )
        )
    return sorted(faults, key=lambda fault: fault.at_s)


def plant(world: SeededWorld, schedule: Sequence[Fault]) -> None:
    """Let everything of a schedule happen when its time comes."""
    for fault in schedule:
        kind = KINDS[fault.kind]
        before_s = REMEMBERED_BEFORE_S.get(fault.kind)
        if before_s is not None:
            world.at(max(fault.at_s - before_s, 0.0), world.redis.remember)
        world.at(fault.at_s, partial(_begin, world, kind, fault))
        world.at(fault.at_s + fault.lasts_s, partial(kind.end, world, fault))


def _begin(world: SeededWorld, kind: Kind, fault: Fault) -> None:
    world.say("fault", str(fault))
    kind.begin(world, fault)
