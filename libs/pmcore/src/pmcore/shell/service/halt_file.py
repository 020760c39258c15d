"""`halt.json`: the halts that one service knows, in its data directory, from halt to resume."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec

from pmcore.messages.control import Halt
from pmcore.shell.files import remove_file, write_file_atomically
from pmcore.shell.machine import machine

UNREADABLE = "an unreadable halt was stored"


class HaltFile:
    """Written whole, off the event loop; absent while nothing is halted."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = asyncio.Lock()

    def read(self) -> list[Halt]:
        """The halts in the file. One that cannot be read is a halt too."""
        try:
            stored = self._path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError:
            return [unreadable_halt()]
        try:
            return msgspec.json.decode(stored, type=list[Halt])
        except msgspec.MsgspecError:
            return [decode_halt(stored)]  # older releases wrote one halt

    async def save(self, halts: Sequence[Halt]) -> None:
        """Write these halts, or remove the file without any; raise `OSError`."""
        async with self._writing:
            if halts:
                content = msgspec.json.encode(list(halts))
                await asyncio.to_thread(write_file_atomically, self._path, content)
            else:
                await asyncio.to_thread(remove_file, self._path)


def decode_halt(stored: bytes) -> Halt:
    """One stored halt; bytes that are none halt as well."""
    try:
        return msgspec.json.decode(stored, type=Halt)
    except msgspec.MsgspecError:
        return unreadable_halt()


def unreadable_halt(reason: str = UNREADABLE, halt_id: str = "") -> Halt:
    """What stands for a halt that nobody can read; its time is not known."""
    return Halt(reason=reason, by="unknown", ts_recv_ns=0, halt_id=halt_id or new_id())


def new_id() -> str:
    """An id that no other halt or resume has."""
    return machine().new_id()
