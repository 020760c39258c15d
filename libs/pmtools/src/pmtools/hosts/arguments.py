"""The arguments of `pm hosts`."""

from __future__ import annotations

import argparse

from pmtools import examples
from pmtools.argument_types import whole_number
from pmtools.parsers import JSON_HELP, Parser, add_command

_MOST_SERIES = 24
_WORLDS = ("light", "fitted", "busy")


def add_hosts(commands: argparse._SubParsersAction[Parser]) -> None:
    """`pm hosts cut` and `pm hosts cost`."""
    hosts = add_command(
        commands,
        "hosts",
        "hosts.command:cut",
        "engines on several hosts made of network namespaces: cut one off, or what series cost",
        examples.HOSTS_EXAMPLES,
    )
    actions = hosts.add_subparsers(required=True, metavar="cut|cost", parser_class=Parser)
    _add_cut(add_command(actions, "cut", "hosts.command:cut", "cut one host off", ""))
    _add_cost(add_command(actions, "cost", "hosts.command:cost", "CPU and memory of series", ""))


def _add_cut(cut: argparse.ArgumentParser) -> None:
    for name, least, most, usual, said in (
        ("series", 2, _MOST_SERIES, 16, "dealt out to the two engines"),
        ("before", 1, 600, 20, "seconds of quoting before the cut"),
        ("cut", 18, 600, 40, "seconds without the network; the venue's switch takes up to 15"),
        ("after", 0, 600, 10, "seconds after the first host quotes again"),
        ("node-timeout-ms", 500, 600_000, 5_000, "cluster-node-timeout of Redis"),
        ("latency-ms", 0, 1_000, 5, "added to the way to each host, where the kernel has netem"),
    ):
        _add_number(cut, name, least, most, usual, said)
    cut.add_argument(
        "--same-shard",
        action="store_true",
        help="the keys of both accounts at the cut host's master (default: each at its own host)",
    )
    cut.add_argument(
        "--one-wallet",
        action="store_true",
        help="one executor on a third host for both (default: a wallet and an executor each)",
    )
    _add_common(cut)


def _add_cost(cost: argparse.ArgumentParser) -> None:
    cost.add_argument(
        "--series",
        type=_numbers,
        default=[1, 4, 8, 16],
        metavar="N,N",
        help="how many series, one measurement each (default 1,4,8,16)",
    )
    _add_number(cost, "seconds", 1, 3_600, 30, "measured, after ten of quoting")
    _add_common(cost)


def _add_common(command: argparse.ArgumentParser) -> None:
    _add_number(command, "seed", 0, 2**63 - 1, 7, "of the simulated market")
    command.add_argument(
        "--world", choices=_WORLDS, default="light", help="how much happens (default light)"
    )
    command.add_argument("--keep", action="store_true", help="keep the logs")
    command.add_argument("--json", action="store_true", help=JSON_HELP)


def _add_number(
    command: argparse.ArgumentParser, name: str, least: int, most: int, usual: int, said: str
) -> None:
    command.add_argument(
        f"--{name}",
        type=whole_number(least, most),
        default=usual,
        metavar="N",
        help=f"{said} (default {usual})",
    )


def _numbers(text: str) -> list[int]:
    return [whole_number(1, _MOST_SERIES)(part) for part in text.split(",")]
