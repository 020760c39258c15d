"""Every variable that a command's help or messages name has effect on that command.

The rows that are needed are found in the help texts and in the strings of the modules that a
command is made of, so a new mention without a row here fails. A row observes something of the
command without the variable and with it: the two must differ.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pmcore.shell.settings.common import CommonSettings, check_settings
from pmsimulator.settings import SimulatorSettings
from pmtools.cli import build_parser
from pmtools.doctor import checks as doctor_checks
from pmtools.doctor.command import examine
from pmtools.presets import with_preset
from pmtools.replay.command import read_params
from pmtools.run.files import runs_root
from pmtools.run.options import read_options
from pmtools.run.plan import PORTS, Surroundings, plan_run
from pmtools.run.token import control_token
from pmtools.simulator import simulator_environment
from support.settings import settings_of, variables_of
from support.tree import LIBRARIES, ROOT, SERVICES, parsed

NAMED = re.compile(r"\b(?:PM|POLYMARKET)_[A-Z0-9_]*[A-Z0-9]\b(?!_?\*)")
COMMANDS = ("run", "replay", "simulator", "doctor")
"""Without status, kill and resume: their own tests try their addresses and tokens."""
LEFT_OUT = {
    ("run", "POLYMARKET_MARKET_SLUG"): "tested with the options of `pm run`",
    ("replay", "PM_DATA_DIR"): "said of runs, by the module that finds the checkout",
    ("replay", "PM_JOURNAL"): "said of the run that should have written one",
    ("simulator", "PM_DRY_RUN"): "said by `read_options`, which only `pm run` calls",
}
WALLET = "0x" + "ab" * 20
NOBODY = "http://127.0.0.1:1"
FAR_AWAY = {
    "POLYMARKET_REST_URL": NOBODY,
    "POLYMARKET_GAMMA_URL": NOBODY,
    "POLYMARKET_WS_BASE_URL": "ws://127.0.0.1:1",
}
KEYS = {
    "POLYMARKET_PRIVATE_KEY": "0x" + "1f" * 32,
    "POLYMARKET_API_KEY": "k",
    "POLYMARKET_API_SECRET": "aGk=",
    "POLYMARKET_API_PASSPHRASE": "p",
    "POLYMARKET_ADDRESS": WALLET,
}
LIVE = {**FAR_AWAY, "PM_DRY_RUN": "false"}
Observe = Callable[[Mapping[str, str]], Any]


def the_run(environ: Mapping[str, str], *arguments: str) -> Any:
    """What each process of a run is given."""
    options = read_options(build_parser().parse_args(["run", *arguments]), environ)
    around = Surroundings(
        directory=runs_root(environ),
        redis_url=environ.get("PM_REDIS_URL", ""),
        control_token=control_token(environ),
        clock=environ.get("PM_CLOCK", ""),
        environ=environ,
    )
    plan = plan_run(options, around, range(1, PORTS + 1))
    return [(child.name, child.env) for child in plan.children]


def of_the_run(name: str, *arguments: str) -> Observe:
    """The variable as some process of the run reads it."""
    return lambda environ: [env.get(name) for _, env in the_run(environ, *arguments)]


def the_simulator(environ: Mapping[str, str]) -> Any:
    arguments = build_parser().parse_args(["simulator"])
    settings, problems = check_settings(
        SimulatorSettings, simulator_environment(arguments, environ)
    )
    return settings.model_dump() if settings else problems


def the_doctor(environ: Mapping[str, str]) -> Any:
    return [(each.subject, each.verdict, each.text, each.mend) for each in examine(environ)]


def the_local_findings(environ: Mapping[str, str]) -> Any:
    settings, _ = check_settings(CommonSettings, environ)
    assert settings is not None
    return list(doctor_checks.local_findings(settings, environ))


def token_of_the_run(environ: Mapping[str, str]) -> Any:
    token = control_token(environ)
    return token if token == "mine" else "made up"


REAL = ("--venue", "polymarket")
# command and variable: its value, what else is set, and what is observed
ROWS: dict[tuple[str, str], tuple[str, Mapping[str, str], Observe]] = {
    ("run", "PM_DRY_RUN"): ("false", {}, of_the_run("PM_DRY_RUN", *REAL)),
    ("run", "PM_DATA_DIR"): ("elsewhere", {}, runs_root),
    ("run", "PM_JOURNAL"): ("false", {}, of_the_run("PM_JOURNAL")),
    ("run", "PM_REDIS_URL"): ("redis://there", {}, of_the_run("PM_REDIS_URL")),
    ("run", "PM_CONTROL_TOKEN"): ("mine", {}, token_of_the_run),
    ("run", "PM_CONTROL_TOKEN_FILE"): ("token", {}, token_of_the_run),
    ("run", "PM_CLOCK"): ("1,2,3.0", {}, of_the_run("PM_CLOCK")),
    ("run", "PM_SETTLE_GRACE_S"): ("7", {}, of_the_run("PM_SETTLE_GRACE_S")),
    ("run", "PM_PRESET"): ("careful", {}, lambda environ: with_preset(environ).used),
    ("replay", "PM_PRESET"): (
        "careful",
        {},
        lambda environ: read_params(with_preset(environ).environ),
    ),
    ("doctor", "PM_PRESET"): ("careful", FAR_AWAY, the_doctor),
    **{
        ("run", name): (value, {}, of_the_run(name, *REAL))
        for name, value in {
            **KEYS,
            **FAR_AWAY,
            "POLYMARKET_FUNDER_ADDRESS": WALLET,
            "POLYMARKET_SIGNATURE_TYPE": "3",
            "POLYMARKET_API_CREDENTIALS_FILE": "there.json",
        }.items()
    },
    ("simulator", "PM_SIM_HOST"): ("::1", {}, the_simulator),
    ("simulator", "PM_SIM_PORT"): ("8300", {}, the_simulator),
    ("simulator", "PM_SIM_SEED"): ("9", {}, the_simulator),
    ("simulator", "PM_SIM_FAULTS"): ('{"failed_ppm":5}', {}, the_simulator),
    ("simulator", "PM_SIM_PROTOCOL"): ("v2", {}, the_simulator),
    ("simulator", "PM_SIM_RECORDING"): (__file__, {}, the_simulator),
    ("simulator", "PM_CLOCK"): ("1,2,3.0", {}, the_simulator),
    ("simulator", "POLYMARKET_MARKET_SLUG"): ("eth-updown-4h", {}, the_simulator),
    ("doctor", "PM_DRY_RUN"): ("false", {**FAR_AWAY, **KEYS}, the_doctor),
    ("doctor", "PM_BID_SIZE"): ("10", FAR_AWAY, the_doctor),
    ("doctor", "PM_DATA_DIR"): ("elsewhere", FAR_AWAY, the_doctor),
    ("doctor", "PM_REDIS_URL"): ("redis://127.0.0.1:1", FAR_AWAY, the_doctor),
    ("doctor", "PM_CONTROL_TOKEN_FILE"): ("token", FAR_AWAY, the_doctor),
    ("doctor", "PM_CONTROL_TOKEN"): ("mine", {"PM_CONTROL_TOKEN_FILE": "token"}, the_doctor),
    ("doctor", "POLYMARKET_REST_URL"): ("http://127.0.0.2:1", FAR_AWAY, the_doctor),
    ("doctor", "POLYMARKET_GAMMA_URL"): ("http://127.0.0.2:1", FAR_AWAY, the_doctor),
    ("doctor", "POLYMARKET_WS_BASE_URL"): ("ws://127.0.0.2:1", FAR_AWAY, the_doctor),
    ("doctor", "POLYMARKET_MARKET_SLUG"): ("?", FAR_AWAY, the_doctor),
    ("doctor", "POLYMARKET_PRIVATE_KEY"): (KEYS["POLYMARKET_PRIVATE_KEY"], LIVE, the_doctor),
    ("doctor", "POLYMARKET_PRIVATE_KEY_FILE"): ("key", LIVE, the_doctor),
    ("doctor", "POLYMARKET_API_KEY"): ("k", FAR_AWAY, the_doctor),
    ("doctor", "POLYMARKET_API_SECRET"): ("aGk=", FAR_AWAY, the_doctor),
    ("doctor", "POLYMARKET_API_PASSPHRASE"): ("p", FAR_AWAY, the_doctor),
    ("doctor", "POLYMARKET_FUNDER_ADDRESS"): (WALLET, LIVE, the_local_findings),
    ("doctor", "POLYMARKET_SIGNATURE_TYPE"): ("3", LIVE, the_local_findings),
}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("PM_", "POLYMARKET_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text("mine\n")
    (tmp_path / "key").write_text(KEYS["POLYMARKET_PRIVATE_KEY"])


def parsers() -> dict[str, argparse.ArgumentParser]:
    (commands,) = (
        action
        for action in build_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return dict(commands.choices)


def file_of(module: str) -> Path:
    """The file of a module of `pmtools`, named without the package."""
    return LIBRARIES["pmtools"] / f"{module.replace('.', '/')}.py"


@cache
def modules_of(module: str) -> frozenset[str]:
    """A module of `pmtools` and those of them that it imports, all the way."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        waiting += [
            node.module.partition(".")[2]
            for node in ast.walk(parsed(file_of(name)))
            if isinstance(node, ast.ImportFrom)
            if node.module is not None and node.module.startswith("pmtools.")
        ]
    return frozenset(found - {"cli"})


