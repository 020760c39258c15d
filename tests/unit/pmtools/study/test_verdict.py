"""`pm study`: limits come from the file, and the pessimistic model's verdict is the study's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pmtools.cli import main
from pmtools.study.figures import Estimate
from pmtools.study.verdict import StudyLimits, StudyVerdict, read_plan, verdict_of
from support.small_recording import market_object, write_recording
from support.tree import ROOT

PLAN = ROOT / "research/studies/maker-only.toml"


@pytest.mark.parametrize(
    ("fills", "cents", "verdict"),
    [
        (99, 0.0, StudyVerdict.INSUFFICIENT_DATA),
        (99, 9.0, StudyVerdict.INSUFFICIENT_DATA),
        (100, 0.99, StudyVerdict.PASS),
        (100, -2.0, StudyVerdict.PASS),
        (100, 1.0, StudyVerdict.MARGINAL),
        (100, 1.3, StudyVerdict.MARGINAL),
        (100, 1.31, StudyVerdict.FAIL),
    ],
)
def test_the_limits_decide(fills: int, cents: float, verdict: StudyVerdict) -> None:
    assert verdict_of(StudyLimits(1.0, 1.3, 100), fills, Estimate(cents)) is verdict


def test_without_a_known_move_there_is_no_verdict() -> None:
    limits = StudyLimits(1.0, 1.3, 1)
    assert verdict_of(limits, 100, None) is StudyVerdict.INSUFFICIENT_DATA


def test_the_committed_limits_are_those_of_the_public_study() -> None:
    plan = read_plan(PLAN)
    assert plan.limits == StudyLimits(1.0, 1.3, 100)
    assert plan.date.isoformat() == "2026-11-27"


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PM_BID_SIZE", "1000")  # the plan's settings count, not the environment
    (tmp_path / "window.market.json").write_text(json.dumps(market_object()))
    return write_recording(tmp_path / "window.jsonl", seconds=80)


def test_few_fills_give_no_verdict_and_one_more_gives_one(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", str(PLAN), str(recording), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == "INSUFFICIENT_DATA"
    models = [one["fill_model"] for one in told["answers"]]
    assert models == ["pessimistic", "central", "optimistic"]
    known = told["answers"][0]["fills_with_move"]
    assert known > 0
    least = Path("least.toml")
    for fills, settled in ((known, True), (known + 1, False)):
        least.write_text(PLAN.read_text().replace("= 100", f"= {fills}"))
        assert main(["study", str(least), str(recording)]) == 0
        line = capsys.readouterr().out.splitlines()[-1]
        assert (line != "verdict: INSUFFICIENT_DATA") is settled


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("pass_below_cents = 1.0", "pass_below_cents = 2.0", "contradict"),
        ("least_fills = 100", "least = 100", "is no study"),
        ("PM_BID_SIZE", "PM_NOSUCH", "PM_NOSUCH is not a variable of the strategy"),
    ],
)
def test_a_plan_that_cannot_be_used_is_one_line(
    recording: Path, capsys: pytest.CaptureFixture[str], before: str, after: str, said: str
) -> None:
    Path("bad.toml").write_text(PLAN.read_text().replace(before, after))
    assert main(["study", "bad.toml", str(recording)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
