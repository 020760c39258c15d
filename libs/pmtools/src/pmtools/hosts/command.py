"""`pm hosts cut` and `pm hosts cost`: build hosts, look, and print what was seen."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pmtools.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, CommandError
from pmtools.hosts.capacity import CapacityOptions, CapacityRow, measure_capacity
from pmtools.hosts.capacity import as_text as capacity_text
from pmtools.hosts.cut import CutOptions, CutResult, run_cut
from pmtools.run.redis_server import LocalRedisError

T = TypeVar("T")
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_COLUMNS = (
    "{series:10} {host:8} {redis_host:8} {placed_before:>7} {placed_during:>7} {placed_after:>7} "
    "{bare_before_s:>8} {bare_during_s:>8} {quiet_after_s:>9} {back_after_s:>8}"
)
_HEAD = {
    "series": "series",
    "host": "host",
    "redis_host": "Redis at",
    "placed_before": "before",
    "placed_during": "during",
    "placed_after": "after",
    "bare_before_s": "bare s",
    "bare_during_s": "in cut",
    "quiet_after_s": "quiet s",
    "back_after_s": "back s",
}


def cut(arguments: argparse.Namespace) -> int:
    """See `pm hosts cut --help`."""
    options = CutOptions(
        series=arguments.series,
        before_s=arguments.before,
        cut_s=arguments.cut,
        after_s=arguments.after,
        node_timeout_ms=arguments.node_timeout_ms,
        latency_ms=arguments.latency_ms,
        seed=arguments.seed,
        world=arguments.world,
        same_shard=arguments.same_shard,
        one_wallet=arguments.one_wallet,
    )
    result = _in_directory(
        lambda directory: run_cut(options, directory), lambda made: arguments.keep or not made.holds
    )
    if result is None:
        return EXIT_INTERRUPTED
    print(_as_json(result) if arguments.json else as_text(result))
    return EXIT_OK if result.holds else EXIT_FAILED


def cost(arguments: argparse.Namespace) -> int:
    """See `pm hosts cost --help`."""
    options = CapacityOptions(
        series=tuple(arguments.series),
        seconds=arguments.seconds,
        world=arguments.world,
        seed=arguments.seed,
    )

    def say(row: CapacityRow) -> None:
        if not arguments.json:
            print(capacity_text(row), flush=True)

    rows = _in_directory(
        lambda directory: measure_capacity(options, directory, say),
        lambda _: bool(arguments.keep),
    )
    if rows is None:
        return EXIT_INTERRUPTED
    if arguments.json:
        print(_as_json(rows))
    return EXIT_OK


def _in_directory(
    work: Callable[[Path], Coroutine[Any, Any, T]], keeps: Callable[[T], bool]
) -> T | None:
    """Run it with a directory for logs and data, which is removed unless `keeps` says otherwise.

    None when it was interrupted.
    """
    directory = Path(tempfile.mkdtemp(prefix="pm-hosts-"))
    kept = False
    try:
        made = run_to_its_end(work(directory))
        kept = keeps(made)
    except asyncio.CancelledError:
        return None
    except LocalRedisError as error:
        raise CommandError(str(error)) from error
    finally:
        if not kept:
            shutil.rmtree(directory)
    return made


def run_to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Run it; the first Ctrl-C, SIGTERM or SIGHUP cancels it, later ones change nothing.

    Raise `asyncio.CancelledError` when it was cancelled, after it has cleaned up.
    """

    async def main() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def cancel_once() -> None:
            for number in _STOP_SIGNALS:
                loop.add_signal_handler(number, lambda: None)
            task.cancel()

        for number in _STOP_SIGNALS:
            loop.add_signal_handler(number, cancel_once)
        return await work

    return asyncio.run(main())


def as_text(result: CutResult) -> str:
    """A row for each series, then what does not hold."""
    accounts = ", ".join(f"{host}'s at {where}" for host, where in result.accounts.items())
    lines = [
        f"{result.cut_host} was cut off for {result.cut_seconds:g} s; with it went "
        f"{result.masters_on_cut_host} of the Cluster's masters "
        f"(cluster-node-timeout {result.node_timeout_ms} ms)",
        f"keys of the accounts: {accounts}; latency: {result.latency}; "
        f"all quoted {result.up_after_s:g} s after the start",
        "",
        _COLUMNS.format(**_HEAD),
    ]
    for row in result.series:
        cells = {name: _cell(getattr(row, name)) for name in _HEAD}
        lines.append(_COLUMNS.format(**cells))
        lines += [f"  BROKEN: {said}" for said in row.broken]
    lines.append("")
    lines.append(f"orders left at the venue: {result.orders_left}")
    lines += [f"started again: {said}" for said in result.ended]
    lines += [f"BROKEN: {said}" for said in result.broken]
    if Path(result.logs).exists():
        lines.append(f"logs: {result.logs}")
    lines.append("every law holds" if result.holds else "a law is broken")
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _as_json(made: object) -> str:
    return msgspec.json.format(msgspec.json.encode(made)).decode()
