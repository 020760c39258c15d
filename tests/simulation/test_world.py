"""The real services in virtual time: they trade, they repeat by seed, they survive `kill -9`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pmsim.venue.ports import VenueOrder
from pmtools.simulate.faults import KINDS
from pmtools.simulate.network import LinkFaults
from pmtools.simulate.world import SeededWorld

pytestmark = pytest.mark.timeout(120)

_DIGEST = """
import sys
from pmtools.simulate.sweep import try_drawn
from pmtools.simulate.faults import KINDS
trial = try_drawn(int(sys.argv[1]), list(KINDS), 20.0)
print(trial.fingerprint, trial.orders, trial.problems)
"""


def _digest(seed: int, hash_seed: str) -> str:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("COV")},
        "PYTHONHASHSEED": hash_seed,
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
    }
    command = [sys.executable, "-c", _DIGEST, str(seed)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return run.stdout.strip()


@contextmanager
def running(seed: int = 2) -> Iterator[SeededWorld]:
    world = SeededWorld(seed)
    world.start()
    try:
        yield world
    finally:
        world.close()


def resting(world: SeededWorld) -> list[VenueOrder]:
    return world.accounts.open_orders(world.owner) if world.owner else []


def cancelled_all(world: SeededWorld) -> int:
    """How often the venue has answered cancel-all."""
    return sum("DELETE /cancel-all -> 200" in line for line in world.lines)


def until(world: SeededWorld, met: str, seconds: float = 40.0) -> None:
    """Let time pass until an order rests, or none does."""
    for _ in range(int(seconds * 10)):
        world.run(0.1)
        if bool(resting(world)) is (met == "resting"):
            return
    raise AssertionError(f"not {met} within {seconds:g} s")


def said(world: SeededWorld, who: str, what: str) -> list[str]:
    return [line for line in world.lines if line.split()[1] == who and what in line]


def test_a_seed_repeats_byte_for_byte_whatever_the_hash_seed() -> None:
    first = _digest(3, "0")
    assert first == _digest(3, "4711")
    assert first != _digest(4, "0")


def test_windows_rotate_settle_and_agree_with_the_venue() -> None:
    with running(1) as world:
        most = 0
        for _ in range(75):
            world.run(1.0)
            most = max(most, len(resting(world)))
        assert most == 2
        assert world.accounts.trades_of(world.owner)
        assert len(said(world, "executor", "window_joined")) >= 3
        assert len(said(world, "feed", "window_resolved")) >= 2
        assert world.problems == []


@pytest.mark.parametrize("name", ["feed", "strategy", "executor", "userws"])
def test_a_killed_service_comes_back_and_orders_are_placed_again(name: str) -> None:
    with running() as world:
        world.run(15)
        world.hosts[name].restart_later(2.0)
        assert not world.hosts[name].alive
        world.run(3)
        before = len(world.accounts.orders)
        world.run(60)
        assert world.hosts[name].alive
        assert len(world.accounts.orders) > before


def test_nothing_of_a_killed_process_runs_again_and_the_venue_cancels() -> None:
    with running() as world:
        until(world, "resting")
        world.hosts["executor"].kill()
        assert resting(world)  # nothing of it cancelled on its way out
        said_before = len(said(world, "executor", ""))
        until(world, "flat")
        assert len(said(world, "executor", "")) == said_before


def test_a_frozen_process_goes_on_where_it_was() -> None:
    with running() as world:
        world.run(10)
        world.hosts["strategy"].freeze()
        before = len(said(world, "strategy", ""))
        world.run(5)
        assert len(said(world, "strategy", "")) == before
        world.hosts["strategy"].thaw()
        world.run(40)
        assert len(said(world, "strategy", "publishes SubmitOrder")) > 0


def test_an_operators_kill_ends_quoting_until_a_resume() -> None:
    with running() as world:
        until(world, "resting")
        host = world.hosts["feed"]
        process = host.process
        assert process is not None
        host.do(lambda: process.kill_switch.halt("drill", "operator"))
        world.run(3)
        assert not resting(world)
        count = len(world.accounts.orders)
        world.run(10)
        assert len(world.accounts.orders) == count
        host.do(lambda: process.kill_switch.resume("operator"))
        until(world, "resting", 60.0)


def test_a_lost_answer_is_unknown_to_the_executor_and_the_order_rests() -> None:
    with running() as world:
        world.run(3)
        world.network.faults("executor").lose_answer_ppm = 1_000_000
        world.run(12)
        assert said(world, "network", "lost the answer to POST /order")
        assert said(world, "executor", "OrderUnknown")


def test_each_process_has_a_wall_clock_of_its_own() -> None:
    with running() as world:
        world.run(5)
        machine = world.hosts["strategy"].machine
        machine.offset_ns += 2_000_000_000
        machine.drift_ppm = 1_000
        world.run(10)
        assert machine.wall_ns() - machine.true_ns() == 2_000_000_000 + 10_000_000
        assert world.hosts["feed"].machine.wall_ns() == world.now_ns


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_fault_begins_and_leaves_nothing_behind(kind: str) -> None:
    from pmtools.simulate.faults import Fault, plant

    target = next(iter(KINDS[kind].targets))
    with running() as world:
        fault = Fault(
            at_s=1.0, kind=kind, target=target, lasts_s=2.0, amount=KINDS[kind].amounts[0]
        )
        plant(world, [fault])
        world.run(9.0)
        assert [line for line in world.lines if " fault " in line]
        assert all(world.network.faults(name) == LinkFaults() for name in world.hosts)
        assert all(host.alive and not host.frozen for host in world.hosts.values())
        assert world.store.available
        assert not world.redis.full
        assert not world.redis.cut_off
        assert world.killed_since_s is None
        assert not world.network.rewrite
        assert type(world.venue.faults)() == world.venue.faults


@pytest.mark.parametrize("kind", ["kill-9-reading", "kill-9-leaving"])
def test_a_fault_that_waits_for_its_moment_is_gone_when_none_comes(kind: str) -> None:
    from pmtools.simulate.faults import STRIKES_WITHIN_S, Fault, plant

    with running() as world:
        world.run(3)
        world.hosts["userws"].kill()  # no own events any more; and no window is left so soon
        world.run(1)
        plant(world, [Fault(at_s=4.1, kind=kind, target="strategy", lasts_s=2.0, amount=1.0)])
        world.run(1)
        assert world.on_step or world.redis.after_destroying
        world.run(STRIKES_WITHIN_S)
        assert not world.on_step
        assert not world.redis.after_destroying


@pytest.mark.parametrize("by_s", [-3_600.0, -30.0])
def test_a_clock_that_goes_back_delays_no_cancel(by_s: float) -> None:
    """The first cancels after the step fail: they are repeated by the time that really passes."""
    from pmtools.simulate.faults import Fault, plant

    with running() as world:
        until(world, "resting")
        at_s = world.loop.time() + 0.01
        refused = Fault(at_s=at_s, kind="refuse", target="executor", lasts_s=3.0, amount=0)
        step = Fault(at_s=at_s, kind="clock-step", target="executor", lasts_s=0, amount=by_s)
        plant(world, [refused, step])
        world.run(0.02)
        before = cancelled_all(world)
        world.halt_for_good()
        world.run(8.0)
        assert cancelled_all(world) > before
        assert not resting(world)
