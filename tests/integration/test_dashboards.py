"""The dashboards and the alerts, asked of a real Prometheus while the engine trades."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pmtools.ports import free_port
from support.alert_cases import promtool_tests
from support.compose import wait_for
from support.prometheus import Prometheus, promtool, running_prometheus
from support.promql import Query, alert_rules, annotation_queries, dashboard_queries, judged
from support.redis import BINARIES, RedisServers
from support.tree import ROOT

pytestmark = [pytest.mark.connected, pytest.mark.timeout(420)]

RUN_S = 300
"""At most: a pair needs fills on both outcomes, when is chance. The run ends with the tests."""
LAG = "pm_bus_lag_entries"


NEWEST_REDIS = max(
    BINARIES, key=lambda version: [int(part) for part in version.split(".")], default="none"
)
KNOWS_LAG = int(NEWEST_REDIS.partition(".")[0]) >= 7 if BINARIES else False
"""Before 7.0, XINFO GROUPS has no lag: the panel is empty, and says so."""


@contextlib.contextmanager
def executor_on_paper(redis_url: str, directory: Path) -> Iterator[str]:
    """An executor in dry mode without a market, in a database of its own: paper has panels."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PM_")}
    environment |= {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PM_REDIS_URL": redis_url.removesuffix("/0") + "/1",
        "PM_HTTP_PORT": str(port),
        "PM_CONTROL_TOKEN": "token-of-the-paper-executor",
        "PM_DATA_DIR": str(directory),
    }
    process = subprocess.Popen([sys.executable, "-m", "pmexecutor"], cwd=ROOT, env=environment)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def prometheus(
    tmp_path_factory: pytest.TempPathFactory, redis_servers: RedisServers
) -> Iterator[Prometheus]:
    directory = tmp_path_factory.mktemp("run")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PM_")}
    environment["PM_DATA_DIR"] = str(directory)
    environment["PM_UNDERLYING_MOVE_BP"] = "1000"  # its price has panels; it never moves so far
    environment["PM_REDIS_URL"] = redis_servers.flushed_url(NEWEST_REDIS)
    command = [sys.executable, "-m", "pmtools.cli", "run", "--json"]
    run = subprocess.Popen(
        [*command, "--seconds", str(RUN_S), "--window", "30", "--seed", "7"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    record = directory / "run-1/run.json"
    try:
        wait_for("the run", record.exists, within_s=30)
        urls = json.loads(record.read_text())["urls"]
        paper = executor_on_paper(environment["PM_REDIS_URL"], tmp_path_factory.mktemp("paper"))
        with paper as url:
            scraped = {**urls, "executor_on_paper": url}
            with running_prometheus(scraped, tmp_path_factory.mktemp("prometheus")) as server:
                yield server
    finally:
        run.send_signal(signal.SIGINT)
        said, _ = run.communicate(timeout=60)
        print(said)


def without_data(prometheus: Prometheus, queries: list[Query]) -> list[Query]:
    return [query for query in queries if not prometheus.ask(query.expression)]


def wait_for_data(prometheus: Prometheus, queries: list[Query], *, within_s: float) -> list[Query]:
    ends = time.monotonic() + within_s
    queries = [query for query in queries if KNOWS_LAG or LAG not in query.expression]
    while (queries := without_data(prometheus, queries)) and time.monotonic() < ends:
        time.sleep(2)
    return queries


def test_every_panel_has_data(prometheus: Prometheus) -> None:
    assert wait_for_data(prometheus, dashboard_queries(), within_s=RUN_S - 30) == []


def test_every_annotation_can_be_asked(prometheus: Prometheus) -> None:
    """What it marks need not have happened; a kill did not."""
    asked = {query.panel: prometheus.ask(query.expression) for query in annotation_queries()}
    assert asked.keys() == {"Rotations", "Kills", "Rejections"}
    assert asked["Kills"] == []
    assert prometheus.ask("pm_executor_kill_seconds_count"), "there before the first kill"


def test_every_alert_has_something_to_judge(prometheus: Prometheus) -> None:
    sides = [Query(rule.name, part) for rule in alert_rules() for part in judged(rule)]
    assert wait_for_data(prometheus, sides, within_s=30) == []


def test_no_alert_fires_while_all_is_well(prometheus: Prometheus) -> None:
    assert prometheus.firing() == set()


def test_each_alert_fires_when_it_should_and_is_silent_when_not(tmp_path: Path) -> None:
    shutil.copy(ROOT / "prometheus/alerts.yml", tmp_path)
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(promtool_tests()))
    promtool("test", "rules", "tests.yml", directory=tmp_path)
