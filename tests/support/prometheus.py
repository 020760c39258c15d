"""A real Prometheus with the repository's rules: the one on the PATH, else the image's."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import yaml

from support.compose import fetch, wait_for
from support.machine import why_no_docker
from support.tree import ROOT

_EXTREME = re.compile(r"((?:min|max)_over_time\(\w+)\[(\w+)\]")
_UNIT_MS = {"s": 1_000, "m": 60_000}
IMAGE = "prom/prometheus:v2.53.3"


class Prometheus:
    """Asks a running server."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The rows of an instant query; raises `ValueError` for one that is wrong."""
        answer = fetch(f"{self._url}/api/v1/query?query={quote(expression)}")
        if answer["status"] != "success":
            raise ValueError(f"{expression}: {answer['error']}")
        rows: list[dict[str, Any]] = answer["data"]["result"]
        return rows

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        alerts = fetch(f"{self._url}/api/v1/alerts")["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


@contextlib.contextmanager
def running_prometheus(
    urls: Mapping[str, str], directory: Path, *, sooner: int = 1, receiver: str = ""
) -> Iterator[Prometheus]:
    """Scrape the services at `urls` each second; the rules are those of the repository.

    A rule's `for`, and the range of an extreme over time, are 1/`sooner` of what they are; nothing
    else of a rule is changed. `receiver`: the URL of what takes alerts as an Alertmanager does.
    """
    config = directory / "prometheus.yml"
    config.write_text(yaml.safe_dump(_config(urls, receiver)))
    rules = yaml.safe_load((ROOT / "prometheus/alerts.yml").read_text())
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        _hasten(rule, sooner)
    (directory / "alerts.yml").write_text(yaml.safe_dump(rules))
    port = _free_port()
    with contextlib.ExitStack() as ending:
        process = subprocess.Popen(
            [
                *_command("prometheus", directory),
                f"--config.file={config}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=(directory / "prometheus.log").open("w"),
        )
        ending.callback(process.wait, 30)
        ending.callback(process.terminate)
        server = Prometheus(f"http://127.0.0.1:{port}")
        wait_for("Prometheus", lambda: server.ask("vector(1)"), within_s=30)
        yield server


def promtool(*arguments: str, directory: Path) -> str:
    """Run promtool in a directory; return what it says, and fail with it."""
    done = subprocess.run(
        [*_command("promtool", directory), *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _command(name: str, directory: Path) -> list[str]:
    if found := shutil.which(name):
        return [found]
    if reason := why_no_docker():
        pytest.skip(f"no {name} on the PATH and {reason}")
    user = f"{os.getuid()}:{os.getgid()}"
    mount = f"{directory}:{directory}"
    image = ["--entrypoint", name, IMAGE]
    return [
        "docker",
        "run",
        "--rm",
        "--network=host",
        f"-u={user}",
        "-v",
        mount,
        "-w",
        str(directory),
        *image,
    ]


def _hasten(rule: dict[str, str], sooner: int) -> None:
    def shorter(duration: str) -> str:
        return f"{int(duration[:-1]) * _UNIT_MS[duration[-1]] // sooner}ms"

    if "for" in rule:
        rule["for"] = shorter(rule["for"])
    rule["expr"] = _EXTREME.sub(lambda m: f"{m[1]}[{shorter(m[2])}]", rule["expr"])


def _config(urls: Mapping[str, str], receiver: str) -> dict[str, Any]:
    jobs = [
        {"job_name": name, "static_configs": [{"targets": [urlsplit(url).netloc]}]}
        for name, url in urls.items()
    ]
    every = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    made = {"global": every, "rule_files": ["alerts.yml"], "scrape_configs": jobs}
    if receiver:
        target = {"static_configs": [{"targets": [urlsplit(receiver).netloc]}]}
        made["alerting"] = {"alertmanagers": [target]}
    return made


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
