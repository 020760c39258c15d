"""The `pm` command. Heavy imports happen inside the commands, so that `--help` is instant."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from pmtools import errors, examples
from pmtools.argument_types import (
    readable_file,
    readable_file_or_folder,
    series_slugs,
    speed,
    utc_day,
    whole_number,
    window_seconds,
)
from pmtools.control.arguments import add_control, add_tables
from pmtools.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, CommandError
from pmtools.hosts.arguments import add_hosts
from pmtools.parsers import JSON_HELP, Parser, add_command
from pmtools.run.exit_codes import EXIT_CODES_HELP


class _Version(argparse.Action):
    """Looked up when it is asked for, so that other commands do not wait for it."""

    def __init__(self, option_strings: Sequence[str], dest: str, **_: object) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version and leave")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        """Print `pm 1.2.3` on stdout."""
        metadata = importlib.import_module("importlib.metadata")
        print(f"pm {metadata.version('pmcore')}")
        parser.exit(EXIT_OK)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong argument or input."""
    arguments = build_parser().parse_args(argv)
    try:
        return _load(arguments.handler)(arguments)
    except CommandError as error:
        for line in error.lines:
            print(f"pm {arguments.command}: {line}", file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        if error.name not in errors.STUDY_PACKAGES:
            raise
        print(f"pm {arguments.command}: {errors.NEEDS_STUDY}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe went away; nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK


def build_parser() -> argparse.ArgumentParser:
    """All commands and their arguments."""
    parser = Parser(
        prog="pm",
        description="pm-as-ofi: a maker-only market-making engine for up/down markets.",
        epilog="Every command explains itself: pm run --help, pm replay --help, ...",
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=Parser
    )
    _add_run(commands)
    _add_replay(commands)
    _add_report(commands)
    _add_study(commands)
    _add_sweep(commands)
    _add_calibrate(commands)
    _add_record(commands)
    _add_simulator(commands)
    _add_simulate(commands)
    _add_bench(commands)
    add_hosts(commands)
    add_control(commands)
    add_tables(commands)
    return parser


def _add_run(commands: argparse._SubParsersAction[Parser]) -> None:
    run = add_command(
        commands,
        "run",
        "run.command:command",
        "run everything locally and sum it up",
        f"{examples.RUN_EXAMPLES}\n{EXIT_CODES_HELP}",
    )
    run.add_argument(
        "--seconds",
        type=whole_number(1, 604_800),
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
        type=series_slugs,
        metavar="SLUG[,SLUG]",
        help="series or single windows (default: POLYMARKET_MARKET_SLUG, or one simulated series)",
    )
    run.add_argument(
        "--window",
        type=window_seconds,
        metavar="SECONDS",
        help="length of simulated windows (default 60, so that a rotation is soon seen)",
    )
    run.add_argument(
        "--preset",
        metavar="NAME",
        help="settings of presets/NAME.env for variables that are unset (default: PM_PRESET)",
    )
    run.add_argument(
        "--seed", type=whole_number(0, 2**63 - 1), metavar="N", help="of the simulated flow"
    )
    run.add_argument(
        "--recording", type=readable_file, metavar="FILE", help="the simulator plays this recording"
    )
    run.add_argument(
        "--speed", type=speed, metavar="X", help="of the recording, 1 to 100 (default 1)"
    )
    run.add_argument(
        "--keep", action="store_true", help="keep the run's directory (logs, journals, recordings)"
    )
    run.add_argument("--json", action="store_true", help=JSON_HELP)


def _add_replay(commands: argparse._SubParsersAction[Parser]) -> None:
    replay = add_command(
        commands,
        "replay",
        "replay.command:command",
        "run recordings through the engine, with paper fills",
        examples.REPLAY_EXAMPLES,
    )
    replay.add_argument(
        "files",
        nargs="+",
        type=readable_file_or_folder,
        metavar="FILE",
        help="recordings and journals; of a folder, all that are in it",
    )
    replay.add_argument(
        "--market",
        type=readable_file,
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
    _add_latency(replay)
    replay.add_argument(
        "--fills",
        type=Path,
        metavar="FILE",
        help="write each fill with its markouts and its parts of the profit as CSV",
    )
    replay.add_argument(
        "--tables",
        type=Path,
        metavar="FOLDER",
        help="write windows, fills, ledgers, intervals and seconds as Parquet (docs/tables.md)",
    )
    replay.add_argument("--json", action="store_true", help=JSON_HELP)


def _add_latency(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--latency",
        metavar="MS|FILE|RUN",
        help="of orders, cancels and reports on paper: 60, 40/90/250 (at 50, 90 and 99 %%), "
        "order=..,cancel=..,report=.. of these, a JSON file of quantiles, or the folder or journal "
        "of a run whose own latencies are taken (default 60; reports take no time)",
    )
    command.add_argument(
        "--latency-seed", type=int, default=1, metavar="N", help="of the draws (default 1)"
    )


def _add_report(commands: argparse._SubParsersAction[Parser]) -> None:
    report = add_command(
        commands,
        "report",
        "study.report:command",
        "what runs and replays earned and why, as one HTML page",
        examples.REPORT_EXAMPLES,
    )
    report.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="RUN|FILE",
        help="runs of this checkout (3, or var/run-3), a folder of pm replay --tables, or "
        "recordings and journals to replay first",
    )
    report.add_argument(
        "--day",
        type=utc_day,
        metavar="DAY",
        help="the windows that opened in this UTC day: 2026-11-27, today, yesterday; without RUN, "
        "those of every run of this checkout, and of its Compose stack if it is up",
    )
    report.add_argument(
        "--out", type=Path, default=Path("report.html"), metavar="FILE", help="the page"
    )
    report.add_argument("--csv", type=Path, metavar="FILE", help="write every figure as CSV")
    report.add_argument(
        "--window", metavar="SLUG", help="shown in detail (default: that with the most fills)"
    )
    report.add_argument(
        "--fill-model",
        choices=("pessimistic", "central", "optimistic"),
        default="central",
        help="whose fills the engine sees when recordings are replayed (default central)",
    )
    _add_latency(report)
    report.add_argument("--json", action="store_true", help=JSON_HELP)


def _add_study(commands: argparse._SubParsersAction[Parser]) -> None:
    study = add_command(
        commands,
        "study",
        "study.command:command",
        "a question with limits fixed before, answered from recordings",
        examples.STUDY_EXAMPLES,
    )
    study.add_argument("plan", type=Path, metavar="PLAN", help="question, settings and limits")
    study.add_argument("files", nargs="+", type=Path, metavar="FILE", help="recordings, folders")
    study.add_argument("--json", action="store_true", help=JSON_HELP)


def _add_calibrate(commands: argparse._SubParsersAction[Parser]) -> None:
    calibrate = add_command(
        commands,
        "calibrate",
        "calibrate.command:command",
        "a run's own bids: what the venue filled of them, and what paper would have",
        examples.CALIBRATE_EXAMPLES,
    )
    calibrate.add_argument(
        "files",
        nargs="+",
        type=readable_file_or_folder,
        metavar="RUN",
        help="folders of runs or journals of strategies, of the real venue or of the simulator",
    )
    calibrate.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="write the result as JSON, with the run's latencies if its executor kept a journal",
    )
    calibrate.add_argument("--json", action="store_true", help=JSON_HELP)


def _add_sweep(commands: argparse._SubParsersAction[Parser]) -> None:
    sweep = add_command(
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
        "--jobs", type=whole_number(1, 256), metavar="N", help="processes (default: cores)"
    )
    sweep.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="rows and figures; a run that ended early goes on there (default var/sweeps/GRID)",
    )
    _add_latency(sweep)
    sweep.add_argument("--json", action="store_true", help=JSON_HELP)


