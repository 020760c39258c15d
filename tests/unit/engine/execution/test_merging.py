"""The executor's part in merges: its own checks, one submission, one answer."""

from __future__ import annotations

import msgspec
import pytest

from pmcore.engine.execution.io import (
    Finished,
    MergeAbandoned,
    MergeAdopted,
    MergeAnswered,
    SeriesLease,
    Stop,
    SubmitMerge,
    WindowEnded,
)
from pmcore.engine.execution.merging import LEFT, WINDOW_OVER
from pmcore.machines.merge_ledger import MAX_MERGES
from pmcore.messages.control import Halt
from pmcore.messages.execution import MergeReported, OrderFailed
from pmcore.messages.orders import MergePairs
from pmcore.messages.user import TradeStatus
from pmcore.model.errors import Reason
from pmcore.model.market import Outcome
from pmcore.model.params import OrderCaps
from pmcore.model.units import NS_PER_S, SHARE_U6
from support.builders import T0_NS, fill, window
from support.executions import LEASE_TOKEN, SLUG, Bench
from support.merges import FAILED, MERGED, UNKNOWN, dollars, merge_report

CAPS = OrderCaps(
    bid_size_u6=5 * SHARE_U6,
    max_position_value_u6=5 * SHARE_U6,
    merge_min_pairs_u6=5 * SHARE_U6,
)


def command(
    merge_id: str = "m1", *, pairs: float = 9, slug: str = SLUG, lease_token: int = LEASE_TOKEN
) -> MergePairs:
    return MergePairs(
        merge_id=merge_id,
        slug=slug,
        size_u6=int(pairs * SHARE_U6),
        expires_at_ns=T0_NS + 5 * NS_PER_S,
        ts_step_ns=T0_NS,
        lease_token=lease_token,
    )


def bench_with_pairs(
    caps: OrderCaps | None = CAPS, *, status: TradeStatus = TradeStatus.CONFIRMED, **more: object
) -> Bench:
    """Nine pairs at .50 and .40."""
    bench = Bench(caps=caps, **more)  # type: ignore[arg-type] # passed on
    for outcome, price in ((Outcome.UP, "0.50"), (Outcome.DOWN, "0.40")):
        bench.step(fill(outcome, "9", price, trade_id=f"t-{outcome}", status=status))
    return bench


def refusal(bench: Bench, asked: MergePairs) -> str:
    token = bench.command(asked)
    report = bench.one(MergeReported)
    assert (report.status, report.merge_id) == (FAILED, asked.merge_id)
    assert bench.finished() == [token]
    assert not bench.got(SubmitMerge)
    return report.text


def test_a_merge_is_submitted_once_and_its_command_is_kept_until_the_answer() -> None:
    bench = bench_with_pairs()
    token = bench.command(command())
    assert bench.one(SubmitMerge) == SubmitMerge(SLUG, "m1", 9 * SHARE_U6)
    assert not bench.finished()
    assert bench.engine.flat
    bench.step(MergeAnswered(SLUG, "m1", MERGED, "0xabc"))
    expected = merge_report(pairs=9, up=4.5, down=3.6, at_ns=bench.at_ns)
    assert bench.one(MergeReported) == msgspec.structs.replace(expected, text="0xabc")
    assert bench.finished() == [token]
    bench.step(MergeAnswered(SLUG, "m1", FAILED))
    assert not bench.out


def test_what_was_merged_frees_capital_here_as_well() -> None:
    bench = bench_with_pairs()
    bench.place("a", price_e4=4_900)
    assert bench.one(OrderFailed).reason is Reason.RISK
    bench.command(command())
    bench.step(MergeAnswered(SLUG, "m1", MERGED))
    bench.place("b", price_e4=4_900)
    assert not bench.got(OrderFailed)


@pytest.mark.parametrize("status", [FAILED, UNKNOWN])
def test_what_is_not_known_to_be_merged_frees_nothing(status: str) -> None:
    bench = bench_with_pairs()
    bench.command(command())
    bench.step(MergeAnswered(SLUG, "m1", status))  # type: ignore[arg-type] # parametrized
    bench.place("b", price_e4=4_900)
    assert bench.one(OrderFailed).reason is Reason.RISK


@pytest.mark.parametrize(
    ("caps", "text"),
    [
        (None, "PM_MERGE_MIN_PAIRS"),
        (msgspec.structs.replace(CAPS, merge_min_pairs_u6=0), "PM_MERGE_MIN_PAIRS"),
        (msgspec.structs.replace(CAPS, merge_min_pairs_u6=10 * SHARE_U6), "PM_MERGE_MIN_PAIRS"),
    ],
)
def test_the_executor_has_its_own_least_number(caps: OrderCaps | None, text: str) -> None:
    assert text in refusal(bench_with_pairs(caps), command())


