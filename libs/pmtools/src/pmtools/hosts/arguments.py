"""The arguments of `pm hosts`."""

from __future__ import annotations

import argparse

from pmtools import examples
from pmtools.argument_types import whole_number
from pmtools.parsers import JSON_HELP, Parser, add_command

_MOST_SERIES = 24


def add_hosts(commands: argparse._SubParsersAction[Parser]) -> None:
    """`pm hosts`."""
    hosts = add_command(
        commands,
        "hosts",
        "hosts.command:command",
        "engines on two hosts made of network namespaces, one of them cut off",
        examples.HOSTS_EXAMPLES,
    )
    for name, least, most, usual, said in (
        ("series", 2, _MOST_SERIES, 16, "dealt out to the two engines"),
        ("before", 1, 600, 20, "seconds of quoting before the cut"),
        ("cut", 18, 600, 40, "seconds without the network; the venue's switch takes up to 15"),
        ("after", 0, 600, 10, "seconds after the first host quotes again"),
        ("node-timeout-ms", 500, 60_000, 5_000, "cluster-node-timeout of Redis"),
        ("latency-ms", 0, 1_000, 5, "added to the way to each host, where the kernel has netem"),
        ("seed", 0, 2**63 - 1, 7, "of the simulated market"),
    ):
        hosts.add_argument(
            f"--{name}",
            type=whole_number(least, most),
            default=usual,
            metavar="N",
            help=f"{said} (default {usual})",
        )
    hosts.add_argument(
        "--world",
        choices=("light", "fitted", "busy"),
        default="light",
        help="how much happens in the market (default light)",
    )
    hosts.add_argument(
        "--same-shard",
        action="store_true",
        help="the keys of both accounts at the cut host's master (default: each at its own host)",
    )
    hosts.add_argument("--keep", action="store_true", help="keep the logs also when all holds")
    hosts.add_argument("--json", action="store_true", help=JSON_HELP)
