""".env.example, docker-compose.yml and the settings classes name the same variables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from pmcore.shell.service.container import PRESETS_FOLDER
from pmcore.shell.settings import known_variables
from pmcore.shell.settings.common import variable_of
from pmcore.shell.settings.paper_defaults import paper_defaults
from support.settings import all_variables, settings_of, variables_of
from support.tree import ROOT, SERVICES, name_of, python_files, tracked

EXAMPLE = (ROOT / ".env.example").read_text()
ASSIGNED = re.compile(r"^(#?)([A-Z][A-Z0-9_]+)=(.*)$", re.MULTILINE)
OF_COMPOSE = {"PM_SIM_SERIES", "PIP_CONFIG_FILE", "PM_PRESET"}
SET_BY_THE_IMAGE = {"PM_HTTP_HOST", "PM_HTTP_PORT", "PM_DATA_DIR"}
NOT_IN_CONTAINERS = {"PM_CLOCK", "PM_SIM_SOURCE", "PM_SIM_RECORDING", "PM_SIM_MARKET"}
TEXT = {
    ".py",
    ".md",
    ".yml",
    ".yaml",
    ".json",
    ".toml",
    ".sh",
    "Makefile",
    "Dockerfile",
    ".env.example",
}
NAMED = re.compile(r"\b(?:PM|POLYMARKET)_[A-Z0-9_]*[A-Z0-9]\b(?!_?\*)")
BETTER_THAN_THE_DEFAULT = paper_defaults({})


def shown() -> dict[str, str]:
    return {name: value for _, name, value in ASSIGNED.findall(EXAMPLE)}


def given_by_compose(service: str) -> set[str]:
    composed = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return set(composed["services"][service]["environment"])


def test_the_example_names_what_the_services_read_and_nothing_else() -> None:
    assert shown().keys() - OF_COMPOSE == all_variables()


def test_a_copy_of_the_example_sets_nothing() -> None:
    """A preset counts only for what is unset, and `pm run` has a market of its own."""
    assert [name for mark, name, _ in ASSIGNED.findall(EXAMPLE) if not mark] == []


def test_the_example_names_each_variable_once() -> None:
    names = [name for _, name, _ in ASSIGNED.findall(EXAMPLE)]
    assert sorted(names) == sorted(set(names))


def test_the_example_holds_no_secret() -> None:
    secret = {
        name for name in shown() if name.endswith(("_KEY", "_SECRET", "_PASSPHRASE", "_TOKEN"))
    }
    assert {name: shown()[name] for name in secret if shown()[name]} == {}


@pytest.mark.parametrize("service", SERVICES)
def test_the_example_shows_the_defaults(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cls = settings_of(service)
    for name in all_variables():
        monkeypatch.delenv(name, raising=False)
    defaults = cls()
    for name, value in shown().items():
        if name in variables_of(service) and value:
            monkeypatch.setenv(name, value)
    example = cls()
    different = {
        variable_of(cls, field)
        for field in cls.model_fields
        if getattr(defaults, field) != getattr(example, field)
    }
    assert different == BETTER_THAN_THE_DEFAULT.keys() & variables_of(service)


def test_where_the_example_differs_paper_trading_does_too() -> None:
    assert BETTER_THAN_THE_DEFAULT == {"PM_BID_SIZE": "5", "PM_OFI_MODE": "adaptive"}
    assert {name: shown()[name] for name in BETTER_THAN_THE_DEFAULT} == BETTER_THAN_THE_DEFAULT


@pytest.mark.parametrize("service", SERVICES)
def test_compose_hands_a_service_its_own_variables_and_no_other(service: str) -> None:
    wanted = variables_of(service) - SET_BY_THE_IMAGE - NOT_IN_CONTAINERS
    assert given_by_compose(service) - OF_COMPOSE == wanted


def test_compose_gives_the_presets_to_the_services_that_they_concern() -> None:
    composed = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    mounted = f"./presets:{PRESETS_FOLDER}:ro"
    told = {name for name, one in composed.items() if "PM_PRESET" in one.get("environment", {})}
    given = {name for name, one in composed.items() if mounted in one.get("volumes", [])}
    concerned = {s for s in SERVICES if variables_of(s) & known_variables.OF_PRESETS}
    assert told == given == concerned == {"strategy", "executor"}


def test_the_known_variables_are_those_that_something_reads() -> None:
    assert all_variables() == known_variables.SERVICES
    composed = (ROOT / "docker-compose.yml").read_text()
    read_by_compose = set(re.findall(r"\$\{(\w+)", composed)) | {
        name for service in SERVICES for name in given_by_compose(service)
    }
    ours = {name for name in read_by_compose if name.startswith(known_variables.PREFIXES)}
    assert ours <= known_variables.SERVICES | known_variables.COMPOSE
    assert ours >= known_variables.COMPOSE


def test_every_variable_that_the_repository_names_is_known() -> None:
    """In documents, dashboards and messages; tests may make names up."""
    unknown = {
        f"{name_of(path)}: {name}"
        for path in tracked()
        if path.suffix in TEXT or path.name in TEXT
        if not name_of(path).startswith("tests/")
        for name in NAMED.findall(path.read_text())
        if name not in known_variables.KNOWN and not known_variables.override_of(name)
    }
    assert unknown == set()


def test_the_variables_of_the_tests_are_read_by_tests() -> None:
    text = "".join(
        path.read_text()
        for path in python_files()
        if name_of(path).startswith("tests/") and path != Path(__file__)
    )
    assert {name for name in known_variables.TESTS if f'"{name}"' not in text} == set()


def test_redis_writes_to_disk_each_second() -> None:
    """What a crash of Redis may lose, as the runbook says."""
    composed = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    command = composed["services"]["redis"]["command"]
    assert command[command.index("--appendonly") + 1] == "yes"
    assert command[command.index("--appendfsync") + 1] == "everysec"
