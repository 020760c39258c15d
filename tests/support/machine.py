"""What this machine can run, and how hard properties are tried."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache

import pytest
from hypothesis import settings

settings.register_profile("quick", max_examples=25, deadline=None)
settings.register_profile("usual", max_examples=100, deadline=None)
settings.register_profile("thorough", max_examples=2_000, deadline=None)
settings.load_profile("usual")


@cache
def why_no_docker() -> str:
    """Say why tests with a Docker engine cannot run; empty when they can, or must (PM_REQUIRE)."""
    if "docker" in os.environ.get("PM_REQUIRE", ""):
        return ""
    docker = shutil.which("docker")
    if docker is None:
        return "no docker command on this machine"
    asked = subprocess.run([docker, "info"], capture_output=True, timeout=30, check=False)
    return "" if asked.returncode == 0 else "no Docker engine answers"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with a plain reason, what cannot run on this machine."""
    for item in items:
        if item.get_closest_marker("docker") and (reason := why_no_docker()):
            item.add_marker(pytest.mark.skip(reason=reason))
