"""Who may look and act: the control token, links for one use, and sessions of a browser.

A session is a signed date, so nothing is kept for it and a restart ends none; another token ends
all. A link's code is kept until it is used or too old.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

SESSION_S = 12 * 3600
CODE_S = 600
CODES_KEPT = 16


class Access:
    """Times are seconds of the wall clock."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._key = hashlib.sha256(b"pm console session\0" + self._token).digest()
        self._codes: dict[str, float] = {}

    def is_bearer(self, authorization: str) -> bool:
        """Whether the header holds the control token."""
        scheme, _, given = authorization.partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.encode(), self._token)

    def new_code(self, now_s: float) -> str:
        """A code that opens one session within `CODE_S`."""
        while len(self._codes) >= CODES_KEPT:
            del self._codes[next(iter(self._codes))]
        code = secrets.token_urlsafe(24)
        self._codes[code] = now_s + CODE_S
        return code

    def use_code(self, code: str, now_s: float) -> bool:
        """Whether the code is good; it is not any more afterwards."""
        until_s = self._codes.pop(code, None)
        return until_s is not None and now_s < until_s

    def new_session(self, now_s: float) -> str:
        """The value of a browser's cookie."""
        text = f"{int(now_s + SESSION_S)}.{secrets.token_urlsafe(12)}"
        return f"{text}.{self._sign(text)}"

    def is_session(self, value: str, now_s: float) -> bool:
        """Whether a cookie's value was given out with this token and is not too old."""
        text, _, signature = value.rpartition(".")
        if not text or not hmac.compare_digest(self._sign(text).encode(), signature.encode()):
            return False
        return now_s < int(text.partition(".")[0])

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()
