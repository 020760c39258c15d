"""The texts inside a server's WebSocket frames."""

from __future__ import annotations


def frame_text(frame: bytes) -> str:
    """The text of one unmasked text frame."""
    assert frame[0] == 0x81
    short = frame[1]
    head = {126: 4, 127: 10}.get(short, 2)
    size = short if head == 2 else int.from_bytes(frame[2:head], "big")
    assert len(frame) == head + size
    return frame[head:].decode()