def names_in(path: Path) -> set[str]:
    """Those in sentences; a string that is only a name is a key, and no message."""
    return {
        name
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if not NAMED.fullmatch(node.value)
        for name in NAMED.findall(node.value)
    }


def mentions(command: str) -> set[tuple[str, str]]:
    """What the help and the strings of a command name."""
    parser = parsers()[command]
    module = parser.get_default("handler").partition(":")[0]
    named = set(NAMED.findall(parser.format_help()))
    for each in modules_of(module):
        named |= names_in(file_of(each))
    return {(command, name) for name in named}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_variable_that_a_command_names_has_a_row(command: str) -> None:
    assert mentions(command) - ROWS.keys() - LEFT_OUT.keys() == set()


@pytest.mark.parametrize(("command", "variable"), ROWS)
def test_a_variable_has_effect_where_it_is_named(command: str, variable: str) -> None:
    value, beside, observe = ROWS[command, variable]
    before = observe(dict(beside))
    assert observe({**beside, variable: value}) != before


def test_a_token_from_a_file_is_given_to_each_process_in_one_way() -> None:
    """Both variables at once are refused by every service."""
    for _, env in the_run({"PM_CONTROL_TOKEN_FILE": "token"}):
        assert env["PM_CONTROL_TOKEN"] == "mine"
        assert "PM_CONTROL_TOKEN_FILE" not in env


def test_replay_reads_the_variables_of_the_strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_params()
    monkeypatch.setenv("PM_BID_SIZE", "7")
    assert read_params() != before


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_names_only_variables_that_it_reads(service: str) -> None:
    named: set[str] = set()
    for path in (ROOT / f"services/{service}/src").rglob("*.py"):
        named |= names_in(path)
    assert named - variables_of(service) == set()


@pytest.mark.parametrize("service", SERVICES)
def test_each_setting_is_used_somewhere(service: str) -> None:
    """A variable that is read into a field which nobody looks at has no effect."""
    text = "".join(
        path.read_text() for top in ("libs", "services") for path in (ROOT / top).rglob("*.py")
    )
    unused = {f for f in settings_of(service).model_fields if not re.search(rf"\.{f}\b", text)}
    assert unused == set()
