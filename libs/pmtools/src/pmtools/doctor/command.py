"""`pm doctor`: is everything in place for the services to start, and if not, how to mend it."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.text import Text

from pmcore.shell.settings.common import CommonSettings, Mode, check_settings
from pmcore.shell.settings.known_variables import override_of, unknown_variables
from pmcore.shell.settings.paper_defaults import as_sentence, paper_defaults
from pmcore.shell.settings.problems import Problem
from pmcore.shell.settings.strategy import StrategySettings
from pmtools.doctor.checks import Finding, Verdict, fail, local_findings, ok, warn
from pmtools.doctor.probes import probe
from pmtools.errors import EXIT_FAILED, EXIT_OK, UsageError
from pmtools.presets import with_preset, worst_case
from pmtools.service_settings import SERVICES, not_installed, problems_of_services

_ASSIGNED = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=[ \t]*\S", re.MULTILINE)
_STYLE = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}


def command(arguments: argparse.Namespace) -> int:
    """Print one line a finding; 0 when nothing fails. With --json people's lines go to stderr."""
    findings = examine(os.environ)
    failed = any(finding.verdict is Verdict.FAIL for finding in findings)
    _print_findings(findings, Console(highlight=False, stderr=arguments.json))
    if arguments.json:
        print(msgspec.json.encode({"ok": not failed, "findings": findings}).decode())
    return EXIT_FAILED if failed else EXIT_OK


def examine(environ: Mapping[str, str]) -> Sequence[Finding]:
    """All findings; with settings that cannot be read there is nothing else to look at.

    The settings are those that each service reads at its start, looked at by the same code. Where
    no money is at stake, the values that `pm run` and the containers give to unset variables count.
    """
    try:
        preset = with_preset(environ)
    except UsageError as error:
        return [fail("PM_PRESET", str(error), "name one of them, or unset it")]
    environ = preset.environ
    defaults = {} if _is_live(environ) else paper_defaults(environ)
    environ = {**environ, **defaults}
    problems = problems_of_services(dict.fromkeys(SERVICES, environ))
    problems += unknown_in_file(Path(".env"))
    settings, _ = check_settings(StrategySettings, environ)
    if problems or settings is None:
        return [fail(each.variable, _said(each), each.remedy) for each in problems]
    given = bool(environ.get("PM_REDIS_URL"))
    return [
        ok("settings", _settings_said(defaults)),
        *([ok("preset", preset.sentence.removeprefix("preset "))] if preset.name else []),
        *_worst_cases(settings),
        *_not_looked_at(),
        *local_findings(settings, environ),
        *asyncio.run(probe(settings, redis_is_given=given)),
    ]


def unknown_in_file(path: Path) -> list[Problem]:
    """What Compose would read out of `.env` and hand to nobody.

    Names that nothing reads, and settings of single series.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    names = _ASSIGNED.findall(text)
    problems = unknown_variables(dict.fromkeys(names, "set"))
    problems += [_not_handed_on(name) for name in names if override_of(name)]
    return [msgspec.structs.replace(each, reason=f"in {path}: {each.reason}") for each in problems]


def _not_handed_on(name: str) -> Problem:
    return Problem(
        variable=name,
        reason="Compose gives no container a setting of a single series",
        remedy="write it into a preset of your own (presets/mine.env) and set PM_PRESET=mine",
    )


def _worst_cases(settings: StrategySettings) -> list[Finding]:
    """One line for all series, and one for each that has settings of its own."""
    params = settings.series_params()
    others = {spec.series for spec in settings.series} - params.by_series.keys()
    told = {"of one series": params.base, **{f"of {s}": p for s, p in params.by_series.items()}}
    if not others:
        del told["of one series"]
    return [
        ok("worst case", f"{worst_case(each.limits).sentence} ({whose})")
        for whose, each in told.items()
    ]


def _is_live(environ: Mapping[str, str]) -> bool:
    settings, _ = check_settings(CommonSettings, environ)
    return settings is None or settings.mode is Mode.LIVE


def _said(problem: Problem) -> str:
    shown = f" (is {problem.value[:80]!r})" if problem.value else ""
    return f"{problem.reason}{shown}"


def _settings_said(defaults: Mapping[str, str]) -> str:
    read = "every variable of every service can be read"
    if not defaults:
        return read
    return f"{read}; {as_sentence(defaults)} (`pm run` and the containers do the same)"


def _not_looked_at() -> list[Finding]:
    return [
        warn(
            f"settings of {service}",
            "not looked at: the service is not installed here",
            "run `pm doctor` where all services are installed (make setup)",
        )
        for service in not_installed()
    ]


def _print_findings(findings: Sequence[Finding], console: Console) -> None:
    for finding in findings:
        line = Text(f"{finding.verdict.value:<5}", style=_STYLE[finding.verdict])
        line.append(f"{finding.subject}: {finding.text}", style="default")
        console.print(line, soft_wrap=True)
        if finding.mend:
            console.print(Text(f"      -> {finding.mend}"), soft_wrap=True)
