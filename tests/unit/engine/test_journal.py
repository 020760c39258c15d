from __future__ import annotations

import msgspec
import pytest

from pmcore.engine.journal import ENTRY_START, ENTRY_TAG, JournalEnd, JournalFormat


class Header(msgspec.Struct, frozen=True, tag="a_header"):
    name: str


class Entry(msgspec.Struct, frozen=True, tag=ENTRY_TAG, array_like=True):
    at_ns: int
    event: int


FORMAT = JournalFormat(Header, Entry)
OTHER = JournalFormat(msgspec.defstruct("Other", [], tag="header"), Entry)


@pytest.mark.parametrize("line", [Header("n"), Entry(1, 2), JournalEnd("f")])
def test_each_line_comes_back(line: Header | Entry | JournalEnd) -> None:
    assert FORMAT.decode(FORMAT.encode(line)) == line


def test_the_first_line_says_whose_journal_it_is() -> None:
    first = FORMAT.encode(Header("n"))
    assert FORMAT.opens(first)
    assert not OTHER.opens(first)
    assert not FORMAT.opens(FORMAT.encode(JournalEnd("f")))
    assert FORMAT.encode(Entry(1, 2)).startswith(ENTRY_START)


@pytest.mark.parametrize("line", [b'{"type":"header"}', b'["in",1]', b'{"type":"end"', b""])
def test_anything_else_is_an_error(line: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        FORMAT.decode(line)
