from __future__ import annotations

import io
from pathlib import Path

import pytest

from pmcore.messages.control import Halt, Resume
from pmcore.model.errors import TransportError
from pmcore.shell.service.kill_switch import KillSwitch
from pmcore.shell.service.logs import configure_logs
from pmcore.wire import keys
from pmcore.wire.codec import decode_entry
from pmsim.bus.memory_bus import MemoryBus, MemoryStore

_NOW_NS = 1_000


class _Service:
    def __init__(self) -> None:
        self.heard: list[str] = []

    async def on_halt(self, reason: str) -> None:
        self.heard.append(f"halt {reason}")

    async def on_resume(self) -> None:
        self.heard.append("resume")


class _World:
    def __init__(self, directory: Path) -> None:
        self.store = MemoryStore(lambda: _NOW_NS)
        self.file = directory / "halt.json"
        self._directory = directory

    def kill_switch(self, service: _Service, name: str = "one") -> KillSwitch:
        return KillSwitch(
            service,
            MemoryBus(self.store, source=name, run_id="r"),
            account="acct",
            data_dir=self._directory,
            now_ns=lambda: _NOW_NS,
            log=configure_logs(name, "error", io.StringIO()),
        )

    @property
    def stored(self) -> bool:
        return keys.halt("acct") in self.store.values


def _resume_of(kill_switch: KillSwitch, at_ns: int) -> Resume:
    """Another process lifts what this one holds."""
    held = kill_switch.halt_in_force
    assert held is not None
    return Resume(by="other", ts_recv_ns=at_ns, resume_id=f"r{at_ns}", lifts=(held.identity,))


@pytest.fixture
def world(tmp_path: Path) -> _World:
    return _World(tmp_path)


@pytest.fixture
def service() -> _Service:
    return _Service()


async def test_a_halt_reaches_the_service_and_redis(world: _World, service: _Service) -> None:
    kill_switch = world.kill_switch(service)
    assert await kill_switch.halt("enough", "me")
    assert service.heard == ["halt enough"]
    assert kill_switch.reason == "enough"
    assert world.stored
    assert world.file.exists()


async def test_without_redis_a_halt_works_and_is_kept_in_a_file(
    world: _World, service: _Service
) -> None:
    world.store.available = False
    kill_switch = world.kill_switch(service)
    assert not await kill_switch.halt("enough", "me")
    assert service.heard == ["halt enough"]
    assert world.file.exists()


async def test_a_halt_in_the_file_is_handed_on_when_redis_is_back(
    world: _World, service: _Service
) -> None:
    world.store.available = False
    kill_switch = world.kill_switch(service)
    await kill_switch.halt("enough", "me")
    assert not await kill_switch.hand_on()
    world.store.available = True
    assert await kill_switch.hand_on()
    assert world.stored
    assert world.file.exists()


async def test_a_halt_outlives_a_restart(world: _World) -> None:
    await world.kill_switch(_Service()).halt("enough", "me")
    again = _Service()
    await world.kill_switch(again).load([])
    assert again.heard == ["halt enough"]


async def test_a_halt_that_only_the_file_knows_outlives_a_restart(world: _World) -> None:
    world.store.available = False
    await world.kill_switch(_Service()).halt("enough", "me")
    world.store.available = True
    again = _Service()
    await world.kill_switch(again).load([])
    assert again.heard == ["halt enough"]
    assert world.stored


async def test_a_resume_heard_at_start_undoes_the_file(world: _World) -> None:
    kill_switch = world.kill_switch(_Service())
    world.store.available = False
    await kill_switch.halt("enough", "me")
    world.store.available = True
    again = _Service()
    await world.kill_switch(again).load([_resume_of(kill_switch, 1)])
    assert again.heard == []
    assert not world.file.exists()


async def test_an_unreadable_halt_still_halts(world: _World, service: _Service) -> None:
    world.file.write_bytes(b"{")
    await world.kill_switch(service).load([])
    assert service.heard == ["halt an unreadable halt was stored"]


async def test_a_resume_undoes_key_and_file(world: _World, service: _Service) -> None:
    kill_switch = world.kill_switch(service)
    await kill_switch.halt("enough", "me")
    await kill_switch.resume("me")
    assert service.heard == ["halt enough", "resume"]
    assert kill_switch.reason == ""
    assert not world.stored


async def test_without_redis_a_resume_is_refused(world: _World, service: _Service) -> None:
    kill_switch = world.kill_switch(service)
    await kill_switch.halt("enough", "me")
    world.store.available = False
    with pytest.raises(TransportError):
        await kill_switch.resume("me")
    assert kill_switch.reason == "enough"
    assert service.heard == ["halt enough"]


async def test_words_of_others_are_obeyed_and_own_ones_not_repeated(
    world: _World, service: _Service
) -> None:
    kill_switch = world.kill_switch(service)
    await kill_switch.halt("enough", "me")
    first = kill_switch.halt_in_force
    assert first is not None
    await kill_switch.hear(first)
    assert service.heard == ["halt enough"]
    early = _resume_of(kill_switch, _NOW_NS + 1_000)
    await kill_switch.hear(Halt(reason="more", by="other", ts_recv_ns=5, halt_id="2"))
    await kill_switch.hear(early)
    assert kill_switch.reason == "more"
    resume = _resume_of(kill_switch, 0)
    await kill_switch.hear(resume)
    await kill_switch.hear(resume)
    assert service.heard == ["halt enough", "halt more", "resume"]
    await kill_switch.hear(first)  # an entry that is read late
    assert kill_switch.reason == ""


async def test_a_resume_reaches_a_service_that_holds_for_reasons_of_its_own(
    world: _World, service: _Service
) -> None:
    kill_switch = world.kill_switch(service)
    await kill_switch.resume("me")
    assert service.heard == ["resume"]


async def test_a_resume_that_names_another_halt_does_not_undo_the_file(world: _World) -> None:
    world.store.available = False
    await world.kill_switch(_Service()).halt("enough", "me")
    world.store.available = True
    again = _Service()
    resumed = Resume(by="x", ts_recv_ns=_NOW_NS + 9, lifts=("old",))
    old = Halt(reason="old", by="me", ts_recv_ns=0, halt_id="old")
    await world.kill_switch(again).load([old, resumed])
    assert again.heard == ["halt enough"]
    assert world.stored


async def test_a_halt_is_told_to_all_others(world: _World, service: _Service) -> None:
    await world.kill_switch(service).halt("enough", "me")
    ctl = keys.ctl("acct")
    entries = world.store.stream(ctl)
    (told,) = (
        decode_entry(ctl, "", entries.fields(entry_id)).message
        for entry_id in entries.after((0, 0), 10)
    )
    assert isinstance(told, Halt)
    assert (told.reason, told.by, told.ts_recv_ns) == ("enough", "me", _NOW_NS)
    assert told.halt_id