@pytest.mark.parametrize("status", [TradeStatus.MATCHED, TradeStatus.MINED])
def test_what_the_chain_may_take_back_is_not_merged(status: TradeStatus) -> None:
    assert refusal(bench_with_pairs(status=status), command()).startswith("only 0 of each")


def test_more_than_is_held_is_not_merged() -> None:
    assert refusal(bench_with_pairs(), command(pairs=9.5)).startswith("only 9000000 of each")


def test_nothing_is_merged_while_halted_or_stopping_or_too_late() -> None:
    bench = bench_with_pairs()
    bench.step(Halt(reason="look", by="x", ts_recv_ns=1))
    assert refusal(bench, command()) == "look"
    bench = bench_with_pairs()
    bench.step(Stop())
    assert refusal(bench, command()) == "the executor stops"
    bench = bench_with_pairs()
    bench.wait(5_000)
    assert refusal(bench, command()) == "expired before it was read"


def test_one_at_a_time_and_none_while_one_is_in_doubt() -> None:
    bench = bench_with_pairs()
    bench.command(command(pairs=5))
    text = "what became of another merge of this window is not known yet"
    assert refusal(bench, command("m2", pairs=5)) == text
    bench.step(MergeAnswered(SLUG, "m1", UNKNOWN))
    assert refusal(bench, command("m3", pairs=5)) == text


def test_a_window_has_so_many_merges_and_no_more() -> None:
    bench = bench_with_pairs()
    for number in range(MAX_MERGES):
        bench.step(MergeAdopted(merge_report(f"old{number}", FAILED)))
    assert refusal(bench, command()) == f"more than {MAX_MERGES} merges in this window"


def test_a_command_that_comes_again_is_not_answered_anew() -> None:
    bench = bench_with_pairs()
    bench.command(command())
    again = bench.command(command())
    assert bench.out == [Finished(again)]
    bench.step(MergeAnswered(SLUG, "m1", MERGED))
    again = bench.command(command())
    assert bench.out == [Finished(again)]


def test_of_a_window_that_is_not_known_nothing_is_merged() -> None:
    assert refusal(bench_with_pairs(), command(slug="other")) == "the window is not known here"
    bench = bench_with_pairs()
    bench.step(MergeAnswered("other", "m1", MERGED))
    bench.step(MergeAdopted(msgspec.structs.replace(merge_report(), slug="other")))
    assert not bench.out


def test_only_the_holder_of_the_lease_merges() -> None:
    bench = bench_with_pairs(fenced=True)
    assert "lease token" in refusal(bench, command())
    bench.step(SeriesLease(window().series, LEASE_TOKEN))
    assert "lease token 1" in refusal(bench, command("m2", lease_token=1))
    bench.command(command("m3"))
    assert bench.got(SubmitMerge)


def test_a_command_that_an_earlier_run_left_is_unknown_and_never_submitted() -> None:
    bench = bench_with_pairs()
    bench.step(MergeAbandoned("left", command()))
    report = bench.one(MergeReported)
    assert (report.status, report.text) == (UNKNOWN, LEFT)
    assert bench.finished() == ["left"]
    assert not bench.got(SubmitMerge)
    assert "not known yet" in refusal(bench, command("m2", pairs=5))


def test_what_an_earlier_run_said_counts_and_is_told_to_a_strategy_that_starts() -> None:
    bench = bench_with_pairs()
    earlier = merge_report("old", MERGED, pairs=4, up=2.0, down=1.6)
    bench.step(MergeAdopted(earlier))
    assert not bench.out
    bench.command(command(pairs=5))
    bench.cancel_window()
    told = bench.got(MergeReported)
    assert told[0] == earlier
    assert [(r.merge_id, r.status, r.text) for r in told[1:]] == [("m1", UNKNOWN, "under way")]
    assert told[1].up_cost_e4u6 == dollars(2.5)
    bench.step(MergeAnswered(SLUG, "m1", MERGED))
    assert bench.one(MergeReported).status is MERGED


def test_a_window_that_is_forgotten_answers_its_merge_first() -> None:
    bench = bench_with_pairs()
    token = bench.command(command())
    bench.step(WindowEnded(SLUG))
    report = bench.one(MergeReported)
    assert (report.status, report.text) == (UNKNOWN, WINDOW_OVER)
    assert bench.finished() == [token]
    bench.step(MergeAnswered(SLUG, "m1", MERGED))
    assert not bench.out
