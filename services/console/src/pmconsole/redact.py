"""Takes out of a text what must not leave the machine: keys, tokens, addresses, passwords."""

from __future__ import annotations

import re
from collections.abc import Sequence

HIDDEN = "[hidden]"
_LOGIN = re.compile(r"(?<=://)[^\s/@]+@")
_QUERY = re.compile(r"(?<=://)(\S*?)\?\S+")
_HEX = re.compile(r"\b0[xX][0-9a-fA-F]{8,}")
_LONG = re.compile(r"[A-Za-z0-9+/_=-]{32,}")
"""As long as a key, a token or an id; our own names are shorter."""
_MIN_SECRET = 6


def redact(text: str, secrets: Sequence[str] = ()) -> str:
    """The text in one printable line, without `secrets` and without what looks like one."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _MIN_SECRET:
            plain = plain.replace(secret, HIDDEN)
    plain = _LOGIN.sub(f"{HIDDEN}@", plain)
    plain = _QUERY.sub(rf"\1?{HIDDEN}", plain)
    plain = _HEX.sub(HIDDEN, plain)
    return _LONG.sub(_hide_mixed, plain)


def _hide_mixed(found: re.Match[str]) -> str:
    """Without a digit it is a word, or several with hyphens."""
    return HIDDEN if any(char.isdigit() for char in found[0]) else found[0]
