"""What the network clients share."""

from __future__ import annotations

from urllib.parse import urlsplit


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine; then no proxy is asked."""
    return urlsplit(url).hostname in {"127.0.0.1", "::1", "localhost"}
