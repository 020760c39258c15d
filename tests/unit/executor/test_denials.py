from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from pmcore.model.errors import Sent, TransportError
from pmcore.shell.service.logs import Log, configure_logs
from pmcore.shell.service.metrics import ServiceMetrics
from pmcore.wire.ports import Denial
from pmexecutor import denials
from pmexecutor.denials import DenialWatch
from pmexecutor.metrics import ExecutorMetrics
from pmsim.bus.memory_bus import MemoryBus, MemoryStore

CMD = "pm:v1:{btc-15m}:cmd"


def denial(times: int = 1, *, user: str = "feed", kind: str = "key", what: str = CMD) -> Denial:
    return Denial(user=user, kind=kind, what=what, times=times)


class Watched:
    def __init__(self, bus: MemoryBus | None = None) -> None:
        self.metrics = ServiceMetrics("executor", version="0", mode="sim")
        made = bus or MemoryBus(MemoryStore(lambda: 0), source="executor", run_id="r")
        self.watch = DenialWatch(made, ExecutorMetrics(self.metrics), log())

    def counted(self, kind: str = "key") -> float | None:
        return self.metrics.registry.get_sample_value(
            "pm_executor_redis_denied_total", {"kind": kind}
        )


def log() -> Log:
    return configure_logs("executor", "info")


def test_what_was_refused_before_is_not_told_again() -> None:
    watched = Watched()
    watched.watch.look([denial(7)])
    watched.watch.look([denial(7)])
    assert watched.counted() == 0


def test_a_refusal_is_counted_and_logged_once(capsys: pytest.CaptureFixture[str]) -> None:
    watched = Watched()
    watched.watch.look([])
    for _ in range(2):
        watched.watch.look([denial(2)])
    watched.watch.look([denial(3), denial(1, user="x" * 500)])
    assert watched.counted() == 4
    said = [line for line in capsys.readouterr().out.splitlines() if "redis_denied" in line]
    assert len(said) == 3
    assert '"user":"feed"' in said[0].replace(" ", "")
    assert "x" * 101 not in said[2]


def test_rows_of_one_kind_add_up_and_an_emptied_log_begins_again() -> None:
    watched = Watched()
    watched.watch.look([denial(5)])
    watched.watch.look([denial(5), denial(1)])
    watched.watch.look([])
    watched.watch.look([denial(2)])
    assert watched.counted() == 3


def test_an_unknown_kind_is_counted_too() -> None:
    watched = Watched()
    watched.watch.look([])
    watched.watch.look([denial(kind="new")])
    assert watched.counted("other") == 1


class ScriptedBus(MemoryBus):
    def __init__(self, *answers: Sequence[Denial] | TransportError) -> None:
        super().__init__(MemoryStore(lambda: 0), source="executor", run_id="r")
        self.answers = list(answers)

    async def denials(self) -> Sequence[Denial]:
        answer = self.answers.pop(0)
        if isinstance(answer, TransportError):
            raise answer
        return answer


async def test_redis_away_is_waited_out_and_a_refused_question_ends_the_watch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(denials, "EVERY_S", 0)
    away = TransportError("away", retryable=True, sent=Sent.NO)
    not_allowed = TransportError("NOPERM", retryable=False, sent=Sent.NO)
    watched = Watched(ScriptedBus([], away, [denial()], not_allowed))
    async with asyncio.timeout(5):
        await watched.watch.run()
    assert watched.counted() == 1
    assert "redis_denials_unknown" in capsys.readouterr().out
