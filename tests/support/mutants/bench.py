"""Tries mutants, each in a child process of a pytest session that has collected all tests once.

A mutant in a function is put in place by exchanging the function's code, so that nothing has to be
imported again. One in what runs at import needs a process of its own (`MutatedImport`).
"""

from __future__ import annotations

import gc
import importlib.abc
import importlib.util
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import pytest
from hypothesis import settings

from support.mutants.scope import Group, module_of, ordered_tests, tests_of
from support.mutants.sources import Mutant
from support.tree import ROOT

CPU_LIMIT_S = 60
WALL_LIMIT_S = 240
TEST_TIMEOUT_S = 30
EXAMPLES = 40
PYTEST = (
    *("-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:randomly"),
    *("-m", "not docker and not recordings", f"--timeout={TEST_TIMEOUT_S}"),
    *("--hypothesis-profile", "mutants", "--disable-warnings"),
)


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    TIMED_OUT = "timed out"
    SURVIVED = "survived"
    BROKEN = "no python"


@dataclass(frozen=True)
class Verdict:
    """A mutant's fate and the test that noticed."""

    mutant: Mutant
    fate: Fate
    by: str = ""


class BaselineError(Exception):
    """The tests fail without any mutant; nothing can be said."""


@dataclass
class _Child:
    pid: int
    answer: int
    until: float
    said: bytes = b""


def try_all(
    group: Group,
    mutants: Sequence[Mutant],
    jobs: int,
    until_s: float,
    tell: Callable[[Verdict], None],
) -> None:
    """Try each mutant, beginning none after `until_s` (`now_s`); `tell` hears every verdict.

    Raise `BaselineError`.
    """
    settings.register_profile(
        "mutants", max_examples=EXAMPLES, deadline=None, derandomize=True, database=None
    )
    bench = _Bench(group, mutants, jobs, until_s, tell)
    arguments = [*PYTEST, *(str(path) for path in tests_of(group))]
    code = pytest.main(arguments, plugins=[bench])
    if bench.problem or code not in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise BaselineError(
            bench.problem or f"pytest ended with {code} before any mutant was tried"
        )


@dataclass
class _Bench:
    """The plugin: takes over where pytest would run its tests."""

    group: Group
    mutants: Sequence[Mutant]
    jobs: int
    until_s: float
    tell: Callable[[Verdict], None]
    problem: str = ""
    _functions: dict[tuple[str, str], list[FunctionType]] = field(default_factory=dict)
    _children: dict[int, tuple[_Child, Mutant]] = field(default_factory=dict)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            self.problem = "the tests cannot be collected"
            return True
        self._note_functions()
        gc.collect()
        gc.freeze()
        status, failed = self._baseline(session)
        if status:
            self.problem = f"fails without any mutant: {failed or 'a test that ended the process'}"
            return True
        for mutant in self.mutants:
            if now_s() > self.until_s:
                break
            while len(self._children) >= self.jobs:
                self._await_children()
            self._start(session, mutant)
        while self._children:
            self._await_children()
        return True

    def _note_functions(self) -> None:
        for found in gc.get_objects():
            if isinstance(found, FunctionType):
                code = found.__code__
                self._functions.setdefault((code.co_filename, code.co_qualname), []).append(found)

    def _baseline(self, session: pytest.Session) -> tuple[int, str]:
        child = _fork(lambda: _run(session.items, session))
        while not _ended(child, wait_s=1.0):
            pass
        return _reap(child), child.said.decode(errors="replace")

    def _start(self, session: pytest.Session, mutant: Mutant) -> None:
        try:
            broken = compile(mutant.code(), str(mutant.source), "exec", dont_inherit=True)
        except SyntaxError:
            self.tell(Verdict(mutant, Fate.BROKEN))
            return
        files = ordered_tests(self.group, mutant.source)
        code = _code_of(broken, mutant.function) if mutant.function else None
        live = self._functions.get((str(mutant.source), mutant.function), [])

        def work() -> str:
            assert code is not None
            for function in live:
                function.__code__ = code
            place = {path: at for at, path in enumerate(files)}
            return _run(sorted(session.items, key=lambda item: place[item.path]), session)

        freevars = {function.__code__.co_freevars for function in live}
        if code is not None and live and freevars == {code.co_freevars}:
            child = _fork(work)
        else:
            child = _fork(lambda: _in_own_process(mutant, files))
        self._children[child.pid] = (child, mutant)

    def _await_children(self) -> None:
        for pid, (child, mutant) in list(self._children.items()):
            if not _ended(child, wait_s=0.02):
                continue
            status = _reap(child)
            del self._children[pid]
            by = child.said.decode(errors="replace")
            if os.WIFSIGNALED(status):
                self.tell(Verdict(mutant, Fate.TIMED_OUT, f"signal {os.WTERMSIG(status)}"))
            else:
                self.tell(Verdict(mutant, Fate.KILLED if status else Fate.SURVIVED, by))


