"""`pm simulate` as a person uses it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pmtools.cli import main
from pmtools.simulate.faults import KINDS, draw_schedule
from support.defects import DEFECTS, broken

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_broken_law_is_told_with_the_fewest_faults_and_how_to_see_it_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    defect = DEFECTS["FAILED ignored"]
    faults = ["simulate", "--seed", "1", "--faults", "failed-trades,tick"]
    with broken(defect):
        assert main(faults) == 1
        said = capsys.readouterr().out
        assert "BROKEN" in said
        again = said.rpartition("pm simulate ")[2].split()
        assert main(["simulate", *again]) == 1
        assert "belief at rest" in capsys.readouterr().out
    fewest = Path("simulate-1.json").read_text(encoding="utf-8")
    assert "failed-trades" in fewest
    assert "tick" not in fewest
    assert main(["simulate", *again]) == 0
    assert "every law held" in capsys.readouterr().out


def test_many_seeds_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--seeds", "1..2", "--seconds", "10", "--faults", "none"]) == 0
    assert capsys.readouterr().out.startswith("2 seeds, ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--faults", "rain"], "rain is not one of slow-link"),
        (["--seeds", "9..1"], "expected FIRST..LAST"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_schedule_that_is_none_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("other.json").write_text('[{"at_s": 1, "kind": "rain"}]', encoding="utf-8")
    assert main(["simulate", "--schedule", "other.json"]) == 2
    assert "rain is no kind of fault" in capsys.readouterr().err


def test_a_schedule_is_a_function_of_its_seed() -> None:
    drawn = draw_schedule(7, list(KINDS), 45.0)
    assert drawn == draw_schedule(7, list(KINDS), 45.0)
    assert drawn != draw_schedule(8, list(KINDS), 45.0)
    assert draw_schedule(7, [], 45.0) == []
