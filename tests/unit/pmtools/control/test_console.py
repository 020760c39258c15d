"""`pm console` prints a link for each engine that has a console."""

from __future__ import annotations

import json

import pytest

from pmtools.cli import main
from support.control_ports import ControlPort, FakeCheckout


def console(token: str) -> ControlPort:
    port = ControlPort("console", token)
    port.answers["/links"] = (200, {"path": f"/#code-of-{token}"})
    return port


def test_a_link_is_made_by_the_console_of_each_engine(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str]
) -> None:
    run = checkout.engine("a", console=console("a"))
    stack = checkout.engine("b", console=console("b"))
    checkout.run(run)
    checkout.compose(stack)
    assert main(["console"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"run-1 (sim, process 4711): {run.urls['console']}/#code-of-a",
        f"compose pm-as-ofi: {stack.urls['console']}/#code-of-b",
    ]


def test_an_engine_without_a_console_is_told(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.run(checkout.engine("a"))
    refusing = console("b")
    refusing.answers["/links"] = (500, {})
    checkout.run(checkout.engine("b", console=refusing))
    assert main(["console", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["run-1"] == {"url": "", "problem": "it has no console"}
    assert told["run-2"] == {"url": "", "problem": "HTTP 500"}


def test_a_kill_does_not_ask_the_console(checkout: FakeCheckout) -> None:
    port = console("a")
    engine = checkout.engine("a", console=port)
    checkout.run(engine)
    port.close()
    assert main(["kill"]) == 0
    assert len(engine.heard("/kill")) == 4


def test_without_an_engine_there_is_no_link(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["console"]) == 3
    assert "no engine of this checkout is up" in capsys.readouterr().err


def test_an_engine_is_well_without_its_console(checkout: FakeCheckout) -> None:
    port = console("a")
    engine = checkout.engine("a", console=port)
    checkout.run(engine)
    port.close()
    assert main(["status"]) == 0
    engine.ports["feed"].close()
    assert main(["status"]) == 1
