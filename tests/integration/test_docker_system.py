"""`docker compose --profile sim up`, as a user types it: the whole system in containers.

The tests run in the order of the file, on one system: it comes up, it is looked at, it is stopped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from pmtools.cli import build_parser
from pmtools.watch.command import find_place, open_app
from support.browser import chromium
from support.compose import NotReachedError, System, fetch, wait_for
from support.console_page import ConsolePage, open_page
from support.screen import until
from support.tree import ON_THE_BUS, ROOT, SERVICES

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

STARTED = ("redis", *SERVICES, "prometheus")
QUOTING_WITHIN_S = 60.0
OTHERS = {
    "feed": {"eth_account", "coincurve", "py_clob_client_v2", "pmstrategy", "pmexecutor"},
    "strategy": {"eth_account", "coincurve", "httpx", "websockets", "pmfeed", "pmexecutor"},
    "userws": {"eth_account", "coincurve", "py_clob_client_v2", "pmexecutor", "pmstrategy"},
    "executor": {"pmfeed", "pmstrategy", "pmuserws", "pmsimulator"},
    "simulator": {"py_clob_client_v2", "pmexecutor", "pmstrategy", "pmfeed"},
    "console": {"eth_account", "coincurve", "websockets", "pmstrategy", "pmexecutor", "pmsim"},
}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    directory = tmp_path_factory.mktemp("compose")
    system = System(f"pm-test-{os.getpid()}", directory)
    system.cut_off(directory)
    system.compose("build", *SERVICES)
    try:
        yield system
    finally:
        system.remove()


@pytest.fixture(autouse=True)
def logs_of_a_failure(system: System, request: pytest.FixtureRequest) -> Iterator[None]:
    failures = request.session.testsfailed
    yield
    if request.session.testsfailed > failures:
        print(system.logs())


def placed(system: System) -> int:
    number: int = system.state("strategy")["totals"]["orders_placed"]
    return number


def values(system: System, query: str) -> list[float]:
    answer = fetch(f"{system.url('prometheus')}/api/v1/query?query={quote(query)}")
    return [float(row["value"][1]) for row in answer["data"]["result"]]


def targets(system: System) -> dict[str, str]:
    answer = fetch(f"{system.url('prometheus')}/api/v1/targets")
    return {one["labels"]["job"]: one["health"] for one in answer["data"]["activeTargets"]}


def test_it_quotes_within_a_minute(system: System) -> None:
    begun = time.monotonic()
    system.compose("up", "--detach", *STARTED)
    wait_for(
        "orders placed",
        lambda: placed(system),
        within_s=QUOTING_WITHIN_S - (time.monotonic() - begun),
    )
    assert system.state("executor")["mode"] == "sim"
    assert system.audit()["accounts"]


def test_every_container_is_healthy(system: System) -> None:
    def all_healthy() -> bool:
        states = {name: one["State"] for name, one in system.containers().items()}
        return set(states) == set(STARTED) and all(
            state["Health"]["Status"] == "healthy" for state in states.values()
        )

    wait_for("health", all_healthy, within_s=60)
    assert all(one["RestartCount"] == 0 for one in system.containers().values())


def test_prometheus_scrapes_every_service(system: System) -> None:
    wait_for("targets", lambda: targets(system) == dict.fromkeys(SERVICES, "up"), within_s=60)
    wait_for("quotes", lambda: sum(values(system, "pm_strategy_quotes_total")) > 0, within_s=60)


def test_containers_run_without_privileges(system: System) -> None:
    containers = system.containers()
    for service in SERVICES:
        config, host = containers[service]["Config"], containers[service]["HostConfig"]
        assert config["User"] == "pm", service
        assert host["CapDrop"] == ["ALL"], service
        assert "no-new-privileges:true" in host["SecurityOpt"], service
    for service in STARTED:
        host = containers[service]["HostConfig"]
        assert host["ReadonlyRootfs"], service
        assert host["RestartPolicy"]["Name"] == "unless-stopped", service


def test_redis_can_be_reached_by_the_services_only(system: System) -> None:
    redis = system.containers()["redis"]
    assert not any((redis["NetworkSettings"]["Ports"] or {}).values())
    assert list(redis["NetworkSettings"]["Networks"]) == [f"{system.name}_bus"]


def in_redis(system: System, *command: str) -> str:
    return system.compose("exec", "-T", "redis", *command).strip()


def test_nobody_uses_redis_without_a_password(system: System) -> None:
    assert "NOAUTH" in in_redis(system, "redis-cli", "PING")
    assert in_redis(system, "sh", "/etc/pm-redis/cli.sh", "PING") == "PONG"


def test_each_service_can_read_its_own_password_of_redis_and_no_other(system: System) -> None:
    read = (
        "import pathlib; print([p.read_text() for p in pathlib.Path('/run/pm-redis').rglob('*')])"
    )
    seen = [system.compose("exec", "-T", name, "python", "-c", read).strip() for name in ON_THE_BUS]
    assert len(set(seen)) == len(ON_THE_BUS)
    assert all(text.count(",") == 0 and len(text) > len("['']") + 60 for text in seen)
    shown = system.logs() + str(system.containers())
    assert not any(text[2:-4] in shown for text in seen)


def test_control_ports_are_published_on_this_machine_only(system: System) -> None:
    for service, container in system.containers().items():
        published = [
            p for ports in container["NetworkSettings"]["Ports"].values() for p in ports or ()
        ]
        assert {one["HostIp"] for one in published} <= {"127.0.0.1"}, service


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_holds_nothing_of_the_others(system: System, service: str) -> None:
    script = (
        "import importlib.util, shutil, sys; "
        "print([n for n in sys.argv[1:] if importlib.util.find_spec(n) or shutil.which(n)])"
    )
    unwanted = [*sorted(OTHERS[service]), "gcc", "cc"]
    found = system.compose("exec", "-T", service, "python", "-c", script, *unwanted)
    assert found.strip() == "[]"


def test_only_the_executor_is_given_a_key(system: System) -> None:
    for service, container in system.containers().items():
        names = {pair.partition("=")[0] for pair in container["Config"]["Env"]}
        assert not any("PRIVATE_KEY" in name for name in names) or service == "executor"


def test_a_kill_withdraws_every_order_and_a_resume_quotes_again(system: System) -> None:
    system.tell("feed", "/kill", {"reason": "test"})
    wait_for("nothing rests", lambda: system.audit()["orders_open"] == 0, within_s=20)
    before = placed(system)
    system.tell("feed", "/resume", {})
    wait_for("orders placed", lambda: placed(system) > before, within_s=90)


def test_the_console_shows_the_stack_and_stops_it(system: System) -> None:
    """Its container reaches no Redis and has no file of a password or of credentials."""

    def shown() -> dict[str, Any]:
        snapshot: dict[str, Any] = system.state("console")["snapshot"]
        return snapshot

    wait_for("all ready", lambda: shown()["health"] == "ready", within_s=60)
    assert shown()["mode"] == "sim"
    assert system.tell("console", "/kill", {"reason": "console"})["obeyed"] is True
    wait_for("the venue's word", lambda: shown()["venue"]["flat"], within_s=20)
    assert system.audit()["orders_open"] == 0
    assert system.tell("console", "/resume", {})["obeyed"] is True
    before = placed(system)
    wait_for("orders placed", lambda: placed(system) > before, within_s=90)
    mounts = {mount["Destination"] for mount in system.containers()["console"]["Mounts"]}
    secrets = {f"/run/secrets/{name}" for name in ("control_token", "notify_urls")}
    assert mounts == {"/run/pm-control", *secrets}
    networks = system.containers()["console"]["NetworkSettings"]["Networks"]
    assert not any(name.endswith("_bus") for name in networks)


@pytest.mark.parametrize("command", ["status", "positions", "orders", "fills", "pnl", "logs"])
def test_the_terminal_reads_the_stack_by_its_name(system: System, command: str) -> None:
    """Tables may be empty; that the stack's own services answered is what they say."""
    done = subprocess.run(
        [sys.executable, "-m", "pmtools.cli", command, "--compose", system.name, "--json"],
        cwd=ROOT,
        env={**system.environment, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[0] if command == "logs" else done.stdout)
    assert said
    if command == "status":
        assert system.name in done.stdout
    if command == "positions":
        assert "btc-updown-60s-" in done.stdout


async def test_pm_watch_shows_the_stack(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    arguments = build_parser().parse_args(["watch", "--compose", system.name])
    place, _ = await find_place(arguments, system.environment)
    app = await open_app(place)
    async with app.run_test(size=(120, 100)) as pilot:
        ready = "mode sim all services ready"
        await until(pilot, "the stack's services", lambda text: ready in text)
        await until(pilot, "a window of the stack", lambda text: "btc-updown-60s-" in text)


async def test_a_person_steers_the_stack_in_a_browser(system: System) -> None:
    """Neither the browser nor a container reaches anything outside of this machine."""
    async with chromium() as browser:
        person = await open_page(await browser.new_context(), system.url("console"))
        await person.is_refused_with_a_wrong_token()
        await person.opens(system.tell("console", "/links", {})["path"])
        assert system.token() not in await person.page.content()
        await person.sees_a_bid()
        assert await person.moves_each_s() < 1.0
        await person.sees_a_fill_with_its_markout()
        await person.reloads_and_has_lost_nothing()
        await person.kills("in a browser")
        assert system.audit()["orders_open"] == 0
        await person.resumes()
        await freezes_show_within(3.0, system, person)
        await person.sees_a_bid()
        await person.signs_out()
        assert person.problems == []


async def freezes_show_within(limit_s: float, system: System, person: ConsolePage) -> None:
    """How long the strategy had not answered when the page said that it is dead.

    The best of three: the machine may be busy, once or twice.
    """
    silent_s: list[float] = []
    while min(silent_s, default=limit_s) >= limit_s:
        assert len(silent_s) < 3, silent_s
        system.compose("pause", "strategy")
        try:
            silent_s.append(await person.sees_dead("strategy"))
        finally:
            system.compose("unpause", "strategy")
        await person.sees_all_ready()


def test_a_killed_container_comes_back_and_quotes_again(system: System) -> None:
    before = placed(system)
    system.compose("kill", "--signal", "KILL", "executor")
    system.compose("start", "executor")
    wait_for("orders placed", lambda: placed(system) > before, within_s=120)


def test_a_killed_redis_comes_back_with_its_data_and_the_engine_quotes_again(
    system: System,
) -> None:
    """At most its last second is lost (appendfsync everysec), and nothing of before."""
    cli = ("sh", "/etc/pm-redis/cli.sh", "-n", "1")  # the simulator's world
    before = placed(system)
    exe = in_redis(system, *cli, "KEYS", "*:exe")
    assert exe
    first = in_redis(system, *cli, "XRANGE", exe, "-", "+", "COUNT", "1")
    assert first
    system.compose("kill", "--signal", "KILL", "redis")
    system.compose("start", "redis")
    wait_for("orders placed", lambda: placed(system) > before, within_s=120)
    assert in_redis(system, *cli, "XRANGE", exe, "-", "+", "COUNT", "1") == first
    assert "AOF-loading-client" not in system.compose("logs", "--no-color", "redis")


def test_redis_has_refused_nothing_to_the_services(system: System) -> None:
    """After windows, a kill, a resume, and a service that died."""
    assert in_redis(system, "sh", "/etc/pm-redis/cli.sh", "ACL", "LOG") == ""


def test_down_leaves_no_order(system: System) -> None:
    wait_for("an order rests", lambda: system.audit()["orders_open"], within_s=90)
    system.compose("stop", "strategy", "executor")
    assert open_orders(system.audit()) == []
    exited = {
        name: system.containers()[name]["State"]["ExitCode"] for name in ("strategy", "executor")
    }
    assert exited == {"strategy": 0, "executor": 0}
    system.compose("down")
    with pytest.raises(NotReachedError):
        system.url("strategy")


def open_orders(audit: dict[str, Any]) -> list[Any]:
    return [order for account in audit["accounts"] for order in account["open_orders"]]
