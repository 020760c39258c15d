"""`pm kill` and `pm resume` find every engine of the checkout, each with its own token."""

from __future__ import annotations

import json
import os
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from pmcore.shell.control_client import open_http
from pmtools.cli import main
from pmtools.control import compose_stack
from pmtools.control.checkout import find_checkout
from pmtools.control.engines import find_by_hand
from pmtools.ports import free_port
from support.control_ports import SERVICES, ControlPort, FakeCheckout


def use_path(checkout: FakeCheckout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", checkout.path)


def test_a_kill_reaches_two_runs_and_the_stack_with_the_token_of_each(
    checkout: FakeCheckout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PM_CONTROL_TOKEN", "of nobody here")
    first, second, stack = (checkout.engine(f"token {n}") for n in range(3))
    checkout.run(first)
    checkout.run(second)
    checkout.compose(stack)
    assert main(["kill", "--reason", "news at 14:30"]) == 0
    for engine in (first, second, stack):
        heard = engine.heard("/kill")
        assert [body["reason"] for body in heard] == ["news at 14:30"] * 4
        assert all("@" in body["by"] for body in heard)
    assert capsys.readouterr().out.splitlines() == [
        "run-1 (sim, process 4711): halted",
        "run-2 (sim, process 4711): halted",
        "compose pm-as-ofi: halted",
    ]


def test_nothing_found_has_its_own_exit_code(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("kill", "resume", "status"):
        assert main([command]) == 3
        said = capsys.readouterr()
        assert f"pm {command}: no engine of this checkout is up" in said.err
        assert said.out == ""


def test_a_record_that_a_killed_run_left_is_not_counted(checkout: FakeCheckout) -> None:
    gone = checkout.engine("t")
    for port in gone.ports.values():
        port.close()
    checkout.run(gone, held=False, pid=os.getpid())  # its number was given to another process
    assert main(["kill"]) == 3
    checkout.run(live := checkout.engine("u"))
    assert main(["kill"]) == 0
    assert len(live.heard("/kill")) == 4


def test_services_that_outlive_their_run_are_halted(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.run(orphans := checkout.engine("t"), held=False)
    assert main(["kill"]) == 0
    assert len(orphans.heard("/kill")) == 4
    assert "its `pm run` has died" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["kill", "resume"])
def test_one_service_that_is_dead_is_named(
    checkout: FakeCheckout,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    monkeypatch.setattr("pmtools.control.kill.START_WAIT_S", 0.0)
    checkout.run(engine := checkout.engine("t"))
    engine.ports["executor"].close()
    assert main([command]) == 1
    done = {"kill": "halted", "resume": "resumed"}[command]
    assert capsys.readouterr().out.splitlines() == [
        f"run-1 (sim, process 4711): {done} only in part",
        f"  feed: {done}",
        f"  strategy: {done}",
        "  executor: nobody listens there",
        f"  userws: {done}",
    ]


def test_a_service_that_never_answers_is_waited_for_within_bounds(
    checkout: FakeCheckout,
    stack: ExitStack,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pmtools.control.kill.ANSWER_S", 0.5)
    silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    engine = checkout.engine("t")
    engine.ports["executor"].close()
    engine.ports["executor"].url = f"http://127.0.0.1:{silent.getsockname()[1]}"
    checkout.compose(engine)
    assert main(["kill", "--compose"]) == 1
    assert "executor: no answer within 0.5 s" in capsys.readouterr().out


def test_a_run_that_is_just_starting_is_waited_for(checkout: FakeCheckout) -> None:
    late = ControlPort("executor", "t", port=free_port(), after_s=0.4)
    checkout.run(engine := checkout.engine("t", executor=late))
    assert main(["kill"]) == 0
    assert len(engine.heard("/kill")) == 4


def test_a_container_that_does_not_run_is_named(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.compose(stack := checkout.engine("t"), stopped=["executor"])
    assert main(["kill"]) == 1
    assert len(stack.heard("/kill")) == 3
    said = capsys.readouterr().out
    assert "executor: its container does not run (Exited (2) 5 minutes ago)" in said


def test_a_stack_that_was_stopped_is_no_engine(checkout: FakeCheckout) -> None:
    checkout.compose(checkout.engine("t"), stopped=SERVICES)
    assert main(["kill"]) == 3


def test_the_stack_of_another_checkout_is_left_alone(
    checkout: FakeCheckout, tmp_path: Path
) -> None:
    checkout.compose(theirs := checkout.engine("t"), project="theirs", directory=tmp_path)
    checkout.compose(ours := checkout.engine("u"), project="another-name")
    assert main(["kill"]) == 0
    assert (len(ours.heard("/kill")), theirs.heard("/kill")) == (4, [])


def test_a_stack_whose_token_nobody_can_read_is_not_halted(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout.compose(stack := checkout.engine("t"), readable=False)
    assert main(["kill"]) == 1
    said = capsys.readouterr().out
    assert "compose pm-as-ofi: NOT halted" in said
    assert "its control token could not be read" in said
    monkeypatch.setenv("PM_CONTROL_TOKEN", "t")
    assert main(["kill"]) == 0
    assert len(stack.heard("/kill")) == 4


def test_without_docker_a_run_is_halted_and_one_line_says_what_was_not_looked_for(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout.docker_says(absent=True)
    use_path(checkout, monkeypatch)
    checkout.run(checkout.engine("t"))
    assert main(["kill"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "(Docker is not installed here, so no Compose stack was looked for)"
    ]


def test_without_a_docker_daemon_there_is_no_stack(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.docker_says("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.")
    checkout.run(checkout.engine("t"))
    assert main(["kill"]) == 0
    assert "Docker is not running" in capsys.readouterr().err


def test_a_docker_that_may_not_be_asked_leaves_a_doubt(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.docker_says("permission denied while trying to connect to the docker socket")
    checkout.run(engine := checkout.engine("t"))
    assert main(["kill", "--json"]) == 1
    said = capsys.readouterr()
    assert "a Compose stack may be up" in said.err
    told = json.loads(said.out)
    assert (told["obeyed"], told["engines"][0]["obeyed"]) == (False, True)
    assert len(engine.heard("/kill")) == 4


def test_a_docker_that_hangs_is_a_doubt_and_not_waited_for_without_a_bound(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compose_stack, "DOCKER_TIMEOUT_S", 0.5)
    checkout.docker_says(hangs=True)
    checkout.run(engine := checkout.engine("t"))
    assert main(["kill"]) == 1
    assert len(engine.heard("/kill")) == 4
    assert "Docker could not be asked (no answer within 0.5 s)" in capsys.readouterr().err


def test_no_run_waits_for_docker(checkout: FakeCheckout) -> None:
    checkout.run(engine := checkout.engine("t"))
    checkout.compose(stack := checkout.engine("u"))
    engine.ports["executor"].on_heard = checkout.docker_waits()
    assert main(["kill"]) == 0
    assert (len(engine.heard("/kill")), len(stack.heard("/kill"))) == (4, 4)


def test_a_resume_of_one_of_several_needs_a_choice(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, stack = (checkout.engine(f"token {n}") for n in range(3))
    checkout.run(first)
    checkout.run(second, pid=4712)
    checkout.compose(stack)
    assert main(["resume"]) == 2
    said = capsys.readouterr().err
    assert "run-1, run-2, compose pm-as-ofi" in said
    assert "--run ID" in said
    assert not any(engine.heard("/resume") for engine in (first, second, stack))

    def counts(*arguments: str) -> list[int]:
        assert main(["resume", *arguments]) == 0
        return [len(engine.heard("/resume")) for engine in (first, second, stack)]

    assert counts("--run", "1") == [4, 0, 0]
    assert counts("--run", "run-2") == [4, 4, 0]
    assert counts("--run", "4712") == [4, 8, 0]
    assert counts("--compose") == [4, 8, 4]
    assert counts("--all") == [8, 12, 8]
    assert main(["resume", "--run", "9"]) == 3
    assert "up are: run-1, run-2" in capsys.readouterr().err


def test_a_kill_may_be_for_one_engine(checkout: FakeCheckout) -> None:
    first, second, stack = (checkout.engine(f"token {n}") for n in range(3))
    checkout.run(first)
    checkout.run(second)
    checkout.compose(stack)
    assert main(["kill", "--run", "2"]) == 0
    assert main(["kill", "--compose", "pm-as-ofi"]) == 0
    assert [len(engine.heard("/kill")) for engine in (first, second, stack)] == [0, 4, 4]


def test_two_stacks_of_one_checkout_are_told_apart(checkout: FakeCheckout) -> None:
    one, two = checkout.engine("t"), checkout.engine("u")
    checkout.compose(one, project="one")
    checkout.compose(two, project="two")
    assert main(["resume", "--compose"]) == 2
    assert main(["resume", "--compose", "two"]) == 0
    assert (one.heard("/resume"), len(two.heard("/resume"))) == ([], 4)


@pytest.mark.parametrize("command", ["kill", "resume", "status"])
def test_json_is_all_that_is_on_stdout(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    checkout.run(checkout.engine("t"))
    assert main([command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [engine["name"] for engine in told["engines"]] == ["run-1"]
    assert set(told["engines"][0]["services"]) == set(SERVICES)


def test_a_run_is_found_wherever_it_keeps_its_files_and_from_any_folder(
    checkout: FakeCheckout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    near, far = checkout.engine("t"), checkout.engine("u")
    checkout.run(near)
    checkout.run(far, root=tmp_path / "elsewhere")
    (deep := checkout.root / "docs/pages").mkdir(parents=True)
    monkeypatch.chdir(deep)
    monkeypatch.setenv("PM_DATA_DIR", str(tmp_path / "a third place"))
    assert main(["kill"]) == 0
    assert (len(near.heard("/kill")), len(far.heard("/kill"))) == (4, 4)


def test_services_named_by_their_urls_are_an_engine(
    checkout: FakeCheckout, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, run = checkout.engine("t"), checkout.engine("u")
    checkout.run(run)
    for name, url in named.urls.items():
        monkeypatch.setenv(f"PM_{name.upper()}_URL", url)
    monkeypatch.setenv("PM_CONTROL_TOKEN", "t")
    assert main(["kill"]) == 0
    assert (len(named.heard("/kill")), len(run.heard("/kill"))) == (4, 4)
    assert main(["resume"]) == 2
    assert main(["resume", "--urls"]) == 0
    assert (len(named.heard("/resume")), len(run.heard("/resume"))) == (4, 0)


def test_a_token_file_that_cannot_be_read_holds_up_no_other_engine(
    checkout: FakeCheckout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    named, run = checkout.engine("t"), checkout.engine("u")
    checkout.run(run)
    monkeypatch.setenv("PM_CONTROL_TOKEN_FILE", "/nowhere/token")
    assert main(["kill"]) == 0
    monkeypatch.setenv("PM_EXECUTOR_URL", named.urls["executor"])
    assert main(["kill"]) == 1
    assert len(run.heard("/kill")) == 8
    said = capsys.readouterr().out
    assert "PM_*_URL: NOT halted" in said
    assert "PM_CONTROL_TOKEN_FILE cannot be read" in said


def test_a_working_directory_that_is_gone_is_no_error(
    checkout: FakeCheckout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (gone := tmp_path / "gone").mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert find_checkout(None, checkout.root / "libs/pmtools/module") == checkout.root.resolve()
    monkeypatch.chdir(checkout.root)


def test_urls_that_name_a_found_engine_are_not_a_second_one(
    checkout: FakeCheckout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.compose(stack := checkout.engine("t"))
    monkeypatch.setenv("PM_EXECUTOR_URL", stack.urls["executor"])
    assert main(["resume"]) == 0
    assert main(["kill"]) == 0
    assert "PM_*_URL" not in capsys.readouterr().out


async def test_services_started_by_hand_are_an_engine(checkout: FakeCheckout) -> None:
    engine = checkout.engine("t")
    ports = {name: int(url.rpartition(":")[2]) for name, url in engine.urls.items()}
    async with open_http() as http:
        found = await find_by_hand(http, {"PM_CONTROL_TOKEN": "t"}, (), ports)
        assert [each.urls for each in found.engines] == [set(engine.urls.values())]
        assert {place.token for place in found.engines[0].services} == {"t"}
        assert (await find_by_hand(http, {}, ports.values(), ports)).engines == []


@pytest.mark.parametrize(("given", "kept"), [("", "operator"), ("x" * 300, "x" * 200)])
def test_no_reason_can_make_a_kill_fail(checkout: FakeCheckout, given: str, kept: str) -> None:
    checkout.run(engine := checkout.engine("t"))
    assert main(["kill", "--reason", given]) == 0
    assert {body["reason"] for body in engine.heard("/kill")} == {kept}


def test_a_record_of_another_user_is_not_passed_over(
    checkout: FakeCheckout, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = checkout.run(checkout.engine("t")).resolve()
    opened = os.open

    def refuse(path: str | Path, *rest: int) -> int:  # the tests may run as root
        if Path(path).parent == directory and not rest[0] & os.O_CREAT:
            raise PermissionError
        return opened(path, *rest)

    monkeypatch.setattr(os, "open", refuse)
    assert main(["kill"]) == 1
    assert "it belongs to another user" in capsys.readouterr().out
