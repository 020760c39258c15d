"""`make coverage-core`: every branch of the pure core is run by the unit tests of its own layer.

One test run records which test ran what; each file is then judged by the tests in the folder that
mirrors its layer (and by what importing it ran). Coverage that another layer's tests, a property
or an integration happen to give does not count.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import coverage
from coverage.exceptions import NoDataError

from support.tree import CORE, PURE, ROOT, name_of, pure_files


def record(data_file: Path) -> int:
    """Run the core's unit tests; return pytest's exit code."""
    tests = [
        f"tests/unit/{package}" for package in PURE if (ROOT / "tests/unit" / package).is_dir()
    ]
    sources = [f"--cov=pmcore.{package}" for package in PURE]
    command = [
        *(sys.executable, "-m", "pytest", "-n", "auto", "--hypothesis-profile", "quick"),
        *("--cov-branch", "--cov-context=test", "--cov-report="),
        *sources,
        *tests,
    ]
    environment = {**os.environ, "COVERAGE_FILE": str(data_file)}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def judge(data_file: Path) -> dict[str, str]:
    """Return what is missing, by file; empty when nothing is."""
    missing = {}
    for path in pure_files():
        report = io.StringIO()
        try:
            percent = _judge_one(data_file, path, report)
        except NoDataError:
            missing[name_of(path)] = "no test runs it"
            continue
        if percent < 100:
            row = next(line for line in report.getvalue().splitlines() if path.stem in line)
            missing[name_of(path)] = f"{percent:5.1f} %  {row.split('%')[-1].strip()}"
    return missing


def _judge_one(data_file: Path, path: Path, report: io.StringIO) -> float:
    covered = coverage.Coverage(data_file=str(data_file), branch=True, messages=False)
    covered.load()
    layer = re.escape(f"tests/unit/{path.relative_to(CORE).parts[0]}/")
    contexts = ["^$", f"^{layer}"]
    return covered.report(include=[str(path)], contexts=contexts, show_missing=True, file=report)


def main() -> int:
    """Record, judge, print; 0 when every file is whole."""
    with tempfile.TemporaryDirectory() as directory:
        data_file = Path(directory) / "coverage"
        if code := record(data_file):
            return code
        missing = judge(data_file)
    for name, what in missing.items():
        print(f"{name}: {what}")
    print(f"{len(pure_files()) - len(missing)} of {len(pure_files())} files whole")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
