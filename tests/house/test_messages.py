"""Each message that crosses a boundary has its golden bytes."""

from __future__ import annotations

from typing import get_args

from pmcore.messages.union import StreamMessage
from support.tree import ROOT

GOLDENS = ROOT / "tests/contract/wire/goldens"


def test_each_message_has_a_golden() -> None:
    tags = {message.__struct_config__.tag for message in get_args(StreamMessage)}
    goldens = {path.name.partition(".")[0] for path in GOLDENS.glob("*.json")}
    assert tags
    assert tags - goldens == set()
