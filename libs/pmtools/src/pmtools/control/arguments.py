"""The arguments of the commands that look at running engines, or steer them."""

from __future__ import annotations

import argparse

from pmtools import examples
from pmtools.argument_types import http_address, time_span_s, whole_number
from pmtools.parsers import JSON_HELP, Parser, add_command

LEVELS = ("debug", "info", "warning", "error", "critical")
"""Of log lines, the worst last."""
_TABLES = {
    "positions": "what each window holds",
    "orders": "our bids, and on each side without one the reason",
    "fills": "the newest fills, with what the mid did after them",
    "pnl": "profit by window",
}


def add_control(commands: argparse._SubParsersAction[Parser]) -> None:
    """The commands that look at engines and steer them."""
    status = add_command(
        commands,
        "status",
        "control.status:status_command",
        "how every engine of this checkout is: halts, services, profit",
        examples.STATUS_EXAMPLES,
    )
    _add_choice(status)
    kill = add_command(
        commands,
        "kill",
        "control.kill:kill_command",
        "cancel everything and place nothing, until resume",
        examples.KILL_EXAMPLES,
    )
    kill.add_argument("--reason", default="operator", metavar="TEXT", help="kept with the halt")
    _add_choice(kill)
    _add_choice(
        add_command(
            commands,
            "resume",
            "control.kill:resume_command",
            "lift a kill",
            examples.RESUME_EXAMPLES,
        )
    )
    _add_choice(
        add_command(
            commands,
            "console",
            "control.console:console_command",
            "a link that opens the web page of every engine of this checkout",
            examples.CONSOLE_EXAMPLES,
        )
    )
    _add_watch(commands)
    doctor = add_command(
        commands,
        "doctor",
        "doctor.command:command",
        "settings, clock, endpoints, credentials: what is wrong and how to mend it",
        examples.DOCTOR_EXAMPLES,
    )
    doctor.add_argument("--json", action="store_true", help=JSON_HELP)


def add_tables(commands: argparse._SubParsersAction[Parser]) -> None:
    """The commands that print tables of engines, and the test of the notifier."""
    for name, summary in _TABLES.items():
        table = add_command(
            commands, name, "control.tables:table_command", summary, examples.TABLE_EXAMPLES
        )
        table.add_argument("--csv", action="store_true", help="print CSV on stdout")
        if name in ("fills", "pnl"):
            table.add_argument(
                "--since", type=time_span_s, metavar="SPAN", help="of the last 30m, 1h, 2d, ..."
            )
        _add_choice(table)
    _add_logs(commands)
    notify = add_command(
        commands,
        "notify",
        "control.notify:notify_command",
        "test the way by which alerts reach a person",
        examples.NOTIFY_EXAMPLES,
    )
    notify.add_argument("what", choices=("test",), help="send a test text")
    _add_choice(notify)


def _add_logs(commands: argparse._SubParsersAction[Parser]) -> None:
    logs = add_command(
        commands,
        "logs",
        "control.logs:logs_command",
        "the newest log lines of every service, in the order of their times",
        examples.LOGS_EXAMPLES,
    )
    logs.add_argument("--csv", action="store_true", help="print CSV on stdout")
    logs.add_argument(
        "--since", type=time_span_s, metavar="SPAN", help="of the last 30m, 1h, 2d, ..."
    )
    logs.add_argument(
        "--lines",
        type=whole_number(1, 100_000),
        metavar="N",
        help="the newest N (default 50; with --since all that were kept)",
    )
    logs.add_argument(
        "--level", choices=LEVELS, default="debug", help="this level and worse (default all)"
    )
    logs.add_argument("--service", metavar="NAME", help="one service's lines")
    _add_choice(logs)


def _add_watch(commands: argparse._SubParsersAction[Parser]) -> None:
    watch = add_command(
        commands,
        "watch",
        "watch.command:watch_command",
        "what the console shows, in this terminal, with kill and resume",
        examples.WATCH_EXAMPLES,
    )
    choice = watch.add_mutually_exclusive_group()
    _add_run_and_compose(choice)
    choice.add_argument(
        "--url",
        type=http_address,
        metavar="URL",
        help="the console at this address, also of another host; "
        "its token comes from PM_CONTROL_TOKEN or PM_CONTROL_TOKEN_FILE",
    )
    watch.set_defaults(urls=False, all=False)


def _add_choice(command: argparse.ArgumentParser) -> None:
    """Which engines are meant."""
    choice = command.add_mutually_exclusive_group()
    _add_run_and_compose(choice)
    choice.add_argument(
        "--urls", action="store_true", help="the services that PM_<SERVICE>_URL names"
    )
    choice.add_argument("--all", action="store_true", help="every engine that is found")
    command.add_argument("--json", action="store_true", help="print one JSON object on stdout")


def _add_run_and_compose(choice: argparse._MutuallyExclusiveGroup) -> None:
    choice.add_argument("--run", metavar="ID", help="this `pm run`: its number or its process")
    choice.add_argument(
        "--compose",
        nargs="?",
        const="",
        metavar="PROJECT",
        help="the Compose stack of this checkout, or this one of several",
    )
