"""Identifiers of a made-up world: functions of its seed, in the shape of the venue's."""

from __future__ import annotations

import hashlib

from pmcore.model.market import SeriesSpec, Window
from pmcore.model.units import NS_PER_S


def digest_hex(*parts: object) -> str:
    """0x and 64 hex digits."""
    text = "|".join(str(part) for part in parts)
    return "0x" + hashlib.sha256(text.encode()).hexdigest()


def window_at(spec: SeriesSpec, at_ns: int, *, seed: int, tick_e4: int, min_size_u6: int) -> Window:
    """The window of a rotating series that contains a time."""
    slug = spec.slug_at(at_ns)
    start_ns = at_ns // NS_PER_S // spec.length_s * spec.length_s * NS_PER_S
    return Window(
        series=spec.series,
        slug=slug,
        condition_id=digest_hex("condition", seed, slug),
        up_token_id=str(int(digest_hex("up", seed, slug), 16)),
        down_token_id=str(int(digest_hex("down", seed, slug), 16)),
        open_ns=start_ns,
        close_ns=start_ns + spec.length_s * NS_PER_S,
        tick_e4=tick_e4,
        min_size_u6=min_size_u6,
    )
