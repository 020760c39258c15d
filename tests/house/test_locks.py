"""One resolution for all: every lock agrees with the whole, and covers what is asked for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from support.tree import LIBRARIES, ROOT, SERVICES

PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^ \\;]+)", re.MULTILINE)
NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")
EXTRAS = re.compile(r"[a-z]+(?=[,\]])")
MEMBERS = [
    *("libs/pmcore", "libs/pmsim", "libs/pmtools", "research"),
    *(f"services/{name}" for name in SERVICES),
]
PIP_INSTALL = re.compile(r"\bpip3? install\b")
INSTALL_LOCKED = "/build/bin/python /build/install_locked.py /tmp/requirements.lock"
STAGE = re.compile(r"^FROM \S+ AS (\S+)$", re.MULTILINE)
OURS = {*LIBRARIES, *(f"pm{service}" for service in SERVICES)}


def pins(path: Path) -> dict[str, str]:
    return dict(PIN.findall(path.read_text()))


def asked_for(pyproject: Path) -> set[str]:
    """The packages that a member names, through the extras of pmcore that it names."""
    tables = tomllib.loads(pyproject.read_text())
    wanted = [
        *tables["project"]["dependencies"],
        *(name for group in tables.get("dependency-groups", {}).values() for name in group),
    ]
    core = tomllib.loads((ROOT / "libs/pmcore/pyproject.toml").read_text())["project"]
    for extra in EXTRAS.findall(" ".join(text for text in wanted if text.startswith("pmcore"))):
        wanted += core["optional-dependencies"][extra]
    names = {match[0].lower().replace("_", "-") for text in wanted if (match := NAME.match(text))}
    return names - OURS


@pytest.mark.parametrize("service", SERVICES)
def test_a_services_lock_agrees_with_the_whole(service: str) -> None:
    whole = pins(ROOT / "requirements.lock")
    own = pins(ROOT / f"services/{service}/requirements.lock")
    assert own
    assert own.items() <= whole.items()


@pytest.mark.parametrize("member", MEMBERS)
def test_what_a_member_asks_for_is_locked(member: str) -> None:
    lock = ROOT / (
        f"{member}/requirements.lock" if member.startswith("services/") else "requirements.lock"
    )
    assert asked_for(ROOT / member / "pyproject.toml") <= pins(lock).keys()


def test_the_tools_are_locked() -> None:
    assert asked_for(ROOT / "pyproject.toml") <= pins(ROOT / "requirements.lock").keys()


@pytest.mark.parametrize(
    "name", ["requirements.lock", *(f"services/{s}/requirements.lock" for s in SERVICES)]
)
def test_a_lock_holds_hashes_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    assert len(pins(ROOT / name)) == len(re.findall(r"^[a-z].*==.*\\$", text, re.MULTILINE))
    assert not re.search(r"://|^-|^\.|file:", text, re.MULTILINE)


def test_no_live_service_but_the_executor_gets_packages_that_sign() -> None:
    for service in ("feed", "strategy", "userws", "console"):
        own = pins(ROOT / f"services/{service}/requirements.lock").keys()
        assert own.isdisjoint({"py-clob-client-v2", "eth-account", "coincurve"}), service


def test_the_strategy_gets_no_network_client() -> None:
    own = pins(ROOT / "services/strategy/requirements.lock").keys()
    assert own.isdisjoint({"httpx", "websockets", "aiohttp", "requests"})


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_gets_what_only_research_uses(service: str) -> None:
    own = pins(ROOT / f"services/{service}/requirements.lock").keys()
    assert own.isdisjoint({"matplotlib", "numpy", "pillow", "fonttools", "textual"})
    assert own.isdisjoint(asked_for(ROOT / "research/pyproject.toml"))


def stages(dockerfile: str) -> dict[str, str]:
    """The lines of each stage by its name."""
    _, *rest = STAGE.split(dockerfile)
    return dict(zip(rest[::2], rest[1::2], strict=True))


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_is_installed_as_its_lock_says(service: str) -> None:
    """Both steps go through the script that resolves nothing and verifies the result."""
    text = (ROOT / "Dockerfile").read_text()
    assert PIP_INSTALL.findall(text) == []
    stage = stages(text)[f"{service}-build"]
    assert stage.count(f"source=services/{service}/requirements.lock,") == 2
    assert stage.count(INSTALL_LOCKED) == 2
    assert f"{INSTALL_LOCKED} --no-index /wheels/" in stage
