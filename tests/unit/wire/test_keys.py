from __future__ import annotations

import pytest

from pmcore.model.errors import InvariantError
from pmcore.wire import keys


def test_keys_are_versioned_and_tagged() -> None:
    assert keys.md("btc-15m") == "pm:v1:{btc-15m}:md"
    assert keys.rot("btc-15m") == "pm:v1:{btc-15m}:rot"
    assert keys.cmd("btc-15m") == "pm:v1:{btc-15m}:cmd"
    assert keys.exe("btc-15m") == "pm:v1:{btc-15m}:exe"
    assert keys.dlq("btc-15m") == "pm:v1:{btc-15m}:dlq"
    assert keys.checkpoints("btc-15m") == "pm:v1:{btc-15m}:md:snap"
    assert keys.user("acct") == "pm:v1:{acct}:user"
    assert keys.ctl("acct") == "pm:v1:{acct}:ctl"
    assert keys.halt("acct") == "pm:v1:{acct}:halt"
    assert keys.results("acct") == "pm:v1:{acct}:results"
    assert keys.unreadable("acct") == "pm:v1:{acct}:poison"
    assert keys.lease("btc-15m") == "pm:v1:{btc-15m}:lease"
    assert keys.last_token(keys.lease("btc-15m")) == "pm:v1:{btc-15m}:lease:token"


def test_each_deployment_hears_ctl_by_a_group_of_its_own() -> None:
    assert keys.ctl_group("feed", "3f2a") == "3f2a:feed"
    assert keys.alive("acct", "feed") == "pm:v1:{acct}:alive:feed"


def test_a_window_group_is_its_slug_and_the_service_behind_it() -> None:
    assert keys.window_group("btc-updown-15m-1") == "btc-updown-15m-1"
    assert keys.window_group("btc-updown-15m-1", "executor") == "btc-updown-15m-1:executor"


def test_the_parts_of_a_key() -> None:
    assert keys.hash_tag(keys.md("btc-15m")) == "btc-15m"
    assert keys.stream_kind(keys.checkpoints("btc-15m")) == "md:snap"


@pytest.mark.parametrize("key", ["", "md", "pm:v1:btc:md", "pm:v2:{btc}:md", "pm:v1:{}:md"])
def test_a_key_made_elsewhere_is_our_mistake(key: str) -> None:
    with pytest.raises(InvariantError):
        keys.hash_tag(key)


def test_one_hash_tag() -> None:
    assert keys.one_hash_tag([keys.md("a"), keys.cmd("a")]) == "a"
    for wrong in ([], [keys.md("a"), keys.md("b")]):
        with pytest.raises(InvariantError):
            keys.one_hash_tag(wrong)
