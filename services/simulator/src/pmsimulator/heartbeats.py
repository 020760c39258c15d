"""The order heartbeat of each API key (docs/venue.md 8). Pure over given time.

The first accepted beat arms it, nothing disarms it, expiry removes it. A wrong id is refused with
the expected one and does not refresh the deadline.
"""

from __future__ import annotations

import uuid

import msgspec

from pmcore.model.units import NS_PER_S

LAPSE_NS = 10 * NS_PER_S
CHECK_NS = 5 * NS_PER_S
_NAMESPACE = uuid.UUID("3d0c0f5e-7f0b-5d3b-9a52-0a6f6c1f8e11")


class HeartbeatReply(msgspec.Struct, frozen=True):
    """`heartbeat_id` is the next id to send, whether accepted or not."""

    accepted: bool
    heartbeat_id: str


class _Chain(msgspec.Struct):
    expected_id: str
    beats: int
    armed: bool
    last_ns: int


class Heartbeats:
    """All chains. A key that lapsed may go on with its last id or start again with ""."""

    def __init__(self) -> None:
        self._chains: dict[str, _Chain] = {}

    def beat(self, api_key: str, heartbeat_id: str, at_ns: int) -> HeartbeatReply:
        """One `POST /v1/heartbeats`."""
        chain = self._chains.setdefault(api_key, _Chain("", 0, armed=False, last_ns=at_ns))
        fresh_start = heartbeat_id == "" and not chain.armed
        if heartbeat_id != chain.expected_id and not fresh_start:
            return HeartbeatReply(accepted=False, heartbeat_id=chain.expected_id)
        chain.beats += 1
        chain.expected_id = str(uuid.uuid5(_NAMESPACE, f"{api_key}:{chain.beats}"))
        chain.armed = True
        chain.last_ns = at_ns
        return HeartbeatReply(accepted=True, heartbeat_id=chain.expected_id)

    def armed(self, api_key: str) -> bool:
        """Whether its orders end with its beats: not before the first one, nor after a lapse."""
        return api_key in self._chains and self._chains[api_key].armed

    def lapse(self, at_ns: int) -> list[str]:
        """The keys whose time is up; each is disarmed and named once."""
        lapsed = [
            key
            for key, chain in self._chains.items()
            if chain.armed and at_ns - chain.last_ns >= LAPSE_NS
        ]
        for key in lapsed:
            self._chains[key].armed = False
        return lapsed
