from __future__ import annotations

from pmcore.messages.control import Halt


def test_a_halt_is_named_by_its_id() -> None:
    assert Halt(reason="news", by="operator", ts_recv_ns=5, halt_id="3f2a").identity == "3f2a"


def test_a_halt_of_an_older_release_is_named_by_what_it_says() -> None:
    assert Halt(reason="news", by="operator", ts_recv_ns=5).identity == "5 operator news"