def _fork(work: Callable[[], str]) -> _Child:
    """Run `work` in a child that ends with 0 when it returns "", else says what it returned."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return _Child(pid, reader, now_s() + WALL_LIMIT_S)
    os.setpgid(0, 0)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    failed = "the child could not run"
    try:
        failed = work()
    except BaseException as error:  # noqa: BLE001  # a child must never return into the parent
        failed = f"{type(error).__name__}: {error}"
    finally:
        os.write(writer, failed.encode()[:4000])
        os._exit(1 if failed else 0)


def _ended(child: _Child, wait_s: float) -> bool:
    """Whether a child said its last word; one that takes too long is ended."""
    ready, _, _ = select.select([child.answer], [], [], wait_s)
    if ready:
        said = os.read(child.answer, 65536)
        child.said += said
        return not said
    if now_s() > child.until:
        os.killpg(child.pid, signal.SIGKILL)
        return True
    return False


def _reap(child: _Child) -> int:
    os.close(child.answer)
    _, status = os.waitpid(child.pid, 0)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)  # what a test started and could not stop any more
    return status


def _run(items: Sequence[pytest.Item], session: pytest.Session) -> str:
    """Run tests until one fails; return its name, or ""."""
    for at, item in enumerate(items):
        following = items[at + 1] if at + 1 < len(items) else None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            session._setupstate.teardown_exact(None)
            return item.nodeid
    return ""


def _code_of(module: CodeType, qualified: str) -> CodeType | None:
    """The code object of a function within its module's."""
    for constant in module.co_consts:
        if not isinstance(constant, CodeType):
            continue
        if constant.co_qualname == qualified:
            return constant
        if qualified.startswith(f"{constant.co_qualname}."):
            return _code_of(constant, qualified)
    return None


# ---- what runs at import ---------------------------------------------------------------------


def _in_own_process(mutant: Mutant, tests: Sequence[Path]) -> str:
    environment = {**os.environ, "PM_MUTANT_MODULE": module_of(mutant.source)}
    script = "from support.mutants.bench import run_mutated_import; run_mutated_import()"
    done = subprocess.run(
        [sys.executable, "-c", script, *PYTEST, "-x", *map(str, tests)],
        input=mutant.code().encode(),
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    lines = done.stdout.decode(errors="replace").splitlines()
    failed = next((line for line in reversed(lines) if line.startswith(("FAILED", "ERROR"))), "")
    return "" if done.returncode == 0 else failed or f"exit {done.returncode}"


def run_mutated_import() -> None:
    """In a fresh process: import one module from standard input instead of from its file."""
    settings.register_profile(
        "mutants", max_examples=EXAMPLES, deadline=None, derandomize=True, database=None
    )
    sys.meta_path.insert(0, MutatedImport(os.environ["PM_MUTANT_MODULE"], sys.stdin.read()))
    sys.exit(pytest.main(sys.argv[1:]))


class MutatedImport(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module the broken source."""

    def __init__(self, module: str, code: str) -> None:
        self._module = module
        self._code = code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._module:
            return None
        return importlib.util.spec_from_loader(fullname, self)

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._code, self._module, "exec", dont_inherit=True), module.__dict__)


def now_s() -> float:
    """A clock that only runs on."""
    return time.monotonic()
