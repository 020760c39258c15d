"""`pm doctor`: is everything in place for the services to start, and if not, how to mend it."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.text import Text

from pmcore.shell.settings import try_settings
from pmcore.shell.strategy_settings import StrategySettings
from pmcore.tools.doctor_checks import Finding, Verdict, fail, local_findings, ok
from pmcore.tools.doctor_probes import probe
from pmcore.tools.errors import EXIT_FAILED, EXIT_OK

_STYLE = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}


def command(arguments: argparse.Namespace) -> int:
    """Print one line a finding; 0 when nothing fails."""
    findings = examine()
    failed = any(finding.verdict is Verdict.FAIL for finding in findings)
    _print_findings(findings)
    if arguments.json:
        print(msgspec.json.encode({"ok": not failed, "findings": findings}).decode())
    return EXIT_FAILED if failed else EXIT_OK


def examine() -> Sequence[Finding]:
    """All findings; with settings that cannot be read there is nothing else to look at."""
    settings, problems = try_settings(StrategySettings)
    if settings is None or problems:
        return [
            fail("settings", problem, "correct the variable (docs/strategy_guide.md)")
            for problem in problems
        ]
    given = bool(os.environ.get("PM_REDIS_URL"))
    return [
        ok("settings", "every variable can be read"),
        *local_findings(settings, os.environ),
        *asyncio.run(probe(settings, redis_is_given=given)),
    ]


def _print_findings(findings: Sequence[Finding]) -> None:
    console = Console(highlight=False)
    for finding in findings:
        line = Text(f"{finding.verdict.value:<5}", style=_STYLE[finding.verdict])
        line.append(f"{finding.subject}: {finding.text}", style="default")
        console.print(line, soft_wrap=True)
        if finding.mend:
            console.print(Text(f"      -> {finding.mend}"), soft_wrap=True)
