"""`pm run` with stand-ins for the services: real processes, signals and control ports."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis as redis_py

from support.fake_services import write_fake_services

pytestmark = pytest.mark.connected

_STOPS = ["strategy", "executor", "userws", "feed", "simulator"]


class Stage:
    """A directory of stand-ins and a way to run `pm` among them."""

    def __init__(self, directory: Path) -> None:
        self.fakes = directory / "fakes"
        self.data = directory / "data"
        self.checkout = directory / "checkout"
        self.fakes.mkdir()
        (self.checkout / "libs/pmcore").mkdir(parents=True)
        (self.checkout / "docker-compose.yml").touch()
        write_fake_services(self.fakes)
        inherited = os.pathsep.join(path for path in sys.path if path)
        self.environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{self.fakes}{os.pathsep}{inherited}",
            "PM_FAKE_DIR": str(self.fakes),
            "PM_DATA_DIR": str(self.data),
            "PM_REDIS_URL": "redis://127.0.0.1:1/0",
        }

    def answer(self, service: str, path: str, body: dict[str, Any], status: int = 200) -> None:
        name = f"{service}{path.replace('/', '.')}.json"
        (self.fakes / name).write_text(json.dumps([status, body]))

    def events(self, what: str) -> list[str]:
        """Of the engine: the console is started beside it, at its own time."""
        path = self.fakes / "events.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        lines = [line for line in lines if not line.endswith(" console")]
        return [line.removeprefix(f"{what} ") for line in lines if line.startswith(f"{what} ")]

    def count(self, beginning: str) -> int:
        path = self.fakes / "events.txt"
        return sum(line.startswith(beginning) for line in path.read_text().splitlines())

    def environ_of(self, service: str) -> dict[str, str]:
        loaded: dict[str, str] = json.loads((self.fakes / f"{service}.env.json").read_text())
        return loaded

    def pm(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pmtools.cli", *arguments],
            env={**self.environ, **more},
            cwd=self.checkout,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "pmtools.cli", *arguments],
            env={**self.environ, **more},
            cwd=self.checkout,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run_until_said(self, what: str, **more: str) -> str:
        """What a run says that is interrupted once it has said this."""
        with self.start("run", "--seconds", "600", "--json", **more) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            heard = ""
            while what not in heard:
                line = process.stderr.readline()
                assert line, f"ended early: {heard}"
                heard += line
            process.terminate()
            heard += process.stderr.read()
            stdout = process.stdout.read()
        assert process.returncode == 130, heard
        assert json.loads(stdout.splitlines()[-1])["exit_reason"] == "interrupted"
        return heard


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage(tmp_path)
    made.answer("feed", "/state", {"frames": 12, "events": 30, "books": {"books_verified": 4}})
    made.answer(
        "strategy",
        "/state",
        {
            "totals": {
                "orders_placed": 6,
                "orders_rejected": {"tick": 2},
                "max_abs_net_diff_u6": 5_000_000,
                "max_pair_cost_e4": 9_800,
            },
            "windows": {"btc-updown-60s-1800000000": {"state": "quoting"}},
            "windows_seen": 2,
            "hop_ms": {"md_to_decision": {"p50": 0.7, "p99": 4.0, "n": 9}},
            "fingerprint": "ab12",
        },
    )
    made.answer("simulator", "/audit", {"orders_open": 0})
    return made


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not condition():
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError(f"ended early: {process.communicate()[1]}")


def test_sums_up_what_the_services_said(stage: Stage) -> None:
    done = stage.pm("run", "--seconds", "1", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["exit_reason"] == "time_over"
    assert summary["frames"] == 12
    assert summary["books_verified"] == 4
    assert summary["orders_placed"] == 6
    assert summary["orders_rejected"] == {"tick": 2}
    assert summary["max_abs_net_diff"] == 5.0
    assert summary["max_pair_cost"] == 0.98
    assert summary["windows"] == 2
    assert summary["hop_ms"]["md_to_decision"]["p99"] == 4.0
    assert summary["orders_left_at_venue"] == 0
    assert summary["fingerprint"] == "ab12"


def test_stops_the_brain_first_and_the_venue_last(stage: Stage) -> None:
    assert stage.pm("run", "--seconds", "1").returncode == 0
    assert stage.events("stopped") == _STOPS


def test_removes_its_directory_unless_told_to_keep_it(stage: Stage) -> None:
    assert stage.pm("run", "--seconds", "1").returncode == 0
    assert list(stage.data.iterdir()) == []
    assert stage.pm("run", "--seconds", "1", "--keep").returncode == 0
    assert [path.name for path in stage.data.iterdir()] == ["run-1"]
    assert not (stage.data / "run-1" / "run.json").exists()


def test_orders_left_at_the_venue_are_a_failure(stage: Stage) -> None:
    stage.answer("simulator", "/audit", {"orders_open": 2})
    done = stage.pm("run", "--seconds", "1", "--json")
    assert done.returncode == 1
    assert "2 orders still rest at the venue" in done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["orders_left_at_venue"] == 2


@pytest.mark.parametrize(
    ("plan", "said", "code"),
    [("strategy:later", "out of ideas", "4"), ("feed:at_start", "PM_EXAMPLE", "3")],
)
def test_a_death_is_one_clear_line_with_the_end_of_the_log(
    stage: Stage, plan: str, said: str, code: str
) -> None:
    done = stage.pm("run", "--seconds", "30", "--json", PM_FAKE_DEATHS=plan)
    name = plan.partition(":")[0]
    assert done.returncode == 1
    assert f"{name} ended unexpectedly with exit code {code}" in done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["exit_reason"] == f"{name}_failed"
    assert stage.events("stopped") == [
        other for other in _STOPS if other in stage.events("started") and other != name
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_stops_in_order(stage: Stage, number: signal.Signals) -> None:
    process = stage.start("run", "--seconds", "600", "--json")
    wait_for(lambda: len(stage.events("started")) == 5, process)
    process.send_signal(number)
    stdout, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert json.loads(stdout.splitlines()[-1])["exit_reason"] == "interrupted"
    assert stage.events("stopped") == _STOPS


def test_a_killed_run_leaves_nothing_running(stage: Stage) -> None:
    process = stage.start("run", "--seconds", "600")
    wait_for(lambda: len(stage.events("started")) == 5, process)
    process.kill()
    process.communicate(timeout=30)
    for _ in range(200):
        if len(stage.events("stopped")) == 5:
            return
        os.sched_yield()
        signal.sigtimedwait([], 0.05)
    assert sorted(stage.events("stopped")) == sorted(_STOPS)


def test_the_console_is_told_where_the_services_are_and_nothing_of_redis(stage: Stage) -> None:
    said = stage.run_until_said("console: http", POLYMARKET_API_SECRET="mine", PM_BID_SIZE="7")
    environ = stage.environ_of("console")
    assert f"console: http://127.0.0.1:{environ['PM_HTTP_PORT']} " in said
    assert "#" not in said, "what is not a terminal may be a log"
    for name in ("feed", "strategy", "executor", "userws"):
        port = stage.environ_of(name)["PM_HTTP_PORT"]
        assert environ[f"PM_{name.upper()}_URL"] == f"http://127.0.0.1:{port}"
    ours = {name for name in environ if name.startswith(("PM_", "POLYMARKET_"))}
    assert not any("REDIS" in name or "POLYMARKET" in name for name in ours)
    assert stage.count("stopped console") == 1


@pytest.mark.parametrize("death", ["console:at_start", "console:later"])
def test_a_run_goes_on_without_its_console(stage: Stage, death: str) -> None:
    stage.run_until_said("the console ended with exit code", PM_FAKE_DEATHS=death)
    assert stage.events("stopped") == _STOPS


def test_one_window_may_end_by_itself(stage: Stage) -> None:
    done = stage.pm(
        "run",
        "--seconds",
        "30",
        "--json",
        "--market",
        "btc-updown-60s-1800000000",
        PM_FAKE_DEATHS="strategy:finished",
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["exit_reason"] == "window_done"


def test_only_the_executor_sees_a_key(stage: Stage) -> None:
    account = {
        "POLYMARKET_PRIVATE_KEY": "mine",
        "POLYMARKET_API_SECRET": "mine too",
        "POLYMARKET_FUNDER_ADDRESS": "my address",
    }
    assert stage.pm("run", "--seconds", "1", "--venue", "polymarket", **account).returncode == 0
    for name in ("feed", "strategy", "userws"):
        assert "POLYMARKET_PRIVATE_KEY" not in stage.environ_of(name)
    for name in ("feed", "strategy"):
        assert "POLYMARKET_API_SECRET" not in stage.environ_of(name)
    assert stage.environ_of("executor")["POLYMARKET_PRIVATE_KEY"] == "mine"
    assert stage.environ_of("userws")["POLYMARKET_API_SECRET"] == "mine too"

    assert stage.pm("run", "--seconds", "1", **account).returncode == 0
    for name in _STOPS:
        assert not set(account) & set(stage.environ_of(name))


def test_the_real_venue_is_dry_without_a_simulator(stage: Stage) -> None:
    done = stage.pm("run", "--seconds", "1", "--venue", "polymarket", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["mode"] == "dry"
    assert stage.events("stopped") == _STOPS[:-1]
    environ = stage.environ_of("executor")
    assert environ["PM_DRY_RUN"] == "true"
    assert "POLYMARKET_REST_URL" not in environ


def test_nobody_else_can_use_the_redis_of_a_run(stage: Stage) -> None:
    del stage.environ["PM_REDIS_URL"]
    process = stage.start("run", "--seconds", "600")
    wait_for(lambda: len(stage.events("started")) == 5, process)
    url = json.loads((stage.data / "run-1" / "run.json").read_text())["redis_url"]
    assert urlsplit(url).password is None, "the record holds no password"
    with (
        redis_py.Redis(port=urlsplit(url).port or 0) as stranger,
        pytest.raises(redis_py.AuthenticationError),
    ):
        stranger.ping()
    process.terminate()
    process.wait()


def test_status_kill_and_resume_find_the_run(stage: Stage) -> None:
    process = stage.start("run", "--seconds", "600")
    wait_for(lambda: len(stage.events("started")) == 5, process)
    record = stage.data / "run-1" / "run.json"
    assert stat.S_IMODE(record.stat().st_mode) == 0o600

    status = stage.pm("status", "--json")
    assert status.returncode == 0, status.stderr
    (engine,) = json.loads(status.stdout)["engines"]
    assert engine["services"]["strategy"]["state"]["windows_seen"] == 2

    stage.answer("feed", "/readyz", {"ready": False, "reasons": ["no frame for 3 s"]}, 503)
    status = stage.pm("status")
    assert status.returncode == 1
    assert "no frame for 3 s" in status.stdout

    killed = stage.pm("kill", "--reason", "news", PM_CONTROL_TOKEN="of another engine")
    assert killed.returncode == 0, killed.stderr
    assert stage.count('/kill {"reason":"news"') == 4
    assert stage.pm("resume").returncode == 0
    assert stage.count("/resume {") == 4

    process.terminate()
    process.communicate(timeout=30)
    assert list((stage.checkout / "var/register").iterdir()) == []
    assert stage.pm("kill").returncode == 3


def test_two_runs_are_halted_by_one_kill(stage: Stage) -> None:
    processes = [stage.start("run", "--seconds", "600") for _ in range(2)]
    for process in processes:
        wait_for(lambda: len(stage.events("started")) == 10, process)
    killed = stage.pm("kill")
    assert killed.returncode == 0, killed.stderr
    assert stage.count("/kill") == 8
    assert [line.partition(" (")[0] for line in killed.stdout.splitlines()] == ["run-1", "run-2"]
    assert stage.pm("resume").returncode == 2
    assert stage.pm("resume", "--run", str(processes[1].pid)).returncode == 0
    assert stage.count("/resume") == 4

    processes[0].kill()
    processes[0].communicate(timeout=30)
    wait_for(lambda: len(stage.events("stopped")) == 5, processes[1])
    assert stage.pm("status", "--json").returncode == 0
    assert stage.pm("resume").returncode == 0
    processes[1].terminate()
    processes[1].communicate(timeout=30)


def test_the_cause_is_on_the_screen_and_in_the_exit_code(stage: Stage) -> None:
    text = "GET https://gamma-api.polymarket.com/markets: Name or service not known"
    trouble = {"what": "window", "cause": "name_resolution", "text": text, "seconds": 1.0}
    stage.answer("feed", "/state", {"frames": 0, "troubles": [trouble]})
    done = stage.pm("run", "--seconds", "2", "--venue", "polymarket", "--json")
    assert done.returncode == 10
    assert "feed: window: name resolution" in done.stderr
    assert done.stderr.count(text) >= 2
    assert json.loads(done.stdout.splitlines()[-1])["exit_reason"] == "name_resolution"


def test_a_run_without_market_data_is_no_success(stage: Stage) -> None:
    stage.answer("feed", "/state", {"frames": 0})
    done = stage.pm("run", "--seconds", "1")
    assert done.returncode == 3
    assert "not one frame of market data came in" in done.stderr
