"""Identifiers of a synthetic world: functions of its seed, in the shape of the venue's."""

from __future__ import annotations

import hashlib

from pmcore.model.market import Protocol, SeriesSpec, Window
from pmcore.model.units import NS_PER_S

_MODULE = b"\x01"


def digest_hex(*parts: object) -> str:
    """0x and 64 hex digits."""
    text = "|".join(str(part) for part in parts)
    return "0x" + hashlib.sha256(text.encode()).hexdigest()


def window_at(
    spec: SeriesSpec,
    at_ns: int,
    *,
    seed: int,
    tick_e4: int,
    min_size_u6: int,
    protocol: Protocol = Protocol.V1,
) -> Window:
    """The window of a rotating series that contains a time."""
    slug = spec.slug_at(at_ns)
    start_ns = at_ns // NS_PER_S // spec.length_s * spec.length_s * NS_PER_S
    ids = _ids_v2 if protocol is Protocol.V2 else _ids_v1
    condition_id, up_token_id, down_token_id = ids(seed, slug)
    return Window(
        series=spec.series,
        slug=slug,
        condition_id=condition_id,
        up_token_id=up_token_id,
        down_token_id=down_token_id,
        open_ns=start_ns,
        close_ns=start_ns + spec.length_s * NS_PER_S,
        tick_e4=tick_e4,
        min_size_u6=min_size_u6,
        protocol=protocol,
    )


def _ids_v1(seed: int, slug: str) -> tuple[str, str, str]:
    up, down = (str(int(digest_hex(name, seed, slug), 16)) for name in ("up", "down"))
    return digest_hex("condition", seed, slug), up, down


def _ids_v2(seed: int, slug: str) -> tuple[str, str, str]:
    """A position id is the 31-byte condition id and one byte of outcome (docs/venue.md 4.10).

    The condition's first byte names the module, its bits 40 to 103 are zero; the CLOB pads it.
    """
    digest = bytes.fromhex(digest_hex("condition", seed, slug)[2:])
    condition = _MODULE + digest[:18] + bytes(8) + digest[18:22]
    up, down = (str(int.from_bytes(condition + bytes([index]), "big")) for index in (0, 1))
    return f"0x{condition.hex()}00", up, down
