from __future__ import annotations

from pathlib import Path

import pytest

from pmtools.errors import UsageError
from pmtools.sweep.grid import read_grid


def grid(folder: Path, text: str) -> Path:
    path = folder / "grid.toml"
    path.write_text(text)
    return path


def test_cells_are_the_base_all_combinations_and_the_named_ones(tmp_path: Path) -> None:
    cells = read_grid(
        grid(
            tmp_path,
            """
            [base]
            PM_MAX_NET_DIFF = 50
            [vary]
            PM_PAIR_TARGET = [0.98, 0.97]
            PM_OFI_MODE = ["off", "fixed"]
            [cells.calm]
            PM_FIRST_LEG_MAX_MOVE = 0.03
            """,
        )
    )
    assert [cell.name for cell in cells] == [
        "base",
        "PM_PAIR_TARGET=0.98 PM_OFI_MODE=off",
        "PM_PAIR_TARGET=0.98 PM_OFI_MODE=fixed",
        "PM_PAIR_TARGET=0.97 PM_OFI_MODE=off",
        "PM_PAIR_TARGET=0.97 PM_OFI_MODE=fixed",
        "calm",
    ]
    assert {cell.params.base.limits.max_net_diff_u6 for cell in cells} == {50_000_000}
    assert cells[3].params.base.pair_target_e4 == 9_700
    assert cells[5].params.base.first_leg.max_move_e4 == 300


def test_the_environment_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PM_PAIR_TARGET", "0.5")
    monkeypatch.setenv("PM_PAIR_TRAGET", "0.5")
    (base,) = read_grid(grid(tmp_path, ""))
    assert base.params.base.pair_target_e4 == 9_900


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[base", "is no TOML"),
        ("[bse]", r"\[bse\] is not known"),
        ("base = 3", "base must be a table"),
        ("[base]\nPM_PAIR_TRAGET = 0.9", "PM_PAIR_TRAGET is not a variable of the strategy"),
        ("[base]\nPM_RATE_TIER = 1", "PM_RATE_TIER is not a variable of the strategy"),
        ("[vary]\nPM_PAIR_TARGET = 0.9", "must be a list of values"),
        ("[vary]\nPM_PAIR_TARGET = []", "must be a list of values"),
        ("[cells.a]\nPM_PAIR_TARGET = 1.5", "a: .*PM_PAIR_TARGET"),
        ("[cells.base]\nPM_PAIR_TARGET = 0.9", "two cells are called base"),
        (
            "[vary]\n" + "\n".join(f"PM_OFI_{n} = {list(range(99))}" for n in ("CAP", "X", "Y")),
            "are too many",
        ),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_grid(grid(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_grid(tmp_path / "nowhere.toml")
