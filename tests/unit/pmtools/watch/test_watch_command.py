"""`pm watch` finds the engine that is meant, or says in one line why it cannot."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pmtools.cli import build_parser, main
from pmtools.errors import CommandError
from pmtools.watch.command import find_place
from pmtools.watch.link import ConsolePlace
from support.control_ports import ControlPort, FakeCheckout

URL = "http://127.0.0.1:8105"


async def place_of(*argv: str, **environ: str) -> ConsolePlace:
    place, _ = await find_place(build_parser().parse_args(["watch", *argv]), environ)
    return place


async def problem_of(*argv: str, **environ: str) -> str:
    with pytest.raises(CommandError) as caught:
        await place_of(*argv, **environ)
    (line,) = caught.value.lines
    return line


async def test_the_only_engine_is_meant(checkout: FakeCheckout) -> None:
    run = checkout.engine("a", console=ControlPort("console", "a"))
    checkout.run(run)
    place = await place_of(PATH=checkout.path)
    assert (place.title, place.url, place.token) == (
        "run-1 (sim, process 4711)",
        run.urls["console"],
        "a",
    )
    assert "'a'" not in repr(place)


async def test_of_several_one_must_be_named(checkout: FakeCheckout) -> None:
    run = checkout.engine("a", console=ControlPort("console", "a"))
    stack = checkout.engine("b", console=ControlPort("console", "b"))
    checkout.run(run)
    checkout.compose(stack)
    assert await problem_of(PATH=checkout.path) == (
        "several engines are up: run-1, compose pm-as-ofi; "
        "say which one: --run ID, --compose PROJECT or --url"
    )
    assert (await place_of("--run", "1", PATH=checkout.path)).url == run.urls["console"]
    assert (await place_of("--compose", PATH=checkout.path)).token == "b"


async def test_an_engine_without_a_console_is_said(checkout: FakeCheckout) -> None:
    checkout.run(checkout.engine("a"))
    assert await problem_of(PATH=checkout.path) == "run-1 (sim, process 4711): it has no console"


async def test_without_an_engine_there_is_nothing_to_watch(checkout: FakeCheckout) -> None:
    assert "no engine of this checkout is up" in await problem_of(PATH=checkout.path)


async def test_another_host_is_named_by_its_address_and_the_token_by_the_environment(
    tmp_path: Path,
) -> None:
    file = tmp_path / "token"
    file.write_text("from-a-file\n")
    given = await place_of("--url", f"{URL}/", PM_CONTROL_TOKEN="from-env")
    assert (given.url, given.token, given.title) == (URL, "from-env", "127.0.0.1:8105")
    kept = await place_of("--url", URL, PM_CONTROL_TOKEN_FILE=str(file))
    assert kept.token == "from-a-file"
    nowhere = {"PM_DATA_DIR": str(tmp_path / "none")}
    assert "set PM_CONTROL_TOKEN or PM_CONTROL_TOKEN_FILE" in await problem_of(
        "--url", URL, **nowhere
    )
    missing = str(tmp_path / "missing")
    said = await problem_of("--url", URL, PM_CONTROL_TOKEN_FILE=missing)
    assert said.startswith("PM_CONTROL_TOKEN_FILE cannot be read")


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8105",
        "ftp://h:1",
        "http://",
        "http://h:0",
        "http://h:x",
        "http://u:p@h:1/",
        "http://h:1/events",
        "http://h:1/?token=x",
        "http://h:1/#x",
    ],
)
def test_what_is_no_address_is_one_line(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["watch", "--url", url])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert "address" in said
    assert "token" not in said, "what may be a secret is not repeated"
    assert len(said.splitlines()) == 1


def test_without_a_terminal_it_says_what_to_use(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    assert main(["watch", "--url", URL]) == 2
    said = capsys.readouterr().err
    assert said == "pm watch: it needs a terminal; for programs there is pm status --json\n"
