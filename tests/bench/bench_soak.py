"""`pm run` for a long time at ten times real rate: memory of every process and of Redis, and lag.

Print one JSON object. Each quantity is sampled every ten seconds; what is said is its largest value
in each tenth of the run, so that what still rises at the end is seen.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import redis as redis_py

from pmcore.shell.clock import Clock
from pmtools.hosts.usage import use_of_process

SAMPLE_S = 10.0
START_S = 60.0
TENTHS = 10
MB = 1e6
SERVICES = ("pmfeed", "pmstrategy", "pmexecutor", "pmuserws", "pmconsole", "pmsimulator")


def begun(out: Path, arguments: argparse.Namespace) -> subprocess.Popen[bytes]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PM_", "POLYMARKET_"))}
    clock = Clock.starting_at(Clock.from_spec("").now_ns(), arguments.speed)
    variables = {
        **inherited,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PM_CLOCK": clock.spec(),
        "PM_DATA_DIR": str(out),
        "PM_SIM_WORLD": arguments.world,
    }
    command = ["run", "--json", "--seconds", str(int(arguments.minutes * 60)), "--window", "300"]
    with (out / "run.json.out").open("wb") as said, (out / "run.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "pmtools.cli", *command, "--preset", arguments.preset],
            env=variables,
            stdout=said,
            stderr=log,
        )


def record_of(out: Path) -> dict[str, Any]:
    until_s = time.monotonic() + START_S
    while not (found := list(out.glob("run-*/run.json"))):
        if time.monotonic() > until_s:
            raise SystemExit("the run did not begin")
        time.sleep(0.2)
    record: dict[str, Any] = json.loads(found[0].read_text())
    return record


def processes(of_run: int) -> dict[str, int]:
    """The services' pids by name: the children of the run."""
    pids = {}
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if parent == of_run:
            named = [one.decode() for one in words if one.decode() in SERVICES]
            if named:
                pids[named[0]] = int(entry.name)
    return pids


def sampled(server: Any, of_run: int) -> dict[str, float]:
    """Megabytes resident, Redis' memory and entries, and the lag of the groups that are read.

    `md` has a group for paper fills, which nobody reads outside of dry mode.
    """
    now = {
        f"{name} MB": use_of_process(pid).resident_bytes / MB
        for name, pid in processes(of_run).items()
    }
    now["redis MB"] = server.info("memory")["used_memory"] / MB
    lag = 0
    for key in server.scan_iter(_type="stream"):
        name = key.decode().rpartition(":")[2]
        now[f"{name} entries"] = now.get(f"{name} entries", 0) + server.xlen(key)
        read = (group for group in server.xinfo_groups(key) if group["consumers"])
        lag = max([lag, *(group.get("lag") or 0 for group in read)])
    now["most lag of a group"] = lag
    return now


def observed(run: subprocess.Popen[bytes], server: Any, of_run: int) -> Any:
    rows: dict[str, list[float]] = defaultdict(list)
    while run.poll() is None:
        try:
            for name, value in sampled(server, of_run).items():
                rows[name].append(value)
        except (OSError, redis_py.exceptions.RedisError):
            break  # the run is ending
        time.sleep(SAMPLE_S)
    return rows


def by_tenth(values: list[float]) -> list[float]:
    size = max(1, len(values) // TENTHS)
    return [round(max(values[at : at + size]), 1) for at in range(0, len(values), size)]


def main() -> None:
    """Start the run, watch it, and say what it used."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--speed", type=float, default=10)
    parser.add_argument("--world", default="fitted")
    parser.add_argument("--preset", default="show")
    arguments = parser.parse_args()
    out = Path(tempfile.mkdtemp(prefix="soak-"))
    run = begun(out, arguments)
    try:
        record = record_of(out)
        server = redis_py.Redis.from_url(
            record["redis_url"],
            username="ops" if record["redis_password"] else None,
            password=record["redis_password"] or None,
        )
        rows = observed(run, server, record["pid"])
    finally:
        if run.poll() is None:
            run.send_signal(signal.SIGINT)
        run.wait()
    said = json.loads((out / "run.json.out").read_text() or "{}")
    told = {
        "minutes": arguments.minutes,
        "speed": arguments.speed,
        "exit_code": run.returncode,
        "largest_in_each_tenth": {name: by_tenth(values) for name, values in rows.items()},
        "summary": said,
        "folder": str(out),
    }
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
