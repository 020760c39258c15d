"""`pm record` beside the simulator at ten times real rate: gaps, memory, and a kill -9.

Print one JSON object. The simulator plays the fitted world; the recorder is killed with SIGKILL
after MINUTES and begun again, so that what is missing then is said too.
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
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pmcore.shell.clock import Clock
from pmtools.hosts.usage import use_of_process
from pmtools.ports import free_port

MARKET = "btc-updown-5m"
SAMPLE_S = 10.0
AFTER_KILL_S = 60.0
SILENT_MS, PREWARM_S = 3_000.0, 10.0
"""The defaults, in real time: the clock runs faster, the machine does not."""
PATIENCE_S = 60.0


def environment(venue: int, control: int, clock: str, speed: float) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PM_", "POLYMARKET_"))}
    http = f"http://127.0.0.1:{venue}"
    return {
        **inherited,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PM_CLOCK": clock,
        "PM_HTTP_PORT": str(control),
        "PM_FEED_SILENT_MS": str(round(SILENT_MS * speed)),
        "PM_PREWARM_S": str(PREWARM_S * speed),
        "PM_SIM_PORT": str(venue),
        "PM_SIM_WORLD": "fitted",
        "PM_VENUE": "sim",
        "POLYMARKET_MARKET_SLUG": MARKET,
        **{f"POLYMARKET_{name}_URL": http for name in ("REST", "GAMMA", "DATA")},
        "POLYMARKET_WS_BASE_URL": f"ws://127.0.0.1:{venue}/ws",
    }


def begun(command: list[str], variables: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as said:
        return subprocess.Popen(
            [sys.executable, "-m", *command], env=variables, stdout=said, stderr=said
        )


def observed(process: subprocess.Popen[bytes], seconds: float) -> list[float]:
    """The recorder's resident megabytes, every ten seconds."""
    until_s, sizes = time.monotonic() + seconds, []
    while time.monotonic() < until_s:
        time.sleep(SAMPLE_S)
        if process.poll() is not None:
            raise SystemExit(f"the recorder ended with {process.returncode}")
        sizes.append(use_of_process(process.pid).resident_bytes / 1e6)
    return sizes


def checked(folder: Path) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "pmtools.cli", "recordings", "check", str(folder), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    windows: list[dict[str, Any]] = json.loads(done.stdout)["windows"]
    return windows


def lengths(missing: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Why each stretch is missing, and how many seconds of the venue's time it lasts."""
    return [
        {"why": one["why"], "seconds": round((one["to_ns"] - one["from_ns"]) / 1e9, 2)}
        for one in missing
    ]


def main() -> None:
    """Run, kill, go on, check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--speed", type=float, default=10)
    arguments = parser.parse_args()
    out = Path(tempfile.mkdtemp(prefix="record-"))
    clock = Clock.starting_at(Clock.from_spec("").now_ns(), arguments.speed)
    variables = environment(free_port(), free_port(), clock.spec(), arguments.speed)
    simulator = begun(
        ["pmsimulator", "alone"], {**variables, "PM_HTTP_PORT": str(free_port())}, out / "sim.log"
    )
    recorder = ["pmtools.cli", "record", "--out", str(out)]
    try:
        time.sleep(3)  # it may take longer: the recorder asks again
        first = begun(recorder, variables, out / "one.log")
        sizes = observed(first, arguments.minutes * 60)
        first.send_signal(signal.SIGKILL)
        killed_ns = clock.now_ns()
        first.wait()
        second = begun(recorder, variables, out / "two.log")
        observed(second, AFTER_KILL_S)
        second.send_signal(signal.SIGINT)
        second.wait(PATIENCE_S)
    finally:
        simulator.terminate()
        simulator.wait()
    windows = checked(out / "recordings")
    missing = [one for window in windows for one in window["missing"] or []]
    edges = [one for one in windows[0]["missing"] or [] if one["why"] == "not begun"]
    edges += [one for one in missing if one["why"] == "ended"]
    cut_off = [one for one in missing if one["from_ns"] <= killed_ns <= one["to_ns"]]
    tenth = max(1, len(sizes) // 10)
    told = {
        "minutes": arguments.minutes,
        "speed": arguments.speed,
        "windows": len(windows),
        "messages": sum(window["messages"] for window in windows),
        "messages_a_real_second": round(
            sum(window["messages"] for window in windows) / (arguments.minutes * 60 + AFTER_KILL_S),
            1,
        ),
        "books_verified": sum(window["books_verified"] for window in windows),
        "books_mismatched": sum(window["books_mismatched"] for window in windows),
        "gaps": lengths(one for one in missing if one not in cut_off and one not in edges),
        "before_the_start_and_after_the_end": lengths(edges),
        "missing_before_the_kill_real_s": [
            round((killed_ns - one["from_ns"]) / 1e9 / arguments.speed, 3) for one in cut_off
        ],
        "unusable_lines": sum(sum(window["unusable"].values()) for window in windows),
        "rss_mb_first_tenth": round(max(sizes[:tenth]), 1),
        "rss_mb_last_tenth": round(max(sizes[-tenth:]), 1),
        "rss_mb_most": round(max(sizes), 1),
        "folder": str(out),
    }
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
