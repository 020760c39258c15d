"""Halts and resumes when the file, Redis or the clock fail."""

from __future__ import annotations

import asyncio
import io
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from pmcore.messages.control import ControlMessage, Halt, Resume
from pmcore.model.errors import Sent, TransportError
from pmcore.shell.service.halt_file import HaltFile, decode_halt
from pmcore.shell.service.kill_switch import MAX_HELD, KillSwitch, ResumeRefusedError
from pmcore.shell.service.logs import configure_logs
from pmcore.wire import keys
from pmcore.wire.codec import decode_entry
from pmcore.wire.ports import Ack, Outgoing
from pmsim.bus.memory_bus import MemoryBus, MemoryStore

_KEY, _CTL = keys.halt("acct"), keys.ctl("acct")


class _Service:
    def __init__(self) -> None:
        self.heard: list[str] = []

    async def on_halt(self, reason: str) -> None:
        self.heard.append(f"halt {reason}")

    async def on_resume(self) -> None:
        self.heard.append("resume")


class _FailingBus(MemoryBus):
    """Redis that goes away at one call: before it, or after it was done."""

    fails_at = ""
    is_done = False

    async def publish(
        self, outgoing: Sequence[Outgoing], acks: Sequence[Ack] = ()
    ) -> Sequence[str]:
        self._fail("publish", done=False)
        entry_ids = await super().publish(outgoing, acks)
        self._fail("publish", done=True)
        return entry_ids

    async def swap(
        self,
        key: str,
        *,
        expected: bytes | None,
        value: bytes | None,
        ttl_ms: int | None = None,
        replicated: bool = False,
    ) -> bool:
        self._fail("swap", done=False)
        swapped = await super().swap(
            key, expected=expected, value=value, ttl_ms=ttl_ms, replicated=replicated
        )
        self._fail("swap", done=True)
        return swapped

    async def get(self, key: str) -> bytes | None:
        self._fail("get", done=False)
        return await super().get(key)

    async def put(self, key: str, value: bytes, *, ttl_ms: int | None = None) -> None:
        self._fail("put", done=False)
        await super().put(key, value, ttl_ms=ttl_ms)

    def _fail(self, name: str, *, done: bool) -> None:
        if (self.fails_at, self.is_done) == (name, done):
            self.fails_at = ""
            raise TransportError("gone", retryable=True, sent=Sent.UNKNOWN)


class _Deployment:
    """One service with its directory; `now_ns` is its clock."""

    def __init__(self, store: MemoryStore, directory: Path) -> None:
        self.store, self.directory = store, directory
        self.now_ns = 1_000
        self.start()

    def start(self) -> None:
        self.service = _Service()
        self.bus = _FailingBus(self.store, source="one", run_id="r")
        self.switch = KillSwitch(
            self.service,
            self.bus,
            account="acct",
            data_dir=self.directory,
            now_ns=lambda: self.now_ns,
            log=configure_logs("one", "error", io.StringIO()),
        )
        self.read_to = (0, 0)

    async def restart(self) -> None:
        self.start()
        await self.switch.load(self.unread())

    def unread(self) -> list[ControlMessage]:
        stream = self.store.stream(_CTL)
        found: list[ControlMessage] = []
        for entry_id in stream.after(self.read_to, 1_000):
            message = decode_entry(_CTL, "", stream.fields(entry_id)).message
            assert isinstance(message, Halt | Resume)
            found.append(message)
            self.read_to = entry_id
        return found

    async def read(self) -> None:
        for message in self.unread():
            await self.switch.hear(message)
        await self.switch.hand_on()


class _World:
    def __init__(self, directory: Path) -> None:
        self.store = MemoryStore(lambda: 1_000)
        self.one = _Deployment(self.store, directory / "one")
        self.two = _Deployment(self.store, directory / "two")

    def lose_data(self) -> None:
        self.store.values.clear()
        self.store.streams.clear()

    async def settle(self) -> None:
        for _ in range(3):
            await self.one.read()
            await self.two.read()

    @property
    def reasons(self) -> list[str]:
        return [self.one.switch.reason, self.two.switch.reason]


@pytest.fixture
def world(tmp_path: Path) -> _World:
    return _World(tmp_path)


async def test_an_empty_redis_does_not_forget_a_halt(world: _World) -> None:
    await world.one.switch.halt("enough", "me")
    await world.settle()
    world.lose_data()
    await world.one.restart()
    await world.two.restart()
    assert world.reasons == ["enough", "enough"]


