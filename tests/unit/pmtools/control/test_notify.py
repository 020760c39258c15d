"""`pm notify test` asks the console of each engine and says what each address answered."""

from __future__ import annotations

import json

import pytest

from pmtools.cli import main
from support.control_ports import ControlPort, FakeCheckout


def console(*problems: str, status: int = 200) -> ControlPort:
    port = ControlPort("console", "t")
    rows = [{"target": f"address {n}", "problem": text} for n, text in enumerate(problems, 1)]
    port.answers["/notify/test"] = (status, {"receipts": rows})
    return port


def test_every_address_that_took_it_is_0(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.run(checkout.engine("t", console=console("", "")))
    assert main(["notify", "test"]) == 0
    title = "run-1 (sim, process 4711)"
    said = capsys.readouterr().out.splitlines()
    assert said == [f"{title}: address 1: sent", f"{title}: address 2: sent"]


def test_one_that_did_not_is_named_and_1(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.run(checkout.engine("t", console=console("", "error=404", status=502)))
    assert main(["notify", "test", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)["run-1"]
    assert told["receipts"][1] == {"target": "address 2", "problem": "error=404"}


@pytest.mark.parametrize(
    ("port", "says"),
    [
        (console(status=502), "PM_NOTIFY_URLS is not set"),
        (ControlPort("console", "t"), "its answer cannot be used"),
        (None, "it has no console"),
    ],
)
def test_an_engine_that_tells_nobody_says_why(
    checkout: FakeCheckout,
    capsys: pytest.CaptureFixture[str],
    port: ControlPort | None,
    says: str,
) -> None:
    given = {"console": port} if port else {}
    checkout.run(checkout.engine("t", **given))
    assert main(["notify", "test"]) == 1
    assert says in capsys.readouterr().out


def test_without_an_engine_there_is_nobody_to_ask(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["notify", "test"]) == 3
    assert "no engine of this checkout is up" in capsys.readouterr().err
