"""An image that cannot be pulled: all else starts, and what is missing is said.

The image is given a name in a domain that does not exist, so it is missing on every machine.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.compose import NOWHERE, System, wait_for
from support.tree import ROOT, SERVICES

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

ALL = {"redis", *SERVICES, "prometheus", "grafana"}


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    made = System(f"pm-missing-{os.getpid()}", tmp_path)
    made.compose("build", *SERVICES)
    yield made
    made.remove()
    image = f"{NOWHERE}-grafana:{made.name}"
    subprocess.run(["docker", "image", "rm", image], capture_output=True, check=False)


def make(system: System, target: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", target, f"COMPOSE={shlex.join(system.command)}"],
        cwd=ROOT,
        env=system.environment,
        capture_output=True,
        text=True,
        check=False,
    )


def running(system: System) -> set[str]:
    return {
        name for name, one in system.containers().items() if one["State"]["Status"] == "running"
    }


def page(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def test_plain_compose_starts_all_else_and_says_so_in_grafanas_place(
    system: System, tmp_path: Path
) -> None:
    system.without_image("grafana", tmp_path)
    system.compose("up", "--detach")
    wait_for("all containers", lambda: running(system) == ALL, within_s=120)
    assert "could not be pulled" in system.logs("grafana")
    status, text = page(system.url("grafana"))
    assert status == 503
    assert "docker compose pull grafana" in text
    wait_for("quotes", lambda: system.state("strategy")["totals"]["orders_placed"], within_s=90)


def test_make_up_leaves_out_what_cannot_be_had_and_says_how_to_go_on(
    system: System, tmp_path: Path
) -> None:
    system.without_image("grafana", tmp_path)
    done = make(system, "up-sim")
    assert done.returncode == 0, done.stderr
    assert running(system) == ALL - {"grafana"}
    assert "grafana is NOT started" in done.stderr
    assert f"{NOWHERE}-grafana" in done.stderr
    assert "up --detach grafana" in done.stderr
    wait_for("quotes", lambda: system.state("strategy")["totals"]["orders_placed"], within_s=90)
    stand_in = f"{NOWHERE}-grafana:{system.name}"
    listed = subprocess.run(
        ["docker", "image", "ls", "--quiet", stand_in], capture_output=True, text=True, check=True
    )
    assert listed.stdout == ""


def test_without_prometheus_grafana_is_left_out_too(system: System, tmp_path: Path) -> None:
    system.without_image("prometheus", tmp_path)
    system.without_image("grafana", tmp_path)
    done = make(system, "up-sim")
    assert done.returncode == 0, done.stderr
    assert running(system) == ALL - {"grafana", "prometheus"}
    assert "prometheus is NOT started" in done.stderr


def test_without_redis_nothing_is_started_and_the_reason_is_said(
    system: System, tmp_path: Path
) -> None:
    system.without_image("redis", tmp_path)
    done = make(system, "up-sim")
    assert done.returncode != 0
    assert "Nothing works without it" in done.stderr
    assert system.compose("ps", "--all", "--quiet") == ""
