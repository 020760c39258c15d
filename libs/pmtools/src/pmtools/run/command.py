"""`pm run`: Redis, simulator and four services as processes of this machine, watched and summed up.

The console is started when all of them are up. If it cannot, the run goes on without it.

Stopping is ordered: strategy first, so that nothing new is quoted; then the executor, which
cancels and verifies; userws and feed; the simulator is asked what still rests; then it and Redis.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import msgspec
from rich.console import Console

from pmcore.model.errors import Cause
from pmcore.model.market import parse_series
from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import Clock, monotonic_s, real_now_ns
from pmcore.shell.control_client import ControlClient, open_http
from pmcore.shell.settings.paper_defaults import as_sentence
from pmcore.shell.settings.presets import AppliedPreset
from pmcore.wire.access import OPERATOR
from pmtools.control.checkout import find_checkout
from pmtools.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, CommandError, UsageError
from pmtools.ports import free_ports
from pmtools.presets import with_preset
from pmtools.processes import Child, start_child
from pmtools.run.console import RunConsole
from pmtools.run.exit_codes import EXIT_CODES, EXIT_NO_DATA, LASTING_S, trouble_at_end
from pmtools.run.files import (
    HeldRecord,
    RunRecord,
    hold_record,
    new_directory,
    remove_directory,
    runs_root,
)
from pmtools.run.options import read_options
from pmtools.run.plan import (
    PORTS,
    SERVICES,
    STOP_ORDER,
    RunOptions,
    RunPlan,
    Surroundings,
    plan_run,
)
from pmtools.run.redis_server import LocalRedis, LocalRedisError, new_passwords
from pmtools.run.token import control_token
from pmtools.run.view import RunView
from pmtools.service_settings import problems_of_services
from pmtools.study.journals import write_run_tables
from pmtools.summary import (
    RunSummary,
    as_count,
    as_json_line,
    as_mapping,
    inventory_of,
    print_summary,
    summarise_run,
)

START_TIMEOUT_S = 60.0
_POLL_S = 1.0
_RECORDING_LEAD_S = 2.0  # virtual
_START_LEAD_S = 10.0  # real
_VENUE_EMPTY = '"venue_empty"'
_LAST_WORDS = 5
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class End(msgspec.Struct, frozen=True, kw_only=True):
    """Why a run ended."""

    reason: str
    exit_code: int = EXIT_OK
    problem: str = ""
    tail: tuple[str, ...] = ()


def command(arguments: argparse.Namespace) -> int:
    """Run, print the summary, return the exit code."""
    preset = with_preset(os.environ, arguments.preset)
    options = read_options(arguments, preset.environ)
    _check_settings(options, preset.environ)
    directory = new_directory(runs_root(os.environ))
    try:
        end, summary = asyncio.run(LocalRun(options, directory, preset).go())
    except LocalRedisError as error:
        raise CommandError(f"{error}, or set PM_REDIS_URL") from error
    if end.problem:
        print(f"pm run: {end.problem}", file=sys.stderr)
        for line in end.tail:
            print(f"  | {line}", file=sys.stderr)
    keep = (
        options.keep
        or end.exit_code not in (EXIT_OK, EXIT_INTERRUPTED)
        or options.venue == "polymarket"
    )
    if keep:
        summary.directory = str(directory)
    else:
        remove_directory(directory)
    print_summary(summary, Console(stderr=options.as_json), f"pm run ({options.mode})")
    if options.as_json:
        print(as_json_line(summary), flush=True)
    if keep:
        _write_tables(directory)
    return end.exit_code


def _write_tables(directory: Path) -> None:
    """Those of its windows; `pm report` writes them later if this is stopped or cannot be done."""
    try:
        notes = write_run_tables(directory)
    except CommandError as error:
        notes = [f"no tables were written: {error}"]
    for note in notes:
        print(f"pm run: {note}", file=sys.stderr)


def _check_settings(options: RunOptions, environ: Mapping[str, str]) -> None:
    """Name every bad variable of every service before any is started. Raise `UsageError`."""
    around = Surroundings(
        directory=Path(),
        redis_url=environ.get("PM_REDIS_URL") or "redis://127.0.0.1",
        control_token=control_token(environ),
        clock="" if options.recording else environ.get("PM_CLOCK", ""),
        environ=environ,
    )
    plan = plan_run(options, around, range(1, PORTS + 1))
    problems = problems_of_services(
        {child.name: child.env for child in (*plan.children, plan.console)}
    )
    if problems:
        raise UsageError(*map(str, problems))


class LocalRun:
    """One run, from the first process to the last."""

    def __init__(self, options: RunOptions, directory: Path, preset: AppliedPreset) -> None:
        self._options = options
        self._directory = directory
        self._preset = preset
        self._environ = preset.environ
        self._children: dict[str, Child] = {}
        self._clients: dict[str, ControlClient] = {}
        self._states: dict[str, dict[str, Any]] = {}
        self._windows: dict[str, Any] = {}
        self._waiting: dict[str, str] = {}
        self._interrupted = asyncio.Event()
        self._orders_left: int | None = None
        self._record: HeldRecord | None = None
        self._console: RunConsole | None = None
        self._view = RunView(f"pm run, {options.mode}: {options.market}")

    async def go(self) -> tuple[End, RunSummary]:
        """Start, watch, stop; whatever happens, nothing is left running."""
        loop = asyncio.get_running_loop()
        for number in _STOP_SIGNALS:
            loop.add_signal_handler(number, self._interrupted.set)
        started_s = monotonic_s()
        try:
            with self._view:
                end = await self._with_redis()
        finally:
            if self._record is not None:
                self._record.remove()
        summary = summarise_run(self._states)
        end = self._judge_work(end, frames=summary.frames)
        summary.mode = self._options.mode
        summary.inventory = inventory_of(self._windows)
        summary.exit_reason = end.reason
        summary.seconds = round(monotonic_s() - started_s, 1)
        summary.orders_left_at_venue = self._orders_left
        return end, summary

    async def _with_redis(self) -> End:
        given = self._environ.get("PM_REDIS_URL")
        if given:
            return await self._with_processes(given, {})
        with LocalRedis(passwords=new_passwords()) as redis:
            return await self._with_processes(redis.address, redis.passwords)

    async def _with_processes(self, redis_url: str, passwords: Mapping[str, str]) -> End:
        plan = self._plan(redis_url, passwords)
        if self._preset.name:
            self._view.say(self._preset.sentence)
        if plan.defaulted:
            self._view.say(as_sentence(plan.defaulted))
        async with open_http() as http:
            try:
                end = await self._start(plan, http)
                if end is None:
                    self._console = RunConsole(plan.console, http, self._token)
                    await self._console.start(self._directory)
                    end = await self._watch()
            finally:
                await self._stop()
        return self._judge_orders_left(end)

    def _judge_orders_left(self, end: End) -> End:
        """A run that ends with orders at the venue, or does not know, has failed."""
        left = self._orders_left
        if end.exit_code != EXIT_OK or left == 0:
            return end
        said = "nobody could say what rests" if left is None else f"{left} orders still rest"
        return End(reason="orders_left", exit_code=EXIT_FAILED, problem=f"{said} at the venue")

    def _judge_work(self, end: End, *, frames: int) -> End:
        """A run whose services could not do their work says why, also with its exit code."""
        if end.exit_code == EXIT_INTERRUPTED:
            return end
        found = trouble_at_end(self._states, least_s=LASTING_S if frames else 0.0)
        if found is not None and end.reason != "orders_left":
            cause, sentence = found
            if end.exit_code != EXIT_OK and cause in (Cause.NO_DATA, Cause.NO_WINDOW):
                return end  # it ended for another reason
            problem = "; ".join(part for part in (end.problem, sentence) if part)
            return msgspec.structs.replace(
                end, reason=cause.value, exit_code=EXIT_CODES[cause], problem=problem
            )
        if end.exit_code == EXIT_OK and not frames:
            problem = "not one frame of market data came in"
            return End(reason="no_data", exit_code=EXIT_NO_DATA, problem=problem)
        return end

    def _clock_spec(self) -> str:
        """A recording's time begins shortly before its first frame, once all services are up."""
        if self._options.recording is None:
            return self._environ.get("PM_CLOCK", "")
        begin_ns = self._options.recording_begins_ns - int(_RECORDING_LEAD_S * NS_PER_S)
        real_ns = real_now_ns() + int(_START_LEAD_S * NS_PER_S)
        return Clock(begin_ns, real_ns, self._options.speed).spec()

    def _plan(self, redis_url: str, passwords: Mapping[str, str]) -> RunPlan:
        around = Surroundings(
            directory=self._directory,
            redis_url=redis_url,
            redis_passwords=passwords,
            control_token=control_token(self._environ),
            clock=self._clock_spec(),
            environ=self._environ,
        )
        plan = plan_run(self._options, around, free_ports(PORTS))
        checkout = find_checkout()
        self._record = hold_record(
            self._directory,
            RunRecord(
                pid=os.getpid(),
                mode=self._options.mode,
                urls=plan.urls(),
                control_token=around.control_token,
                redis_url=redis_url,
                redis_password=passwords.get(OPERATOR, ""),
                checkout=str(checkout or ""),
            ),
        )
        if not self._record.registered and self._directory.name.startswith("run-"):
            self._view.say(f"pm kill finds this run only with PM_DATA_DIR={self._directory.parent}")
        self._token = around.control_token
        return plan

    async def _start(self, plan: RunPlan, http: httpx.AsyncClient) -> End | None:
        for spec in plan.children:
            self._children[spec.name] = await start_child(spec, self._directory)
            self._clients[spec.name] = ControlClient(http, spec.url, self._token)
            if spec.name == "simulator":
                self._venue = ControlClient(http, spec.env["POLYMARKET_REST_URL"], "")
            if spec.name == "simulator" and (end := await self._until_healthy([spec.name])):
                return end
        return await self._until_healthy(list(self._children))

    async def _until_healthy(self, names: list[str]) -> End | None:
        deadline_s = monotonic_s() + START_TIMEOUT_S
        missing = list(names)
        while missing:
            if end := self._death() or self._interruption():
                return end
            if monotonic_s() > deadline_s:
                late = self._children[missing[0]]
                return _failed(late, f"did not come up within {START_TIMEOUT_S:g} s")
            answers = await asyncio.gather(
                *(self._clients[name].get("/healthz") for name in missing)
            )
            missing = [name for name, answer in zip(missing, answers, strict=True) if not answer.ok]
            await self._pause(0.1)
        return None

    async def _watch(self) -> End:
        began_s = monotonic_s()
        while True:
            await self._poll()
            if self._console is not None and (said := await self._console.news()):
                self._view.say(said)
            elapsed_s = monotonic_s() - began_s
            self._view.show(elapsed_s, self._states, self._waiting)
            if end := self._death() or self._interruption() or self._completion():
                return end
            if elapsed_s >= self._options.seconds:
                return End(reason="time_over")
            await self._pause(min(_POLL_S, max(0.0, self._options.seconds - elapsed_s)))

    async def _poll(self) -> None:
        names = [name for name, child in self._children.items() if child.exit_code is None]
        clients = [self._clients[name] for name in names]
        readiness, states = await asyncio.gather(
            asyncio.gather(*(client.get("/readyz") for client in clients)),
            asyncio.gather(*(client.get("/state") for client in clients)),
        )
        self._waiting = {}
        for name, ready, state in zip(names, readiness, states, strict=True):
            if state.ok:
                self._states[name] = state.body
                if name == "strategy":
                    self._windows |= as_mapping(state.body.get("windows"))
            if not ready.ok:
                reasons = ready.body.get("reasons") or [ready.problem]
                self._waiting[name] = "; ".join(map(str, reasons))

    async def _pause(self, seconds: float) -> None:
        """Wait, but not beyond an interruption."""
        try:
            await asyncio.wait_for(self._interrupted.wait(), seconds)
        except TimeoutError:
            return

    def _death(self) -> End | None:
        for child in self._children.values():
            if child.exit_code is None or (child.exit_code == 0 and self._may_finish(child)):
                continue
            return _failed(child, f"ended unexpectedly with exit code {child.exit_code}")
        return None

    def _may_finish(self, child: Child) -> bool:
        """A service ends by itself only when every market of the run is one window (fixed mode)."""
        fixed = all(
            parse_series(text).fixed_slug is not None for text in self._options.market.split(",")
        )
        return fixed and child.spec.name in SERVICES

    def _interruption(self) -> End | None:
        if self._interrupted.is_set():
            return End(reason="interrupted", exit_code=EXIT_INTERRUPTED)
        return None

    def _completion(self) -> End | None:
        if self._options.recording and self._states.get("simulator", {}).get("done") is True:
            return End(reason="recording_done")
        if self._children["strategy"].exit_code == 0:
            return End(reason="window_done")
        return None

    async def _stop(self) -> None:
        if self._children:
            self._view.say("stopping: no new quotes, cancelling, asking the venue")
            await self._poll()
        for name in STOP_ORDER:
            if name not in self._children:
                continue
            if name == "simulator":
                self._orders_left = await self._orders_at_simulator()
            await self._children[name].stop()
            if name == "executor":
                self._orders_left = self._orders_left_by_executor()
        if self._console is not None:
            await self._console.stop()

    def _orders_left_by_executor(self) -> int | None:
        """Its last words: it asks the venue before it ends, and says so when nothing rests."""
        executor = self._children["executor"]
        said = any(_VENUE_EMPTY in line for line in executor.tail(_LAST_WORDS))
        return 0 if executor.exit_code == 0 and said else None

    async def _orders_at_simulator(self) -> int | None:
        answer = await self._venue.get("/audit")
        if not answer.ok or "orders_open" not in answer.body:
            return None
        return as_count(answer.body["orders_open"])


def _failed(child: Child, what: str) -> End:
    name = child.spec.name
    return End(
        reason=f"{name}_failed",
        exit_code=EXIT_FAILED,
        problem=f"{name} {what}; the end of {child.log_path}:",
        tail=tuple(child.tail()),
    )
