from __future__ import annotations

import pytest

from pmcore.wire import keys
from pmcore.wire.access import SERVICES, Use, acl_line, grants_of
from pmcore.wire.registry import STREAMS


def users_who(use: Use, key: str) -> set[str]:
    return {name for name in SERVICES if key in grants_of(name).get(use, ())}


@pytest.mark.parametrize(
    ("key", "writers"),
    [
        (keys.md("*"), {"feed"}),
        (keys.rot("*"), {"feed"}),
        (keys.cmd("*"), {"strategy"}),
        (keys.exe("*"), {"executor"}),
        (keys.dlq("*"), {"strategy"}),
        (keys.user("*"), {"userws", "executor"}),
        (keys.ctl("*"), set(SERVICES)),
    ],
)
def test_who_may_write_a_stream(key: str, writers: set[str]) -> None:
    assert users_who(Use.ADD, key) == writers


def test_every_stream_has_a_writer() -> None:
    for kind in STREAMS:
        assert users_who(Use.ADD, keys.stream_key("*", kind)), kind


def test_commands_are_consumed_by_the_executor_only() -> None:
    assert users_who(Use.CONSUME, keys.cmd("*")) == {"executor"}


def test_each_service_says_only_of_itself_that_it_is_alive() -> None:
    for name in SERVICES:
        assert users_who(Use.SET, keys.alive("*", name)) == {name}


def test_leases_of_series_and_of_wallets_have_one_owner_each() -> None:
    assert users_who(Use.SWAP, keys.lease("*-*")) == {"strategy"}
    assert users_who(Use.SWAP, keys.lease("0x*")) == {"executor"}


def test_each_use_has_keys_of_its_own() -> None:
    line = acl_line("userws", ">hush")
    assert line.startswith("user userws on >hush +ping ")
    assert "(+xadd ~pm:v1:{*}:user ~pm:v1:{*}:ctl)" in line
    assert "~*" not in line.split()
    assert "+@all" not in line


def test_without_selectors_all_is_one() -> None:
    line = acl_line("userws", ">hush", selectors=False)
    assert "(" not in line
    words = line.split()
    assert "+xadd" in words
    assert "~pm:v1:{*}:user" in words
    assert len(words) == len(set(words))


def test_the_operator_may_do_everything() -> None:
    assert acl_line("ops", "#hash") == "user ops on #hash ~* &* +@all"


def test_only_the_executor_reads_what_was_refused() -> None:
    assert [name for name in SERVICES if "+acl|log" in acl_line(name, ">x")] == ["executor"]