async def test_a_running_process_gives_an_empty_redis_its_halt_again(world: _World) -> None:
    await world.one.switch.halt("enough", "me")
    world.lose_data()
    await world.one.switch.hand_on()
    assert _KEY in world.store.values
    await world.two.switch.hand_on()  # its group on ctl is new, it heard nothing
    assert world.reasons == ["enough", "enough"]


async def test_a_halt_that_a_service_never_heard_is_found_in_its_key(world: _World) -> None:
    await world.one.switch.halt("enough", "me")
    await world.two.switch.hand_on()
    assert world.two.service.heard == ["halt enough"]


async def test_the_stale_key_of_an_old_replica_halts_again(world: _World) -> None:
    await world.one.switch.halt("enough", "me")
    stale = world.store.values[_KEY]
    await world.one.switch.resume("me")
    world.lose_data()
    world.store.values[_KEY] = stale
    await world.one.restart()
    assert world.one.switch.reason == "enough"
    await world.one.switch.resume("me")
    assert world.one.switch.reason == ""


async def test_file_and_redis_with_different_halts_need_both_lifted(world: _World) -> None:
    world.store.available = False
    await world.one.switch.halt("from the file", "me")
    world.store.available = True
    await world.two.switch.halt("from redis", "me")
    await world.one.restart()
    assert len(world.one.service.heard) == 2
    early = Resume(by="x", ts_recv_ns=10**18, lifts=tuple(world.two.switch._held))
    await world.two.bus.publish([Outgoing(_CTL, early)])
    await world.one.read()
    assert world.one.switch.reason == "from the file"
    await world.settle()
    await world.one.switch.resume("me")
    await world.settle()
    assert world.reasons == ["", ""]
    assert _KEY not in world.store.values


async def test_a_kill_after_the_clock_stepped_back_can_be_resumed(world: _World) -> None:
    for now_ns in (10**15, 10**14, 10**13):
        world.one.now_ns = now_ns
        await world.one.switch.halt("enough", "me")
        await world.settle()
        world.one.now_ns -= 10**9
        await world.one.switch.resume("me")
        await world.settle()
        assert world.reasons == ["", ""]
    await world.one.restart()
    assert world.one.switch.reason == ""


async def test_a_late_reader_does_not_meet_an_old_halt_after_its_own_resume(world: _World) -> None:
    await world.one.switch.halt("enough", "me")
    await world.two.switch.resume("me")  # it knows the halt from the key only
    await world.two.read()
    assert world.two.service.heard == ["halt enough", "resume"]
    await world.settle()
    assert world.reasons == ["", ""]


async def test_without_redis_nothing_is_resumed(world: _World) -> None:
    await world.one.switch.halt("enough", "me")
    world.store.available = False
    with pytest.raises(TransportError):
        await world.one.switch.resume("me")
    world.store.available = True
    await world.settle()
    await world.one.restart()
    assert world.reasons == ["enough", "enough"]


@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("fails_at", ["publish", "swap"])
async def test_a_resume_that_fails_half_way_leaves_all_halted(
    world: _World, fails_at: str, is_done: bool
) -> None:
    await world.one.switch.halt("enough", "me")
    await world.settle()
    world.one.bus.fails_at, world.one.bus.is_done = fails_at, is_done
    with pytest.raises(TransportError):
        await world.one.switch.resume("me")
    await world.settle()
    assert world.reasons == ["enough", "enough"]
    await world.one.restart()
    await world.two.restart()
    assert world.reasons == ["enough", "enough"]
    await world.settle()
    await world.two.switch.resume("me")
    await world.settle()
    assert world.reasons == ["", ""]


