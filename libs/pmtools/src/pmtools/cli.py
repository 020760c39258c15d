"""The `pm` command. Heavy imports happen inside the commands, so that `--help` is instant."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from pmtools import examples, values
from pmtools.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, CommandError
from pmtools.run.exit_codes import EXIT_CODES_HELP

_TABLES = {
    "positions": "what each window holds",
    "orders": "our bids, and on each side without one the reason",
    "fills": "the newest fills, with what the mid did after them",
    "pnl": "profit by window",
}
_JSON_HELP = "print one JSON object on stdout, and nothing else there"


class _Version(argparse.Action):
    """Looked up when it is asked for, so that other commands do not wait for it."""

    def __init__(self, option_strings: Sequence[str], dest: str, **_: object) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version and leave")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        """Print `pm 1.2.3` on stdout."""
        metadata = importlib.import_module("importlib.metadata")
        print(f"pm {metadata.version('pmcore')}")
        parser.exit(EXIT_OK)


class _Parser(argparse.ArgumentParser):
    """Reports what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong argument or input."""
    arguments = build_parser().parse_args(argv)
    try:
        return _load(arguments.handler)(arguments)
    except CommandError as error:
        for line in error.lines:
            print(f"pm {arguments.command}: {line}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe went away; nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK


def build_parser() -> argparse.ArgumentParser:
    """All commands and their arguments."""
    parser = _Parser(
        prog="pm",
        description="pm-as-ofi: a maker-only market-making engine for up/down markets.",
        epilog="Every command explains itself: pm run --help, pm replay --help, ...",
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=_Parser
    )
    _add_run(commands)
    _add_replay(commands)
    _add_sweep(commands)
    _add_record(commands)
    _add_simulator(commands)
    _add_simulate(commands)
    _add_control(commands)
    _add_tables(commands)
    return parser


def _add_run(commands: argparse._SubParsersAction[_Parser]) -> None:
    run = _command(
        commands,
        "run",
        "run.command:command",
        "run everything locally and sum it up",
        f"{examples.RUN_EXAMPLES}\n{EXIT_CODES_HELP}",
    )
    run.add_argument(
        "--seconds",
        type=values.whole(1, 604_800),
        default=120,
        metavar="N",
        help="how long, in real seconds once all services are up (default 120)",
    )
    run.add_argument(
        "--venue",
        choices=("sim", "polymarket"),
        default="sim",
        help="sim: the simulator (default); polymarket: the real venue, paper fills unless "
        "PM_DRY_RUN=false is set",
    )
    run.add_argument(
        "--market",
        type=values.slugs,
        metavar="SLUG[,SLUG]",
        help="series or single windows (default: POLYMARKET_MARKET_SLUG, or one simulated series)",
    )
    run.add_argument(
        "--window",
        type=values.window_s,
        metavar="SECONDS",
        help="length of simulated windows (default 60, so that a rotation is soon seen)",
    )
    run.add_argument(
        "--seed", type=values.whole(0, 2**63 - 1), metavar="N", help="of the simulated flow"
    )
    run.add_argument(
        "--recording",
        type=values.readable,
        metavar="FILE",
        help="the simulator plays this recording",
    )
    run.add_argument(
        "--speed", type=values.speed, metavar="X", help="of the recording, 1 to 100 (default 1)"
    )
    run.add_argument(
        "--keep", action="store_true", help="keep the run's directory (logs, journals, recordings)"
    )
    run.add_argument("--json", action="store_true", help=_JSON_HELP)


def _add_replay(commands: argparse._SubParsersAction[_Parser]) -> None:
    replay = _command(
        commands,
        "replay",
        "replay.command:command",
        "run recordings through the engine, with paper fills",
        examples.REPLAY_EXAMPLES,
    )
    replay.add_argument(
        "files",
        nargs="+",
        type=values.readable_or_folder,
        metavar="FILE",
        help="recordings and journals; of a folder, all that are in it",
    )
    replay.add_argument(
        "--market",
        type=values.readable,
        metavar="FILE",
        help="the market's metadata: a Gamma object or {slug, conditionId, upTokenId, downTokenId, "
        "startTs, endTs, tickSize, minOrderSize}; without it what is missing is inferred",
    )
    replay.add_argument(
        "--winner",
        choices=("up", "down"),
        help="who won, for one window; else the recording or a winners.json beside it says so",
    )
    replay.add_argument(
        "--bus",
        choices=("direct", "memory", "redis"),
        default="direct",
        help="how messages travel; the fingerprint is the same on each (default direct)",
    )
    replay.add_argument(
        "--outputs",
        type=Path,
        metavar="FILE",
        help="write every command and notice as JSON lines",
    )
    replay.add_argument(
        "--fill-model",
        choices=("pessimistic", "central", "optimistic"),
        default="central",
        help="whose fills the engine sees; the others keep a ledger of the same orders "
        "(default central)",
    )
    replay.add_argument(
        "--fills",
        type=Path,
        metavar="FILE",
        help="write each fill with its markouts and its parts of the profit as CSV",
    )
    replay.add_argument("--json", action="store_true", help=_JSON_HELP)


def _add_sweep(commands: argparse._SubParsersAction[_Parser]) -> None:
    sweep = _command(
        commands,
        "sweep",
        "sweep.command:command",
        "replay many settings over many windows and compare them",
        examples.SWEEP_EXAMPLES,
    )
    sweep.add_argument("grid", type=Path, metavar="GRID", help="a TOML file of settings")
    sweep.add_argument("files", nargs="+", type=Path, metavar="FILE", help="recordings, folders")
    sweep.add_argument(
        "--windows",
        choices=("development", "test", "all"),
        default="development",
        help="about every third window is kept back by its name; reading it is counted",
    )
    sweep.add_argument(
        "--jobs", type=values.whole(1, 256), metavar="N", help="processes (default: cores)"
    )
    sweep.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="rows and figures; a run that ended early goes on there (default var/sweeps/GRID)",
    )
    sweep.add_argument("--json", action="store_true", help=_JSON_HELP)


def _add_record(commands: argparse._SubParsersAction[_Parser]) -> None:
    record = _command(
        commands,
        "record",
        "record.command:command",
        "write down the market data of series, without orders",
        examples.RECORD_EXAMPLES,
    )
    record.add_argument("--venue", choices=("sim", "polymarket"), help="default: PM_VENUE")
    record.add_argument(
        "--market",
        metavar="SLUG[,SLUG]",
        help="series or single windows (default: POLYMARKET_MARKET_SLUG)",
    )
    record.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="the recordings come into FOLDER/recordings (default: PM_DATA_DIR)",
    )
    record.add_argument(
        "--max-gb",
        type=float,
        metavar="N",
        help="no window begins once the recordings hold so much (default: PM_RECORD_MAX_GB, 20)",
    )
    recordings = _command(
        commands,
        "recordings",
        "record.check:command",
        "check recordings: readable, whole, verified",
        examples.RECORDINGS_EXAMPLES,
    )
    actions = recordings.add_subparsers(required=True, metavar="check", parser_class=_Parser)
    check = actions.add_parser("check", help="read each whole and say what is missing")
    check.add_argument(
        "files",
        nargs="+",
        type=values.readable_or_folder,
        metavar="FILE",
        help="recordings, folders",
    )
    check.add_argument("--json", action="store_true", help=_JSON_HELP)


def _add_simulator(commands: argparse._SubParsersAction[_Parser]) -> None:
    simulator = _command(
        commands,
        "simulator",
        "simulator:command",
        "a simulated Polymarket for any client, alone",
        examples.SIMULATOR_EXAMPLES,
    )
    simulator.add_argument(
        "--host", metavar="HOST", help="where it listens (default: PM_SIM_HOST, or 127.0.0.1)"
    )
    simulator.add_argument(
        "--port",
        type=values.whole(0, 65_535),
        metavar="N",
        help="0: any free one (default: PM_SIM_PORT, or 8200)",
    )
    simulator.add_argument(
        "--seed",
        type=values.whole(0, 2**63 - 1),
        metavar="N",
        help="of the world (default: PM_SIM_SEED, or 1)",
    )
    simulator.add_argument(
        "--series",
        type=values.slugs,
        metavar="SLUG[,SLUG]",
        help="what it offers (default: POLYMARKET_MARKET_SLUG, or btc-updown-15m)",
    )
    simulator.add_argument(
        "--window", type=values.window_s, metavar="SECONDS", help="another length of the windows"
    )
    simulator.add_argument(
        "--recording", type=values.readable, metavar="FILE", help="play this recording"
    )
    simulator.add_argument("--speed", type=values.speed, metavar="X", help="of its time, 1 to 100")
    simulator.add_argument(
        "--world",
        choices=("light", "fitted", "busy"),
        help="how much happens: light (default), as recorded, or as in a busy market",
    )
    simulator.add_argument(
        "--protocol",
        choices=("v1", "v2"),
        help="token ids and domain 2 (v1), or position ids and domain 3 (v2)",
    )
    simulator.add_argument(
        "--faults", metavar="JSON", help="what goes wrong, as for POST /sim/faults"
    )


def _add_simulate(commands: argparse._SubParsersAction[_Parser]) -> None:
    simulate = _command(
        commands,
        "simulate",
        "simulate.command:command",
        "all services in one process and virtual time, by seed, with faults",
        examples.SIMULATE_EXAMPLES,
    )
    which = simulate.add_mutually_exclusive_group()
    which.add_argument(
        "--seed", type=values.whole(0, 2**31), default=1, metavar="N", help="one world (default 1)"
    )
    which.add_argument("--seeds", metavar="FIRST..LAST", help="one world for each of these seeds")
    simulate.add_argument(
        "--faults",
        default="all",
        metavar="KINDS",
        help="all (default), none, or names with commas between; each seed draws from them",
    )
    simulate.add_argument(
        "--schedule",
        type=values.readable,
        metavar="FILE",
        help="these faults instead of drawn ones",
    )
    simulate.add_argument(
        "--seconds",
        type=values.whole(10, 3_600),
        default=45,
        metavar="N",
        help="virtual seconds with faults (default 45); the world then comes to rest",
    )
    simulate.add_argument(
        "--lines",
        type=values.whole(0, 4_000),
        default=0,
        metavar="N",
        help="show the last N events",
    )
    simulate.add_argument(
        "--jobs", type=values.whole(1, 256), default=2, metavar="N", help="processes for --seeds"
    )
    simulate.add_argument(
        "--found", type=Path, metavar="FILE", help="add what --seeds finds, one JSON line each"
    )


def _add_control(commands: argparse._SubParsersAction[_Parser]) -> None:
    status = _command(
        commands,
        "status",
        "control.status:status_command",
        "how every engine of this checkout is: halts, services, profit",
        examples.STATUS_EXAMPLES,
    )
    _add_choice(status)
    kill = _command(
        commands,
        "kill",
        "control.kill:kill_command",
        "cancel everything and place nothing, until resume",
        examples.KILL_EXAMPLES,
    )
    kill.add_argument("--reason", default="operator", metavar="TEXT", help="kept with the halt")
    _add_choice(kill)
    _add_choice(
        _command(
            commands,
            "resume",
            "control.kill:resume_command",
            "lift a kill",
            examples.RESUME_EXAMPLES,
        )
    )
    _add_choice(
        _command(
            commands,
            "console",
            "control.console:console_command",
            "a link that opens the web page of every engine of this checkout",
            examples.CONSOLE_EXAMPLES,
        )
    )
    doctor = _command(
        commands,
        "doctor",
        "doctor.command:command",
        "settings, clock, endpoints, credentials: what is wrong and how to mend it",
        examples.DOCTOR_EXAMPLES,
    )
    doctor.add_argument("--json", action="store_true", help=_JSON_HELP)


def _add_tables(commands: argparse._SubParsersAction[_Parser]) -> None:
    for name, summary in _TABLES.items():
        table = _command(
            commands, name, "control.tables:table_command", summary, examples.TABLE_EXAMPLES
        )
        table.add_argument("--csv", action="store_true", help="print CSV on stdout")
        if name in ("fills", "pnl"):
            table.add_argument(
                "--since", type=values.span_s, metavar="SPAN", help="of the last 30m, 1h, 2d, ..."
            )
        _add_choice(table)
    notify = _command(
        commands,
        "notify",
        "control.notify:notify_command",
        "test the way by which alerts reach a person",
        examples.NOTIFY_EXAMPLES,
    )
    notify.add_argument("what", choices=("test",), help="send a test text")
    _add_choice(notify)


def _add_choice(command: argparse.ArgumentParser) -> None:
    """Which engines are meant."""
    choice = command.add_mutually_exclusive_group()
    choice.add_argument("--run", metavar="ID", help="this `pm run`: its number or its process")
    choice.add_argument(
        "--compose",
        nargs="?",
        const="",
        metavar="PROJECT",
        help="the Compose stack of this checkout, or this one of several",
    )
    choice.add_argument(
        "--urls", action="store_true", help="the services that PM_<SERVICE>_URL names"
    )
    choice.add_argument("--all", action="store_true", help="every engine that is found")
    command.add_argument("--json", action="store_true", help="print one JSON object on stdout")


def _command(
    commands: argparse._SubParsersAction[_Parser], name: str, handler: str, summary: str, more: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(handler=handler)
    return parser


def _load(handler: str) -> Callable[[argparse.Namespace], int]:
    module, _, function = handler.partition(":")
    loaded: Callable[[argparse.Namespace], int] = getattr(
        importlib.import_module(f"pmtools.{module}"), function
    )
    return loaded


if __name__ == "__main__":
    sys.exit(main())
