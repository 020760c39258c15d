"""What `make up` leaves out and says, without a Docker engine: a stand-in for the command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pmtools import compose_up

SERVICES = {
    "redis": {"image": "redis:1"},
    "feed": {"image": "ours/feed", "build": {}, "depends_on": {"redis": {}}},
    "prometheus": {"image": "prom:1"},
    "grafana": {"image": "graf:1", "build": {}, "depends_on": {"prometheus": {}}},
}
DOCKER = """#!{python}
import json, pathlib, sys
here = pathlib.Path(__file__).parent
words = sys.argv[1:]
with (here / "calls").open("a") as calls:
    calls.write(" ".join(words) + "\\n")
world = json.loads((here / "world").read_text())
if "config" in words:
    print(json.dumps({{"services": world["services"]}}))
elif words[:2] == ["image", "inspect"]:
    if words[-1] not in world["here"]:
        sys.exit(1)
    print(world["here"][words[-1]])
elif "pull" in words and words[-1] not in world["pullable"]:
    sys.exit("Pulling\\nError: no such host")
elif "build" in words and world["unbuildable"]:
    sys.exit(1)
"""


class Docker:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        command = directory / "docker"
        command.write_text(DOCKER.format(python=sys.executable))
        command.chmod(0o755)
        self.here: dict[str, str] = {}
        self.pullable: list[str] = []
        self.unbuildable = False

    def up(self) -> int:
        world = {
            "services": SERVICES,
            "here": self.here,
            "pullable": self.pullable,
            "unbuildable": self.unbuildable,
        }
        (self.directory / "world").write_text(json.dumps(world))
        return compose_up.main(["docker", "compose", "--profile", "sim"])

    def started(self) -> list[str] | None:
        lines = (self.directory / "calls").read_text().splitlines()
        found = [line.partition("up --detach ")[2].split() for line in lines if " up " in line]
        return found[0] if found else None

    def built(self) -> list[str]:
        lines = (self.directory / "calls").read_text().splitlines()
        return [line.partition(" build ")[2] for line in lines if " build " in line]


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return Docker(tmp_path)


def test_everything_here_is_everything_started(
    docker: Docker, capsys: pytest.CaptureFixture[str]
) -> None:
    docker.here = {"redis:1": "", "prom:1": "<no value>", "graf:1": ""}
    assert docker.up() == 0
    assert docker.started() == ["redis", "feed", "prometheus", "grafana"]
    assert docker.built() == ["feed"]
    assert capsys.readouterr().err == ""


def test_what_can_be_pulled_is_pulled(docker: Docker) -> None:
    docker.pullable = ["redis", "prometheus", "grafana"]
    assert docker.up() == 0
    assert docker.started() == ["redis", "feed", "prometheus", "grafana"]


def test_an_image_that_cannot_be_had_is_left_out_and_named(
    docker: Docker, capsys: pytest.CaptureFixture[str]
) -> None:
    docker.here = {"redis:1": "", "prom:1": ""}
    assert docker.up() == 0
    assert docker.started() == ["redis", "feed", "prometheus"]
    said = capsys.readouterr().err
    assert "grafana is NOT started: its image graf:1 cannot be pulled (Error: no such host)" in said
    assert "docker compose --profile sim up --detach grafana" in said


@pytest.mark.parametrize("pullable", [True, False])
def test_a_page_under_grafanas_name_is_not_taken_for_grafana(
    docker: Docker, capsys: pytest.CaptureFixture[str], *, pullable: bool
) -> None:
    docker.here = {"redis:1": "", "prom:1": "", "graf:1": "grafana"}
    docker.pullable = ["grafana"] if pullable else []
    assert docker.up() == 0
    assert ("grafana" in (docker.started() or [])) is pullable
    assert ("NOT started" in capsys.readouterr().err) is not pullable


def test_what_needs_a_missing_one_is_left_out_too(
    docker: Docker, capsys: pytest.CaptureFixture[str]
) -> None:
    docker.here = {"redis:1": "", "graf:1": ""}
    assert docker.up() == 0
    assert docker.started() == ["redis", "feed"]
    assert "grafana is NOT started: it shows nothing without prometheus" in capsys.readouterr().err


def test_without_redis_nothing_is_started(
    docker: Docker, capsys: pytest.CaptureFixture[str]
) -> None:
    assert docker.up() == 1
    assert docker.started() is None
    assert "redis: the image redis:1 is not here" in capsys.readouterr().err


def test_a_failed_build_starts_nothing(docker: Docker, capsys: pytest.CaptureFixture[str]) -> None:
    docker.unbuildable = True
    docker.here = {"redis:1": "", "prom:1": "", "graf:1": ""}
    assert docker.up() == 1
    assert docker.started() is None
    assert "cannot be built" in capsys.readouterr().err


def test_no_docker_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert compose_up.main(["docker", "compose"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_it_needs_nothing_but_the_standard_library() -> None:
    code = "import sys; import pmtools.compose_up; print('msgspec' in sys.modules)"
    path = ":".join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("place", ["file", "environment"])
def test_a_setting_of_one_series_that_no_container_would_get_starts_nothing(
    docker: Docker,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    place: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    docker.here = {"redis:1": "", "prom:1": "", "graf:1": ""}
    if place == "file":
        Path(".env").write_text("PM_BID_SIZE=5\nPM_BID_SIZE__BTC_UPDOWN_5M=7\n")
    else:
        monkeypatch.setenv("PM_BID_SIZE__BTC_UPDOWN_5M", "7")
    assert docker.up() == 1
    assert not (docker.directory / "calls").exists()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("PM_BID_SIZE__BTC_UPDOWN_5M: docker gives no container a setting of a")