async def test_a_file_that_cannot_be_removed_leaves_all_halted(
    world: _World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.one.switch.halt("enough", "me")
    await world.settle()

    async def fail(_file: HaltFile, _halts: object) -> None:
        raise OSError("read-only file system")

    with monkeypatch.context() as patched:
        patched.setattr(HaltFile, "save", fail)
        with pytest.raises(OSError, match="read-only"):
            await world.one.switch.resume("me")
    await world.settle()
    assert world.reasons == ["enough", "enough"]


async def test_a_heard_resume_that_cannot_be_stored_is_not_obeyed(
    world: _World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.one.switch.halt("enough", "me")
    await world.settle()
    await world.one.switch.resume("me")

    async def fail(_file: HaltFile, _halts: object) -> None:
        raise OSError("read-only file system")

    with monkeypatch.context() as patched:
        patched.setattr(HaltFile, "save", fail)
        await world.two.read()
    await world.settle()
    assert world.reasons == ["enough", "enough"]


async def test_a_full_disk_does_not_keep_a_halt_from_redis(world: _World) -> None:
    world.one.directory.parent.mkdir(exist_ok=True)
    world.one.directory.write_text("a file where the directory should be")
    assert await world.one.switch.halt("enough", "me")
    assert not world.one.switch.kept_in_file
    assert world.one.service.heard == ["halt enough"]
    await world.settle()
    assert world.reasons == ["enough", "enough"]


async def test_a_file_that_cannot_be_opened_halts(world: _World) -> None:
    (world.one.directory / "halt.json").mkdir(parents=True)
    await world.one.restart()
    assert world.one.switch.reason == "an unreadable halt was stored"


async def test_an_unreadable_key_halts_once_and_is_replaced(world: _World) -> None:
    world.store.values[_KEY] = (b"{", None)
    await world.one.switch.hand_on()
    await world.one.switch.hand_on()
    assert world.one.service.heard == ["halt an unreadable halt was stored"]
    await world.one.switch.resume("me")
    assert world.one.switch.reason == ""
    assert _KEY not in world.store.values


async def test_a_kill_during_a_resume_stays(world: _World) -> None:
    await world.one.switch.halt("enough", "me")
    await world.settle()
    publish = world.one.bus.publish

    async def slow(outgoing: Sequence[Outgoing], acks: Sequence[Ack] = ()) -> Sequence[str]:
        if isinstance(outgoing[0].message, Resume):
            await world.two.switch.halt("more", "other")
        return await publish(outgoing, acks)

    world.one.bus.publish = slow  # type: ignore[method-assign]
    with pytest.raises(ResumeRefusedError, match="more"):
        await world.one.switch.resume("me")
    await world.settle()
    assert world.reasons == ["more", "more"]


async def test_a_crash_between_resume_and_file_resumes_at_the_start(world: _World) -> None:
    await world.one.switch.halt("enough", "me")
    kept = world.one.directory.with_name("kept")
    shutil.copytree(world.one.directory, kept)
    await world.one.switch.resume("me")
    shutil.copytree(kept, world.one.directory, dirs_exist_ok=True)
    await world.one.restart()
    assert world.one.switch.reason == ""
    assert not (world.one.directory / "halt.json").exists()


async def test_what_an_older_release_stored_is_understood(world: _World) -> None:
    world.one.directory.mkdir(parents=True)
    old = b'{"type":"halt","reason":"old","by":"me","ts_recv_ns":5}'
    (world.one.directory / "halt.json").write_bytes(old)
    await world.one.restart()
    assert world.one.switch.reason == "old"
    world.one.start()
    halt = Halt(reason="old", by="me", ts_recv_ns=5)
    await world.one.switch.load([halt, Resume(by="me", ts_recv_ns=6)])
    assert world.one.switch.reason == ""


async def test_a_resume_that_comes_back_while_it_is_stored_is_obeyed_once(world: _World) -> None:
    await world.one.switch.halt("enough", "me")
    save = HaltFile.save

    async def slow(file: HaltFile, halts: list[Halt]) -> None:
        if not halts:
            tasks.append(asyncio.ensure_future(world.one.read()))
            await asyncio.sleep(0)
        await save(file, halts)

    tasks: list[asyncio.Future[None]] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(HaltFile, "save", slow)
        await world.one.switch.resume("me")
        await tasks[0]
    assert world.one.service.heard == ["halt enough", "resume"]


async def test_the_number_of_halts_held_is_bounded(world: _World) -> None:
    for number in range(MAX_HELD + 5):
        await world.one.switch.halt(f"no {number}", "me")
    assert world.one.switch.reason == f"no {MAX_HELD + 4}"
    assert len(world.one.switch._held) == MAX_HELD
    await world.one.switch.resume("me")
    await world.settle()
    assert world.reasons[0] == ""
    await world.one.restart()
    assert world.one.switch.reason == ""


@pytest.mark.parametrize("fails_at", ["get", "put"])
async def test_the_others_hear_of_a_halt_before_its_key_is_asked_for(
    world: _World, fails_at: str
) -> None:
    world.one.bus.fails_at = fails_at
    assert not await world.one.switch.halt("enough", "me")
    assert _KEY not in world.store.values
    await world.two.read()
    assert world.reasons == ["enough", "enough"]
    await world.one.restart()  # before it wrote the key: the stream is enough
    assert world.one.switch.reason == "enough"
    assert await world.one.switch.hand_on()
    assert _KEY in world.store.values
    assert world.two.unread() == []


async def test_the_key_holds_the_newest_halt(world: _World) -> None:
    await world.one.switch.halt("first", "me")
    await world.one.switch.halt("second", "me")
    stored = decode_halt(world.store.values[_KEY][0])
    assert stored.reason == "second"
