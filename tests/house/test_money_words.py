"""What was won or lost has one sign everywhere: a profit, negative when money is lost."""

from __future__ import annotations

import re

import pytest

from support.tree import ROOT

SHOWN = ("README.md", "docs/*.md", "services/*/README.md", "grafana/**/*.json", "prometheus/*.yml")
LOSS_AS_A_FIGURE = re.compile(r"worst_loss|_loss_dollars|Worst loss")


@pytest.mark.parametrize("pattern", SHOWN)
def test_no_figure_is_a_loss_whose_minus_means_a_gain(pattern: str) -> None:
    files = sorted(ROOT.glob(pattern))
    assert files, pattern
    wrong = [str(file) for file in files if LOSS_AS_A_FIGURE.search(file.read_text())]
    assert wrong == []
