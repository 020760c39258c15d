"""`pm status`, `pm kill`, `pm resume`: the operator's levers, over the control endpoints.

Addresses and token: PM_<SERVICE>_URL and PM_CONTROL_TOKEN where set, else those of the newest
`pm run` that is going on, else the ports of docs/ARCHITECTURE.md.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from pmcore.tools.control_client import Answer, ControlClient, open_http
from pmcore.tools.errors import EXIT_FAILED, EXIT_OK, CommandError
from pmcore.tools.run_files import newest_record, runs_root

_DEFAULT_PORTS = {
    "feed": 8101,
    "strategy": 8102,
    "executor": 8103,
    "userws": 8104,
}
_KEPT_TOKEN = Path("control_token")


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The services to talk to."""

    urls: dict[str, str]
    token: str
    source: str


def find_target(environ: Mapping[str, str]) -> Target:
    """Where the services are. Raise `CommandError` when a token file cannot be read."""
    record = newest_record(runs_root(environ))
    urls = {name: f"http://127.0.0.1:{port}" for name, port in _DEFAULT_PORTS.items()}
    source = "the default ports"
    token = _given_token(environ)
    if record is not None:
        urls = record.urls
        source = f"the run of process {record.pid}"
        token = token or record.control_token
    given = {
        name: url
        for name in (*_DEFAULT_PORTS, "simulator")
        if (url := environ.get(f"PM_{name.upper()}_URL"))
    }
    if given:
        urls = {**urls, **given}
        source = "PM_*_URL"
    return Target(urls=urls, token=token, source=source)


def status_command(arguments: argparse.Namespace) -> int:
    """Ask every service; 0 when all are ready."""
    target = find_target(os.environ)
    answers = asyncio.run(_ask_all(target))
    ready = all(answer.ok for answer, _ in answers.values())
    if arguments.json:
        report = {
            name: {
                "url": target.urls[name],
                "ready": readiness.ok,
                "reasons": _reasons(readiness),
                "state": state.body,
            }
            for name, (readiness, state) in answers.items()
        }
        print(msgspec.json.encode(report).decode())
    else:
        _print_status(target, answers)
    return EXIT_OK if ready else EXIT_FAILED


def kill_command(arguments: argparse.Namespace) -> int:
    """Tell every service to halt; 0 when one that halts the rest has taken it."""
    answers = asyncio.run(_tell_all(find_target(os.environ), "/kill", {"reason": arguments.reason}))
    taken = _print_answers(answers, "halted")
    if not taken:
        raise CommandError("nobody took the kill: the engine is not halted by this command")
    if "executor" not in taken:
        print("pm kill: the executor did not answer itself; it learns of the halt from Redis")
    return EXIT_OK


def resume_command(_: argparse.Namespace) -> int:
    """Lift a kill; 0 when a service has taken it."""
    answers = asyncio.run(_tell_all(find_target(os.environ), "/resume", {}))
    if not _print_answers(answers, "resumed"):
        raise CommandError("nobody took the resume")
    return EXIT_OK


async def _ask_all(target: Target) -> dict[str, tuple[Answer, Answer]]:
    async with open_http() as http:
        clients = [ControlClient(http, url, target.token) for url in target.urls.values()]
        readiness = await asyncio.gather(*(client.get("/readyz") for client in clients))
        states = await asyncio.gather(*(client.get("/state") for client in clients))
    return dict(zip(target.urls, zip(readiness, states, strict=True), strict=True))


async def _tell_all(target: Target, path: str, body: dict[str, Any]) -> dict[str, Answer]:
    names = [name for name in target.urls if name != "simulator"]
    async with open_http() as http:
        clients = [ControlClient(http, target.urls[name], target.token) for name in names]
        answers = await asyncio.gather(*(client.post(path, body) for client in clients))
    return dict(zip(names, answers, strict=True))


def _print_answers(answers: Mapping[str, Answer], done: str) -> list[str]:
    for name, answer in answers.items():
        print(f"{name}: {done if answer.ok else answer.problem}")
    return [name for name, answer in answers.items() if answer.ok]


def _print_status(target: Target, answers: Mapping[str, tuple[Answer, Answer]]) -> None:
    table = Table("service", "address", "ready", "why not", box=None, pad_edge=False)
    for name, (readiness, _) in answers.items():
        table.add_row(
            name,
            target.urls[name],
            "yes" if readiness.ok else "no",
            "; ".join(_reasons(readiness)),
        )
    Console().print(table)
    print(f"(addresses: {target.source})", file=sys.stderr)


def _reasons(readiness: Answer) -> list[str]:
    if readiness.ok:
        return []
    reasons = readiness.body.get("reasons")
    if isinstance(reasons, list) and reasons:
        return [str(reason) for reason in reasons]
    return [readiness.problem]


def _given_token(environ: Mapping[str, str]) -> str:
    if token := environ.get("PM_CONTROL_TOKEN"):
        return token
    named = environ.get("PM_CONTROL_TOKEN_FILE")
    try:
        if named:
            return Path(named).read_text().strip()
        return (runs_root(environ) / _KEPT_TOKEN).read_text().strip()
    except OSError as error:
        if named:
            raise CommandError(f"PM_CONTROL_TOKEN_FILE: {error}") from error
        return ""
