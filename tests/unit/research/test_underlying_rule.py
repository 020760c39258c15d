"""The engine in a synthetic world, and the table of what the rule is worth there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from pmcore.model.market import Outcome
from pmcore.model.params import (
    FairValueParams,
    OfiMode,
    OfiParams,
    StrategyParams,
    UnderlyingMoveParams,
)
from pmcore.model.units import DOLLAR_E8, NS_PER_MS, NS_PER_S, SHARE_U6
from pmresearch import underlying_rule
from pmresearch.engine_in_world import ME, EngineInWorld, WindowEarnings
from pmresearch.underlying_rule import OFF, Played, interval, main, play, slope, table
from pmsim.venue.ports import CancelOutcome
from support.sim_worlds import WORLD_START_NS, synthetic

RULE = UnderlyingMoveParams(move_ppm=100, span_ns=400 * NS_PER_MS, pause_ns=NS_PER_S)
JUMP_NS = WORLD_START_NS + 3 * NS_PER_S


def params(rule: UnderlyingMoveParams = RULE) -> StrategyParams:
    return StrategyParams(
        bid_size_u6=5 * SHARE_U6, ofi=OfiParams(mode=OfiMode.OFF), underlying=rule
    )


def jump(at_ns: int) -> int:
    """A price that rises by 10 basis points once."""
    return 71_000 * DOLLAR_E8 + (71 * DOLLAR_E8 if at_ns >= JUMP_NS else 0)


@pytest.mark.parametrize("latency_ms", [0, 80, 400])
def test_a_cancel_is_at_the_venue_one_latency_after_the_move(latency_ms: int) -> None:
    venue = synthetic(seed=3)
    world = EngineInWorld(venue, params(), latency_ms=latency_ms, prices=jump)
    cancels: list[tuple[int, list[str]]] = []
    cancel = venue.cancel

    def watched(owner: str, order_hashes: Sequence[str], at_ns: int) -> CancelOutcome:
        cancels.append((at_ns, list(order_hashes)))
        return cancel(owner, order_hashes, at_ns)

    venue.cancel = watched  # type: ignore[method-assign] # the test listens
    world.run()
    due_ns = JUMP_NS + latency_ms * NS_PER_MS
    (hashes,) = [hashes for at_ns, hashes in cancels if at_ns == due_ns]
    (order,) = [venue.order(one) for one in hashes]
    assert order is not None
    assert order.token_id == world.window.down_token_id


def test_the_prices_of_before_the_opening_are_heard_so_that_the_price_to_beat_is_known() -> None:
    venue = synthetic(seed=3)
    told = venue.path_of(venue.listings()[0].window.slug)
    rule = FairValueParams(margin_e4=0)
    world = EngineInWorld(venue, replace(OFF, fair_value=rule), latency_ms=0, prices=told.price_e8)
    world.run()
    shown = world.engine.session.fair_value.as_view(world.window.close_ns)
    assert shown["price_to_beat"] == pytest.approx(told.price_to_beat_e8 / DOLLAR_E8, abs=0.001)
    assert (shown["up"] == 1) is (told.winner is Outcome.UP)


def test_what_it_reports_is_what_the_venue_booked() -> None:
    venue = synthetic(seed=5)
    world = EngineInWorld(venue, params(UnderlyingMoveParams()), latency_ms=50, prices=None)
    cash_u6 = venue.balance_u6(ME.owner)
    earned = world.run()
    shares_u6 = [
        venue.balance_u6(ME.owner, token)
        for token in (world.window.up_token_id, world.window.down_token_id)
    ]
    assert earned.shares * SHARE_U6 == pytest.approx(sum(shares_u6))
    winner = venue.path_of(world.window.slug).winner
    paid_u6 = cash_u6 - venue.balance_u6(ME.owner)
    won_u6 = venue.balance_u6(ME.owner, world.window.token_id(winner))
    assert earned.profit * SHARE_U6 == pytest.approx(won_u6 - paid_u6, abs=2)
    assert earned.shares > 0
    assert earned.withdrawn_s == 0


def test_a_window_is_a_function_of_its_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(underlying_rule, "SERIES", "btc-updown-20s")
    for arm in underlying_rule.ARMS:
        assert play(7, 50, 200, arm) == play(7, 50, 200, arm)
    assert play(7, 50, 200, "move") != play(7, 50, 200, "move control")


def played(seed: int, arm: str, cents: float, ours_ms: int = 20) -> Played:
    earned = WindowEarnings(cents / 10, 10.0, 10.0, 10.0 * cents, 0.0)
    return Played(seed, ours_ms, 200, arm, earned)


def test_the_table_compares_the_same_windows() -> None:
    rows = [played(seed, "off", -2.0 - seed) for seed in range(1, 6)]
    rows += [played(seed, "move", -1.0 - seed) for seed in range(1, 5)]
    rows += [played(seed, "move control", -2.5 - seed) for seed in range(1, 6)]
    rows += [played(seed, "fair value", 7.0) for seed in range(1, 6)]
    assert len(table(rows, "fair value").splitlines()) == 2, "without its control it has no row"
    text = table(rows, "move")
    (line,) = [line for line in text.splitlines() if line.startswith("| 20 ")]
    assert line.startswith("| 20 | 200 | 4 | 10 / 10 / 10 | -4.50 / -3.50 / -5.00 |")
    assert "| +1.00 [+1.00, +1.00] | +1.50 [+1.50, +1.50] | +0.10 [+0.10, +0.10] |" in line


def test_an_interval_holds_the_mean_and_grows_with_the_spread() -> None:
    def pairs(spread: float) -> list[tuple[WindowEarnings, WindowEarnings]]:
        return [
            (played(s, "move", spread * (-1) ** s).result, played(s, "off", 0.0).result)
            for s in range(20)
        ]

    narrow = interval(pairs(1.0), underlying_rule.cents)
    wide = interval(pairs(5.0), underlying_rule.cents)
    assert narrow[1] < narrow[0] < narrow[2]
    assert wide[2] - wide[1] > 3 * (narrow[2] - narrow[1])


def test_the_worth_of_a_millisecond_is_that_of_the_same_windows() -> None:
    rows = [played(s, "move", 1.0, 20) for s in range(3)]
    rows += [played(s, "move", 0.0, 120) for s in range(1, 4)]
    assert slope(rows, "move", 20, 120, 200).startswith(
        "20 against 120 ms, 2 windows, for 1,000 ms: +10.00"
    )
    assert slope(rows, "move", 20, 400, 200) == ""


def test_what_was_played_is_not_played_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int, int, str]] = []

    def fake(seed: int, ours_ms: int, takers_ms: int, arm: str) -> Played:
        seen.append((seed, ours_ms, takers_ms, arm))
        return Played(seed, ours_ms, takers_ms, arm, WindowEarnings(0.0, 1.0, 1.0, 0.0, 0.0))

    monkeypatch.setattr(underlying_rule, "play", fake)
    path = tmp_path / "results.jsonl"
    path.write_bytes(msgspec.json.encode(fake(1, 20, 200, "off")) + b"\n")
    assert main([str(path), "--seeds", "2"]) == 0
    assert len(seen) == len(set(seen)) == 2 * 5 * len(underlying_rule.CELLS)
    assert "| 20 | 200 | 2 |" in capsys.readouterr().out