def _add_record(commands: argparse._SubParsersAction[Parser]) -> None:
    record = add_command(
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
    recordings = add_command(
        commands,
        "recordings",
        "record.check:command",
        "check recordings: readable, whole, verified",
        examples.RECORDINGS_EXAMPLES,
    )
    actions = recordings.add_subparsers(required=True, metavar="check", parser_class=Parser)
    check = actions.add_parser("check", help="read each whole and say what is missing")
    check.add_argument(
        "files", nargs="+", type=readable_file_or_folder, metavar="FILE", help="recordings, folders"
    )
    check.add_argument("--json", action="store_true", help=JSON_HELP)


def _add_simulator(commands: argparse._SubParsersAction[Parser]) -> None:
    simulator = add_command(
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
        type=whole_number(0, 65_535),
        metavar="N",
        help="0: any free one (default: PM_SIM_PORT, or 8200)",
    )
    simulator.add_argument(
        "--seed",
        type=whole_number(0, 2**63 - 1),
        metavar="N",
        help="of the world (default: PM_SIM_SEED, or 1)",
    )
    simulator.add_argument(
        "--series",
        type=series_slugs,
        metavar="SLUG[,SLUG]",
        help="what it offers (default: POLYMARKET_MARKET_SLUG, or btc-updown-15m)",
    )
    simulator.add_argument(
        "--window", type=window_seconds, metavar="SECONDS", help="another length of the windows"
    )
    simulator.add_argument(
        "--recording", type=readable_file, metavar="FILE", help="play this recording"
    )
    simulator.add_argument("--speed", type=speed, metavar="X", help="of its time, 1 to 100")
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


def _add_simulate(commands: argparse._SubParsersAction[Parser]) -> None:
    simulate = add_command(
        commands,
        "simulate",
        "simulate.command:command",
        "all services in one process and virtual time, by seed, with faults",
        examples.SIMULATE_EXAMPLES,
    )
    which = simulate.add_mutually_exclusive_group()
    which.add_argument(
        "--seed", type=whole_number(0, 2**31), default=1, metavar="N", help="one world (default 1)"
    )
    which.add_argument("--seeds", metavar="FIRST..LAST", help="one world for each of these seeds")
    simulate.add_argument(
        "--faults",
        default="all",
        metavar="KINDS",
        help="all (default), none, or names with commas between; each seed draws from them",
    )
    simulate.add_argument(
        "--schedule", type=readable_file, metavar="FILE", help="these faults instead of drawn ones"
    )
    simulate.add_argument(
        "--seconds",
        type=whole_number(10, 3_600),
        default=45,
        metavar="N",
        help="virtual seconds with faults (default 45); the world then comes to rest",
    )
    simulate.add_argument(
        "--lines",
        type=whole_number(0, 4_000),
        default=0,
        metavar="N",
        help="show the last N events",
    )
    simulate.add_argument(
        "--jobs", type=whole_number(1, 256), default=2, metavar="N", help="processes for --seeds"
    )
    simulate.add_argument(
        "--found", type=Path, metavar="FILE", help="add what --seeds finds, one JSON line each"
    )


def _add_bench(commands: argparse._SubParsersAction[Parser]) -> None:
    summary = "what the hot paths cost on this machine, each beside its floor in the same run"
    bench = add_command(
        commands, "bench", "bench.command:command", summary, examples.BENCH_EXAMPLES
    )
    names = ["post", "signed-post", "signing", "feed", "engine", "replay", "bus"]
    names += ["control", "kill", "tick-to-wire", "console", "feed-process", "feed-series", "scale"]
    bench.add_argument(
        "--only", action="append", choices=names, help="this one; may be given again (default all)"
    )
    for name, usual, most in (("rounds", 5, 100), ("samples", 100, 100_000)):
        bench.add_argument(
            f"--{name}",
            type=whole_number(1, most),
            default=usual,
            metavar="N",
            help=f"default {usual}",
        )
    bench.add_argument(
        "--file", type=Path, metavar="FILE", help="the recording of feed, engine and replay"
    )
    bench.add_argument("--json", action="store_true", help=JSON_HELP)


def _load(handler: str) -> Callable[[argparse.Namespace], int]:
    module, _, function = handler.partition(":")
    loaded: Callable[[argparse.Namespace], int] = getattr(
        importlib.import_module(f"pmtools.{module}"), function
    )
    return loaded


if __name__ == "__main__":
    sys.exit(main())
