"""`make known-faults`: put each fault of `tests/mutants/known_faults.toml` back, see its test fail.

Exit code 1 when a test passes although its fault is there, or the list no longer fits the code.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import msgspec

from support.tree import LIBRARIES, ROOT, SERVICES, name_of, tracked

LIST = ROOT / "tests/mutants/known_faults.toml"
_JOBS = 2
_LIMIT_S = 300
_NO_TEST_FAILED, _TEST_FAILED = 0, 1


class KnownFault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One change that puts a fault back, and the test that notices."""

    what: str
    file: str
    was: str
    becomes: str
    test: str


def load() -> list[KnownFault]:
    """The list, in its order."""
    rows = tomllib.loads(LIST.read_text(encoding="utf-8"))["fault"]
    return msgspec.convert(rows, list[KnownFault])


def main() -> int:
    """Try all of them, two at a time, each in a copy of the tree."""
    faults = load()
    with tempfile.TemporaryDirectory() as folder:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(_JOBS):
            copies.put(_copied(Path(folder) / str(number)))
        code, said = _run_pytest(Path(folder) / "0", *(fault.test for fault in faults))
        if code != _NO_TEST_FAILED:
            print(f"the tests fail without any fault:\n{said}")
            return 2

        def judged(fault: KnownFault) -> str:
            copy = copies.get()
            try:
                return judge(fault, copy)
            finally:
                copies.put(copy)

        with ThreadPoolExecutor(_JOBS) as pool:
            verdicts = list(pool.map(judged, faults))
    wrong = 0
    for fault, problem in zip(faults, verdicts, strict=True):
        wrong += bool(problem)
        print(f"{problem or 'noticed'}: {fault.what} ({fault.test})")
    print(f"{len(faults)} faults put back, {len(faults) - wrong} noticed")
    return 1 if wrong else 0


def _copied(folder: Path) -> Path:
    for path in tracked():
        copy = folder / name_of(path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    return folder


def judge(fault: KnownFault, copy: Path) -> str:
    """What is wrong with an entry of the list, "" when its test notices the fault.

    An error before or beside a test (pytest ends with 2 and more) is not a test that noticed.
    """
    path = copy / fault.file
    whole = path.read_text(encoding="utf-8")
    if whole.count(fault.was) != 1:
        return f"`was` stands {whole.count(fault.was)} times in {fault.file}"
    path.write_text(whole.replace(fault.was, fault.becomes), encoding="utf-8")
    try:
        code, said = _run_pytest(copy, fault.test)
    finally:
        path.write_text(whole, encoding="utf-8")
    if code == _NO_TEST_FAILED:
        return "NOT NOTICED"
    return "" if code == _TEST_FAILED else f"pytest ended with {code}:\n{said}"


def _run_pytest(copy: Path, *tests: str) -> tuple[int, str]:
    """The packages of the copy come before the installed ones."""
    libraries = [name_of(path.parent) for path in LIBRARIES.values()]
    services = [f"services/{name}/src" for name in SERVICES]
    path = os.pathsep.join(str(copy / name) for name in [*libraries, *services, "tests"])
    arguments: Sequence[str] = ("-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *tests)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    return done.returncode, done.stdout[-2000:]


if __name__ == "__main__":
    sys.exit(main())
