"""`make mutants` and `make mutants-sample`: try mutants, name each that no test noticed.

Exit code 1 when a mutant survives that the list does not excuse, or the list excuses one that is
killed or does not exist any more.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from support.mutants.bench import BaselineError, Fate, Verdict, now_s, try_all
from support.mutants.scope import GROUPS, Group, sources_of
from support.mutants.sources import Mutant, mutants_of
from support.mutants.survivors import load
from support.tree import ROOT, name_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Try what the arguments choose."""
    options = _options(arguments)
    made = [
        (group, mutant)
        for group in GROUPS
        for source in sources_of(group)
        if options.only in name_of(source)
        for mutant in mutants_of(source)
    ]
    excused = load()
    chosen = made
    if options.sample:
        seed = _seed(options.seed)
        print(f"seed {seed}: {options.sample} of {len(made)} mutants", flush=True)
        chosen = sorted(made, key=lambda pair: _rank(seed, pair[1]))[: options.sample]
    report = _Report(excused, options.results, {mutant.key for _, mutant in chosen})
    until_s = now_s() + options.seconds
    for group in GROUPS:
        mine = [m for g, m in chosen if g is group and m.key not in report.known]
        skipped = [m for m in mine if options.sample and m.key in excused]
        for mutant in skipped:
            report.excuse(mutant)
        mine = [m for m in mine if m not in skipped]
        if mine and not _try_group(group, mine, options.jobs, until_s, report):
            return 2
    stale = set()
    if not options.only and not options.sample:
        stale = excused.keys() - {mutant.key for _, mutant in made}
    return report.end(len(made), stale)


def _try_group(
    group: Group, mutants: Sequence[Mutant], jobs: int, until_s: float, report: _Report
) -> bool:
    if now_s() > until_s:
        return True
    try:
        try_all(group, mutants, jobs, until_s, report.hear)
    except BaselineError as error:
        print(f"mutants: {error}. Make the tests pass first.", file=sys.stderr)
        return False
    return True


def _rank(seed: str, mutant: Mutant) -> bytes:
    """The place of a mutant in a seed's order; other mutants that come or go do not change it."""
    return hashlib.sha256(f"{seed} {mutant.key}".encode()).digest()


def _seed(named: str) -> str:
    """The seed itself, or for `commit` the commit: the same sample whenever one commit is tried."""
    if named != "commit":
        return named
    asked = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or "0"


class _Report:
    """Counts verdicts, prints survivors, keeps results so that a long run can be taken up again."""

    def __init__(self, excused: dict[str, str], results: Path | None, chosen: set[str]) -> None:
        self.known: dict[str, str] = {}
        self._excused = excused
        self._results = results
        self._fates: Counter[str] = Counter()
        self._bad: list[str] = []
        if results is not None and results.exists():
            for line in results.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                if row["key"] in chosen:
                    self.known[row["key"]] = row["fate"]
        for key, fate in self.known.items():
            self._count(key, Fate(fate))

    def hear(self, verdict: Verdict) -> None:
        """One mutant was tried."""
        key = verdict.mutant.key
        if self._results is not None:
            with self._results.open("a", encoding="utf-8") as file:
                row = {"key": key, "fate": verdict.fate.value, "by": verdict.by}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._count(key, verdict.fate)

    def excuse(self, mutant: Mutant) -> None:
        """One that is known to survive is not tried."""
        self._fates["listed"] += 1
        print(f"listed: {mutant.key}", flush=True)

    def _count(self, key: str, fate: Fate) -> None:
        if fate is not Fate.SURVIVED:
            self._fates[fate.value] += 1
            if key in self._excused:
                self._bad.append(f"listed as a survivor, and killed: {key}")
        elif key in self._excused:
            self._fates["listed"] += 1
        else:
            self._fates[fate.value] += 1
            self._bad.append(f"survived: {key}")

    def end(self, made: int, stale: Iterable[str]) -> int:
        """Print the sums; return the exit code."""
        self._bad += [f"listed, and no such mutant any more: {key}" for key in sorted(stale)]
        fates = self._fates
        killed = fates[Fate.KILLED.value] + fates[Fate.TIMED_OUT.value]
        tried = killed + fates[Fate.SURVIVED.value] + fates["listed"]
        share = 100 * killed / tried if tried else 100.0
        print(
            f"{made} mutants, {tried} tried: {killed} killed ({share:.1f} %), of these "
            f"{fates[Fate.TIMED_OUT.value]} by a time limit; {fates['listed']} listed survivors, "
            f"{fates[Fate.SURVIVED.value]} others; {fates[Fate.BROKEN.value]} not Python"
        )
        for line in self._bad:
            print(line)
        if self._bad:
            print("Write a test that notices, or list it with its reason: docs/mutants.md.")
        return 1 if self._bad else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__)
    parser.add_argument("--sample", type=int, default=0, help="try so many, chosen by the seed")
    parser.add_argument("--seed", default="1", help="any text, or `commit` for HEAD's hash")
    parser.add_argument("--only", default="", help="only files whose path contains this")
    parser.add_argument("--jobs", type=int, default=2, help="so many at a time")
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no mutant after so long")
    parser.add_argument("--results", type=Path, help="keep verdicts here and take them up again")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
