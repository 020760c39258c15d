from __future__ import annotations

from pathlib import Path

import pytest

from pmcore.machines.order_lifecycle import TRANSITIONS, OrderState, OrderTrigger
from pmcore.wire.registry import STREAMS
from pmtools.docs import PAGES, STATES, TRIGGERS, main, stale_pages

ROOT = Path(__file__).parents[3]


def test_the_pages_in_the_repository_are_fresh() -> None:
    assert list(stale_pages(ROOT)) == []


def test_stale_pages_are_named_then_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check", "--root", str(tmp_path)]) == 1
    assert "docs/streams.md is stale" in capsys.readouterr().err
    assert main(["--root", str(tmp_path)]) == 0
    assert main(["--check", "--root", str(tmp_path)]) == 0
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert written == set(PAGES)


def test_every_stream_is_on_its_page() -> None:
    page = PAGES["docs/streams.md"]()
    assert all(f"}}:{kind}`" in page for kind in STREAMS)


def test_each_state_and_trigger_of_an_order_is_explained() -> None:
    assert list(STATES) == list(OrderState)
    assert list(TRIGGERS) == list(OrderTrigger)


def test_the_table_of_an_order_says_what_the_machine_does() -> None:
    page = PAGES["docs/order-lifecycle.md"]()
    table = page.partition("| from |")[2].partition("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    told = {
        (OrderState(row[0].strip("*")), trigger): row[0].strip("*") if cell == "=" else cell
        for row in rows
        for trigger, cell in zip(OrderTrigger, row[1:], strict=True)
        if cell != "–"
    }
    assert told == TRANSITIONS
