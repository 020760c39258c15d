"""The simulator as `python -m pmsimulator`: starts, serves, says its state, ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from py_clob_client_v2 import ClobClient, OrderArgs

from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import Clock
from pmtools.ports import free_port
from support.small_recording import OPEN_S, market_object, recorded_window, write_recording

pytestmark = pytest.mark.connected

KEY = "0x" + "42" * 32
TOKEN = "token-of-the-test"
PATIENCE_S = 30.0


def environment(directory: Path, **variables: str) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PM_", "POLYMARKET_"))}
    python_path = os.pathsep.join(path for path in sys.path if path)
    return {
        **inherited,
        "PYTHONPATH": python_path,
        "PM_DATA_DIR": str(directory),
        "PM_CONTROL_TOKEN": TOKEN,
        "POLYMARKET_MARKET_SLUG": "btc-updown-5m",
        **variables,
    }


class Process:
    """A running simulator, its control address and the venue's."""

    def __init__(self, process: subprocess.Popen[bytes], control: int, venue: int) -> None:
        self._process = process
        self._control = f"http://127.0.0.1:{control}"
        self.url = f"http://127.0.0.1:{venue}"

    def wait_until_ready(self) -> None:
        self._wait(lambda: httpx.get(f"{self._control}/readyz").status_code == 200)

    def state(self) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        answer: dict[str, Any] = httpx.get(f"{self._control}/state", headers=headers).json()
        return answer

    def metrics(self) -> str:
        return httpx.get(f"{self._control}/metrics").text

    def wait_for_state(self, **wanted: object) -> None:
        self._wait(lambda: self.state().items() >= wanted.items())

    def _wait(self, holds: Any) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            assert self._process.poll() is None, "the simulator ended"
            try:
                if holds():
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError("did not come in time")

    def ends_well(self) -> bool:
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=PATIENCE_S) == 0


@contextmanager
def simulator(directory: Path, redis_url: str, **variables: str) -> Iterator[Process]:
    control, venue = free_port(), free_port()
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pmsimulator"],
            env=environment(
                directory,
                PM_REDIS_URL=redis_url,
                PM_HTTP_PORT=str(control),
                PM_SIM_PORT=str(venue),
                **variables,
            ),
            stdout=output,
            stderr=output,
        )
        try:
            yield Process(process, control, venue)
        except BaseException:
            print(log.read_text()[-4_000:])
            raise
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def client_of(running: Process) -> ClobClient:
    client = ClobClient(host=running.url, chain_id=137, key=KEY)
    client.set_api_creds(client.create_or_derive_api_key())
    return client


def test_a_synthetic_market_is_served_until_sigterm(tmp_path: Path, redis_url: str) -> None:
    start_ns = (OPEN_S + 10) * NS_PER_S
    clock = Clock.starting_at(start_ns, 1.0).spec()
    with simulator(tmp_path, redis_url, PM_CLOCK=clock, PM_SIM_SEED="3") as running:
        running.wait_until_ready()
        assert running.state()["source"] == "synthetic, seed 3"
        slug = f"btc-updown-5m-{OPEN_S + 300}"
        gamma = httpx.get(f"{running.url}/markets", params={"slug": slug}).json()[0]
        token_id = json.loads(gamma["clobTokenIds"])[0]
        order = OrderArgs(token_id=token_id, price=0.3, size=10, side="BUY")
        client_of(running).create_and_post_order(order, post_only=True)
        state = running.state()
        assert (state["orders_open"], state["fills"], state["done"]) == (1, 0, False)
        assert "\npm_simulator_open_orders 1.0\n" in running.metrics()
        assert running.ends_well()
    assert '"orders_open":1' in (tmp_path / "log").read_text().replace(" ", "")


def test_a_recording_is_played_to_its_end(tmp_path: Path, redis_url: str) -> None:
    recording = write_recording(tmp_path / "small.jsonl", seconds=240)
    market = tmp_path / "market.json"
    market.write_text(json.dumps(market_object()))
    window = recorded_window()
    clock = Clock.starting_at(window.open_ns - 20 * NS_PER_S, 20.0).spec()
    with simulator(
        tmp_path,
        redis_url,
        POLYMARKET_MARKET_SLUG=window.slug,
        PM_SIM_RECORDING=str(recording),
        PM_SIM_MARKET=str(market),
        PM_CLOCK=clock,
    ) as running:
        running.wait_until_ready()
        client = client_of(running)
        for token_id in (window.up_token_id, window.down_token_id):
            order = OrderArgs(token_id=token_id, price=0.48, size=10, side="BUY")
            assert client.create_and_post_order(order, post_only=True)["success"]
        running.wait_for_state(done=True)
        state = running.state()
        assert (state["source"], state["windows"]) == ("recording small.jsonl", 1)
        assert state["fills"] > 0
        assert client.get_trades()
        assert running.ends_well()


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({"PM_SIM_PORT": "70000", "PM_SIM_SEED": "x"}, "PM_SIM_SEED"),
        ({"PM_SIM_RECORDING": "/nowhere"}, "PM_SIM_RECORDING: no such file (is '/nowhere')"),
        ({"PM_SIM_SOURCE": "recording"}, "go together"),
        ({"PM_SIM_CHAIN_ID": "1"}, "PM_SIM_CHAIN_ID"),
    ],
)
def test_bad_settings_are_named_and_exit_2(
    tmp_path: Path, variables: dict[str, str], complaint: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "pmsimulator"],
        env=environment(tmp_path, **variables),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode == 2
    assert complaint in ended.stderr
    assert "default factory" not in ended.stderr
    assert "Traceback" not in ended.stderr
